"""Registers the models with transformers' Auto classes, and their code with `save_pretrained`."""

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
    """Register the models with the Auto classes.

    Saved models then contain their code, so that they can be loaded without this package.
    """
    AutoConfig.register("gsa-net", GSANetConfig)
    AutoConfig.register("trocr-gsa", TrOCRGSAConfig)
    AutoModel.register(GSANetConfig, GSANetModel)
    AutoModelForImageClassification.register(GSANetConfig, GSANetForImageClassification)
    AutoModelForImageTextToText.register(TrOCRGSAConfig, TrOCRGSAModel)
    AutoModelForSeq2SeqLM.register(TrOCRGSAConfig, TrOCRGSAModel)  # PEFT looks here for models of its task type
    AutoImageProcessor.register(TrOCRGSAConfig, image_processor_classes={"pil": TrOCRGSAImageProcessor})
    # transformers finds an image processor by the class name in its file, among those registered for a configuration;
    # each configuration has one
    AutoImageProcessor.register(GSANetConfig, image_processor_classes={"pil": SquareImageProcessor})
    AutoProcessor.register(TrOCRGSAConfig, TrOCRGSAProcessor)
    for saved_class in (GSANetConfig, TrOCRGSAConfig, SquareImageProcessor, TrOCRGSAImageProcessor, TrOCRGSAProcessor):
        saved_class.register_for_auto_class()
    GSANetModel.register_for_auto_class("AutoModel")
    GSANetForImageClassification.register_for_auto_class("AutoModelForImageClassification")
    TrOCRGSAModel.register_for_auto_class("AutoModelForImageTextToText")
