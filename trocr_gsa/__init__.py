"""An OCR line reader that is invariant under rotation: TrOCR with a group self-attention encoder, and LoRA.

Importing the package registers the models with transformers' Auto classes. Saved models contain their code, so that
they can be loaded without this package. Heavy modules are imported only when one of the names below is used, and the
models are registered when transformers is imported.
"""

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data.line import Line
    from .equivariance import assert_equivariant, equivariance_error
    from .model.attention import GroupSelfAttention, LiftingSelfAttention
    from .model.configuration_gsa_net import GSANetConfig
    from .model.configuration_trocr_gsa import TrOCRGSAConfig
    from .model.groups import PointGroup
    from .model.image_processing_square import SquareImageProcessor
    from .model.image_processing_trocr_gsa import TrOCRGSAImageProcessor
    from .model.modeling_gsa_net import GSANetModel
    from .model.modeling_gsa_net_classification import GSANetForImageClassification
    from .model.modeling_trocr_gsa import TrOCRGSAModel
    from .model.processing_trocr_gsa import TrOCRGSAProcessor
    from .reader import LineReader
    from .reader.pages import read_pages
    from .train.lora import lora_config

_HOMES = {
    "GSANetConfig": ".model.configuration_gsa_net",
    "GSANetForImageClassification": ".model.modeling_gsa_net_classification",
    "GSANetModel": ".model.modeling_gsa_net",
    "GroupSelfAttention": ".model.attention",
    "LiftingSelfAttention": ".model.attention",
    "Line": ".data.line",
    "LineReader": ".reader",
    "PointGroup": ".model.groups",
    "SquareImageProcessor": ".model.image_processing_square",
    "TrOCRGSAConfig": ".model.configuration_trocr_gsa",
    "TrOCRGSAImageProcessor": ".model.image_processing_trocr_gsa",
    "TrOCRGSAModel": ".model.modeling_trocr_gsa",
    "TrOCRGSAProcessor": ".model.processing_trocr_gsa",
    "assert_equivariant": ".equivariance",
    "equivariance_error": ".equivariance",
    "lora_config": ".train.lora",
    "read_pages": ".reader.pages",
}

__all__ = [
    "GSANetConfig",
    "GSANetForImageClassification",
    "GSANetModel",
    "GroupSelfAttention",
    "LiftingSelfAttention",
    "Line",
    "LineReader",
    "PointGroup",
    "SquareImageProcessor",
    "TrOCRGSAConfig",
    "TrOCRGSAImageProcessor",
    "TrOCRGSAModel",
    "TrOCRGSAProcessor",
    "assert_equivariant",
    "equivariance_error",
    "lora_config",
    "read_pages",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _RegisterWithTransformers(MetaPathFinder):
    """Registers the models as soon as any code imports transformers."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find transformers in the usual way, and make its import end with the import of the models."""
        if fullname != "transformers":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_register(module: ModuleType) -> None:
            run(module)
            import_module(".model", __name__)

        spec.loader.exec_module = run_and_register
        return spec


if "transformers" in sys.modules:
    import_module(".model", __name__)
else:
    sys.meta_path.insert(0, _RegisterWithTransformers())
