"""Loads a reader's model and processor from a folder or the Hub."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoProcessor

from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.model.weight_files import one_line_errors, refuse_not_finite

from .export_files import ENCODER
from .model_folder import check_model_folder
from .results import ADAPTER_CONFIG

PACKAGED_CHECKPOINT = Path(__file__).parents[1] / "checkpoint"
PACKAGED_ADAPTERS = Path(__file__).parents[1] / "adapters"  # adapters for it, one folder each


def load_model(path: str | None, trust_remote_code: bool = False) -> tuple[TrOCRGSAModel, TrOCRGSAProcessor]:
    """Load a checkpoint's model and processor from a folder or the Hub.

    Args:
        path: folder or Hub id; None: the packaged checkpoint. The path of a folder is stored as an absolute path.
        trust_remote_code: run Python code that comes with the checkpoint, if its processor needs it.

    Raises:
        ValueError: if the folder is an adapter or an export, has no checkpoint, is damaged, has weights that do not fit
            the configuration, or needs its own code and is not trusted.
    """
    source = str(PACKAGED_CHECKPOINT) if path is None else path
    if Path(source).is_dir():
        source = str(Path(source).absolute())
    if (Path(source) / ADAPTER_CONFIG).exists():
        raise ValueError(f"`model`: {source} is an adapter. Give the model it was trained on.")
    if (Path(source) / ENCODER).exists():
        raise ValueError(f"`model`: {source} is an export, which is only for reading. Give the model itself.")
    with one_line_errors(source, "model"):
        check_model_folder(source)
        model: Any = TrOCRGSAModel.from_pretrained(
            source,
            dtype=torch.float32,  # independent of the stored type
            use_safetensors=True,
            disable_mmap=True,  # overwriting a mapped file would change the weights or kill the process (SIGBUS)
            trust_remote_code=trust_remote_code,
        )
        processor = AutoProcessor.from_pretrained(source, trust_remote_code=trust_remote_code)
    _check_processor(source, processor, model.encoder.config)
    refuse_not_finite(model.named_parameters(), source, "model")
    return model, processor


def _check_processor(source: str, processor: Any, encoder: Any) -> None:
    """Check that the processor prepares images and texts for this model."""
    pictures = getattr(processor, "image_processor", None)
    if pictures is None or getattr(processor, "tokenizer", None) is None:
        raise ValueError(
            f"`model`: {source} has no reader's processor, but a {type(processor).__name__}. Put the "
            "processor_config.json and tokenizer_config.json there that were saved with the model."
        )
    for field in ("patch_size", "num_channels"):
        found, expected = getattr(pictures, field, None), getattr(encoder, field)
        if found is not None and found != expected:
            raise ValueError(
                f"`model`: `{field}` of the processor in {source} must be {expected}, the encoder's, got {found}. Put "
                "the processor_config.json there that was saved with the model."
            )
