"""The models' places in transformers' Auto classes, and in what `save_pretrained` writes."""

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForImageTextToText,
    AutoModelForSeq2SeqLM,
    AutoProcessor,
)

from .configuration_gsa_net import GSANetConfig
from .configuration_trocr_gsa import TrOCRGSAConfig
from .image_processing_square import SquareImageProcessor
from .image_processing_trocr_gsa import TrOCRGSAImageProcessor
from .modeling_gsa_net import GSANetModel
from .modeling_gsa_net_classification import GSANetForImageClassification
from .modeling_trocr_gsa import TrOCRGSAModel
from .processing_trocr_gsa import TrOCRGSAProcessor


def register() -> None:
    """Let the Auto classes know the models, and saved models carry their code, for processes without this package."""
    AutoConfig.register("gsa-net", GSANetConfig)
    AutoConfig.register("trocr-gsa", TrOCRGSAConfig)
    AutoModel.register(GSANetConfig, GSANetModel)
    AutoModelForImageClassification.register(GSANetConfig, GSANetForImageClassification)
    AutoModelForImageTextToText.register(TrOCRGSAConfig, TrOCRGSAModel)
    AutoModelForSeq2SeqLM.register(TrOCRGSAConfig, TrOCRGSAModel)  # where PEFT looks for its task type's models
    AutoImageProcessor.register(TrOCRGSAConfig, image_processor_classes={"pil": TrOCRGSAImageProcessor})
    # transformers finds an image processor by the name in its file, among the one registered for each configuration
    AutoImageProcessor.register(GSANetConfig, image_processor_classes={"pil": SquareImageProcessor})
    AutoProcessor.register(TrOCRGSAConfig, TrOCRGSAProcessor)
    for travelling in (GSANetConfig, TrOCRGSAConfig, SquareImageProcessor, TrOCRGSAImageProcessor, TrOCRGSAProcessor):
        travelling.register_for_auto_class()
    GSANetModel.register_for_auto_class("AutoModel")
    GSANetForImageClassification.register_for_auto_class("AutoModelForImageClassification")
    TrOCRGSAModel.register_for_auto_class("AutoModelForImageTextToText")
