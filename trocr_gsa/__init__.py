"""An OCR line reader that reads the same whichever way up: TrOCR with a group self-attention encoder, and LoRA.

Importing it registers the models with transformers' Auto classes, and what `save_pretrained` writes carries their code,
for processes without this package. What needs more than torch and transformers is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageTextToText, AutoProcessor

from .model.attention import GroupSelfAttention, LiftingSelfAttention
from .model.configuration_gsa_net import GSANetConfig
from .model.configuration_trocr_gsa import TrOCRGSAConfig
from .model.groups import PointGroup
from .model.image_processing_square import SquareImageProcessor
from .model.image_processing_trocr_gsa import TrOCRGSAImageProcessor
from .model.modeling_gsa_net import GSANetModel
from .model.modeling_trocr_gsa import TrOCRGSAModel
from .model.processing_trocr_gsa import TrOCRGSAProcessor

if TYPE_CHECKING:
    from .equivariance import equivariance_error
    from .reader import LineReader
    from .train.lora import lora_config

_LATER = {"LineReader": ".reader", "equivariance_error": ".equivariance", "lora_config": ".train.lora"}

AutoConfig.register("gsa-net", GSANetConfig)
AutoConfig.register("trocr-gsa", TrOCRGSAConfig)
AutoModel.register(GSANetConfig, GSANetModel)
AutoModelForImageTextToText.register(TrOCRGSAConfig, TrOCRGSAModel)
AutoImageProcessor.register(TrOCRGSAConfig, image_processor_classes={"pil": TrOCRGSAImageProcessor})
# transformers finds an image processor by the name in its file, among the one registered for each configuration
AutoImageProcessor.register(GSANetConfig, image_processor_classes={"pil": SquareImageProcessor})
AutoProcessor.register(TrOCRGSAConfig, TrOCRGSAProcessor)
for travelling in (GSANetConfig, TrOCRGSAConfig, SquareImageProcessor, TrOCRGSAImageProcessor, TrOCRGSAProcessor):
    travelling.register_for_auto_class()
GSANetModel.register_for_auto_class("AutoModel")
TrOCRGSAModel.register_for_auto_class("AutoModelForImageTextToText")

__all__ = [
    "GSANetConfig",
    "GSANetModel",
    "GroupSelfAttention",
    "LiftingSelfAttention",
    "LineReader",
    "PointGroup",
    "SquareImageProcessor",
    "TrOCRGSAConfig",
    "TrOCRGSAImageProcessor",
    "TrOCRGSAModel",
    "TrOCRGSAProcessor",
    "equivariance_error",
    "lora_config",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
