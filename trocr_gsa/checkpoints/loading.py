"""Loads a model with its adapters and processor, and checks that they belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trocr_gsa.data.names import check_folder
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel

from .adapter_files import AdapterFiles
from .models import PACKAGED_ADAPTERS, load_model
from .results import ADAPTER_CONFIG

if TYPE_CHECKING:
    from peft import PeftModel

Adapters = str | Path | Mapping[str, str | Path]


def load_reader(
    path: str | Path | None = None,
    adapter: Adapters | None = None,
    device: str | torch.device | None = None,
    trust_remote_code: bool = False,
) -> tuple[TrOCRGSAModel | PeftModel, Any]:
    """Load a model, with the given adapters, and its processor.

    Args:
        path: folder or Hub id of a checkpoint; None: the packaged checkpoint.
        adapter: folder or Hub id of an adapter, or the name of a packaged one; or a dictionary of several with names.
        device: device for reading; None: CUDA if it is available, else the CPU.
        trust_remote_code: run Python code that comes with the checkpoint, if its processor needs it; without it, such a
            checkpoint is an error.

    Returns: the model, float32, in evaluation mode, and the processor. Of several adapters the first is active.

    Raises:
        ValueError: if the device is not available, a folder is missing or has other content, the weights do not fit the
            configuration, an adapter was trained on another model, or the adapters cannot be used together.
    """
    place = choose_device(device)
    check_folder("model", path, "a checkpoint's folder")
    named = dict(adapter) if isinstance(adapter, Mapping) else {}
    sources = named or ({} if adapter is None or isinstance(adapter, Mapping) else {"default": adapter})
    sources = {name: find_adapter(source) for name, source in sources.items()}
    _check_names(sources)
    model, processor = load_model(None if path is None else str(path), trust_remote_code)
    reader: TrOCRGSAModel | PeftModel = model
    for name, source in sources.items():
        files = AdapterFiles.read(str(source))
        reader = _put_beside(reader, name, files) if named else files.put_into(reader, name)
    torch.nn.Module.to(reader, place)  # transformers' own `to` has no types
    return reader.eval(), processor


def packaged_adapters() -> list[str]:
    """Return the names of the adapters in the package, which belong to the packaged checkpoint."""
    return sorted(path.parent.name for path in PACKAGED_ADAPTERS.glob(f"*/{ADAPTER_CONFIG}"))


def find_adapter(source: str | Path) -> str | Path:
    """Return the folder of a packaged adapter for its name; a folder or Hub id is returned unchanged.

    Raises:
        ValueError: if it is none of these.
    """
    if not Path(source).is_dir() and str(source) in packaged_adapters():
        return PACKAGED_ADAPTERS / source
    check_folder("adapter", source, f"an adapter's folder, a packaged one ({', '.join(packaged_adapters())})")
    return source


def choose_device(device: str | torch.device | None) -> torch.device:
    """Return the device for reading.

    Raises:
        ValueError: if the device is not available.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(1, device=place).item()  # not on "meta", which has no numbers
    except (RuntimeError, AssertionError) as error:  # torch without CUDA raises AssertionError
        raise ValueError(f"`device` {device} is not available here. Use cpu, or leave it out.") from error
    return place


def _check_names(names: Iterable[str]) -> None:
    """Check the names of adapters; PEFT is imported only if there is a name."""
    for name in names:
        from .adapter_names import check_name

        check_name(name)


def _put_beside(reader: TrOCRGSAModel | PeftModel, name: str, files: AdapterFiles) -> PeftModel:
    """Add one of several adapters, after checking that it does not change the base model for the others."""
    from peft import LoraConfig

    if not isinstance(files.config, LoraConfig):
        raise ValueError(f"`adapter`: {files.source} is {files.config.peft_type}, not LoRA. Load it alone, unnamed.")
    before = [(weight, weight.data_ptr(), weight._version) for weight in reader.parameters()]
    adapted = files.put_into(reader, name)
    if any((weight.data_ptr(), weight._version) != (place, version) for weight, place, version in before):
        raise ValueError(
            f"`adapter`: {files.source} changes the base model itself (with trained biases, or an initialization such "
            "as PiSSA), and cannot be used together with other adapters. Load it alone, unnamed."
        )
    return adapted
