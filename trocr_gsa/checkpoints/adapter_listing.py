"""Lists the adapters below a folder."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel

from .adapter_files import AdapterFiles
from .models import load_model
from .results import ADAPTER_CONFIG, Results


@dataclass(frozen=True)
class ListedAdapter:
    """Information about an adapter from its files.

    Attributes:
        path: its folder.
        base: name of its base model, as recorded in the adapter.
        targets: what it changes: encoder, decoder or both; or the names of other modules.
        rank: its rank; None if it is not a LoRA.
        size_in_mb: size of its weights on disk, in units of 10⁶ bytes.
        results: its results.json, if there is one.
        fits: whether it belongs to the given model; None: no model was given.
    """

    path: Path
    base: str | None
    targets: str
    rank: int | None
    size_in_mb: float
    results: Results | None
    fits: bool | None


def list_adapters(
    folder: Path, model: str | None = None, trust_remote_code: bool = False
) -> tuple[list[ListedAdapter], list[str]]:
    """List the adapters below a folder, except in hidden folders, in which checkpoints are being written.

    Args:
        folder: the folder to search; it may be an adapter itself.
        model: folder or Hub id of a checkpoint; None: do not check which adapters fit.
        trust_remote_code: run Python code that comes with this checkpoint.

    Returns: the adapters sorted by path, and a message for each adapter that cannot be read.

    Raises:
        ValueError: if there is no such folder, no adapter in it, or no such model.
    """
    if not folder.is_dir():
        raise ValueError(f"`folder`: there is no folder {folder}.")
    paths = sorted(_folders(folder))
    if not paths:
        raise ValueError(f"`folder`: there is no adapter ({ADAPTER_CONFIG}) in {folder} or below.")
    base = None if model is None else load_model(model, trust_remote_code)[0]
    found, problems = [], []
    for path in paths:
        try:
            files = AdapterFiles.read(str(path))
            files.check_layers()
        except ValueError as error:
            problems.append(" ".join(str(error).split()))
        else:
            found.append(_listed(path, files, base))
    return found, problems


def _folders(folder: Path) -> Iterator[Path]:
    for config in folder.rglob(ADAPTER_CONFIG):
        if not any(part.startswith(".") for part in config.relative_to(folder).parts):
            yield config.parent


def _listed(path: Path, files: AdapterFiles, base: TrOCRGSAModel | None) -> ListedAdapter:
    config: Any = files.config
    return ListedAdapter(
        path=path,
        base=(files.results and files.results.base) or config.base_model_name_or_path,
        targets=_targets(files),
        rank=getattr(config, "r", None),
        size_in_mb=sum(file.stat().st_size for file in path.glob("adapter_model.*")) / 1e6,
        results=files.results,
        fits=None if base is None else _fits(files, base),
    )


def _targets(files: AdapterFiles) -> str:
    parts = {name.removeprefix("base_model.model.").split(".")[0] for name in files.weights}
    return "both" if parts == {"encoder", "decoder"} else ", ".join(sorted(parts))


def _fits(files: AdapterFiles, base: TrOCRGSAModel) -> bool:
    try:
        files.put_into(copy.deepcopy(base), "default")
    except ValueError:
        return False
    return True
