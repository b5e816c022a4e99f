"""An OCR line reader that reads the same whichever way up: TrOCR with a group self-attention encoder, and LoRA."""

from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageTextToText, AutoProcessor

from .model.attention import GroupSelfAttention, LiftingSelfAttention
from .model.configuration_gsa_net import GSANetConfig
from .model.configuration_trocr_gsa import TrOCRGSAConfig
from .model.groups import PointGroup
from .model.image_processing_trocr_gsa import TrOCRGSAImageProcessor
from .model.modeling_gsa_net import GSANetModel
from .model.modeling_trocr_gsa import TrOCRGSAModel
from .model.processing_trocr_gsa import TrOCRGSAProcessor

AutoConfig.register("gsa-net", GSANetConfig)
AutoConfig.register("trocr-gsa", TrOCRGSAConfig)
AutoModel.register(GSANetConfig, GSANetModel)
AutoModelForImageTextToText.register(TrOCRGSAConfig, TrOCRGSAModel)
AutoImageProcessor.register(TrOCRGSAConfig, image_processor_classes={"pil": TrOCRGSAImageProcessor})
AutoProcessor.register(TrOCRGSAConfig, TrOCRGSAProcessor)

__all__ = [
    "GSANetConfig",
    "GSANetModel",
    "GroupSelfAttention",
    "LiftingSelfAttention",
    "PointGroup",
    "TrOCRGSAConfig",
    "TrOCRGSAImageProcessor",
    "TrOCRGSAModel",
    "TrOCRGSAProcessor",
]
