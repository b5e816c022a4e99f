"""A model, its adapter and its processor, checked to belong together.

What is unusual: an adapter names the model it was trained on, and is refused on another one, also where it would fit by
its shapes alone.
"""

import filecmp
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from peft.utils import load_peft_weights, set_peft_model_state_dict

from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.train.build import load_model

WEIGHTS = "model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


def load_reader(
    path: str | Path | None = None, adapter: str | Path | None = None, device: str | torch.device | None = None
) -> tuple[TrOCRGSAModel | PeftModel, Any]:
    """Load a model, with an adapter around it if one is named, and its processor.

    Args:
        path: a checkpoint's folder or Hub id; None: the packaged checkpoint.
        adapter: an adapter's folder or Hub id.
        device: where to read; None: CUDA where there is some, else the CPU.

    Returns: the model, float32, in evaluation mode, and the processor.

    Raises:
        ValueError: if the device is not there, a folder is missing or holds something else, the weights are those of
            another configuration, or the adapter was trained on another model.
    """
    place = choose_device(device)
    _check_folder("model", path)
    _check_folder("adapter", adapter)
    model, processor = load_model(None if path is None else str(path))
    reader = model if adapter is None else _with_adapter(model, str(adapter))
    torch.nn.Module.to(reader, place)  # transformers' own `to` hides its type
    return reader.eval(), processor


def choose_device(device: str | torch.device | None) -> torch.device:
    """Return the device to read on.

    Raises:
        ValueError: if there is no such device here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise ValueError(f"`device` {device} is not available here. Use cpu, or leave it out.") from error
    return place


def _check_folder(field: str, path: str | Path | None) -> None:
    """Refuse what can only be meant as a folder and is none; any other name may be one on the Hub."""
    if path is None or Path(path).is_dir():
        return
    if isinstance(path, Path) or path.startswith((".", "/", "~")) or path.count("/") != 1:
        raise ValueError(f"`{field}`: there is no folder {path}. Give a checkpoint's folder, or owner/name on the Hub.")


def _with_adapter(model: TrOCRGSAModel, adapter: str) -> PeftModel:
    try:
        config = PeftConfig.from_pretrained(adapter)
        weights = load_peft_weights(adapter, device="cpu")
    except (ValueError, OSError) as error:
        raise ValueError(f"`adapter`: {adapter} holds no adapter ({ADAPTER_CONFIG} and weights).") from error
    wrong_base = (
        f"`adapter`: {adapter} was trained on {config.base_model_name_or_path or 'a model that it does not name'}, not "
        f"on {model.name_or_path}. Load it with the model it was trained on."
    )
    if _is_another_model(config.base_model_name_or_path, model.name_or_path):
        raise ValueError(wrong_base)
    try:
        adapted = PeftModel(model, config)
        loaded = set_peft_model_state_dict(adapted, weights)
    except (RuntimeError, ValueError) as error:  # shapes differ; no module is named as the adapter says
        raise ValueError(wrong_base) from error
    if loaded.unexpected_keys or any("lora_" in key for key in loaded.missing_keys):
        raise ValueError(wrong_base)
    return adapted


def _is_another_model(trained_on: str | None, name: str | None) -> bool:
    """Whether two models are certainly not the same: two names on the Hub, or two folders with other weights.

    A folder of another machine cannot be compared; there, shapes have the last word.
    """
    if trained_on is None or name is None or trained_on == name:
        return False
    folders = [Path(trained_on), Path(name)]
    if all((folder / WEIGHTS).is_file() for folder in folders):
        return not filecmp.cmp(folders[0] / WEIGHTS, folders[1] / WEIGHTS, shallow=False)
    return not any(folder.is_absolute() or folder.is_dir() for folder in folders)
