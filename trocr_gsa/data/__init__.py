"""Lines of text with their transcriptions: read from anywhere, rendered, mixed, changed a little, and batched."""

from .augment import AugmentedLines, LineAugmentation
from .buckets import BucketBatchSampler
from .collate import LineCollator
from .compile import CompileReport, compile_lines
from .corpus import Corpus, TextCorpus
from .fit import FittingLines, LineFit
from .fonts import Font, find_fonts
from .images import ImageError, load_image
from .ink import InkStyle
from .mixture import Mixture
from .page import PageStyle
from .render import LineRenderer, RenderedLines, RenderStyle
from .samples import LineDataset, LineSample
from .sources import open_source
from .stored import StoredLines

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
]
