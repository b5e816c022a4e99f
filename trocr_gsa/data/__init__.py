"""Line images with transcriptions: data sources, rendering, mixtures, augmentation, and batches.

Names are imported when they are first used, so that reading images does not import pyarrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trocr_gsa.data.synthetic.augmentation import AugmentedLines, LineAugmentation
    from trocr_gsa.data.synthetic.corpus import Corpus, TextCorpus
    from trocr_gsa.data.synthetic.fonts import Font, find_fonts
    from trocr_gsa.data.synthetic.ink import InkStyle
    from trocr_gsa.data.synthetic.paper import PageStyle
    from trocr_gsa.data.synthetic.render import LineRenderer, RenderedLines, RenderStyle

    from .buckets import BucketBatchSampler
    from .collate import LineCollator
    from .compile import CompileReport, compile_lines
    from .fit import FittingLines, LineFit
    from .images import ImageError, load_image, pages_of
    from .mixture import Mixture
    from .samples import LineDataset, LineSample
    from .sources import open_source
    from .stored import StoredLines

_HOMES = {
    "AugmentedLines": ".synthetic.augmentation",
    "BucketBatchSampler": ".buckets",
    "CompileReport": ".compile",
    "Corpus": ".synthetic.corpus",
    "FittingLines": ".fit",
    "Font": ".synthetic.fonts",
    "ImageError": ".images",
    "InkStyle": ".synthetic.ink",
    "LineAugmentation": ".synthetic.augmentation",
    "LineCollator": ".collate",
    "LineDataset": ".samples",
    "LineFit": ".fit",
    "LineRenderer": ".synthetic.render",
    "LineSample": ".samples",
    "Mixture": ".mixture",
    "PageStyle": ".synthetic.paper",
    "RenderStyle": ".synthetic.render",
    "RenderedLines": ".synthetic.render",
    "StoredLines": ".stored",
    "TextCorpus": ".synthetic.corpus",
    "compile_lines": ".compile",
    "find_fonts": ".synthetic.fonts",
    "load_image": ".images",
    "open_source": ".sources",
    "pages_of": ".images",
}

__all__ = [
    "AugmentedLines",
    "BucketBatchSampler",
    "CompileReport",
    "Corpus",
    "FittingLines",
    "Font",
    "ImageError",
    "InkStyle",
    "LineAugmentation",
    "LineCollator",
    "LineDataset",
    "LineFit",
    "LineRenderer",
    "LineSample",
    "Mixture",
    "PageStyle",
    "RenderStyle",
    "RenderedLines",
    "StoredLines",
    "TextCorpus",
    "compile_lines",
    "find_fonts",
    "load_image",
    "open_source",
    "pages_of",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
