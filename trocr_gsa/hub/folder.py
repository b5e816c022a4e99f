"""Checks the folder of a model or an adapter that is to be published, and finds its weights.

What is unusual: pickles can run code when they are loaded, so they are never published, and a folder with only pickled
weights is an error.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trocr_gsa.checkpoints.results import ADAPTER_CONFIG, ADAPTER_WEIGHTS, WEIGHTS_FILE
from trocr_gsa.checkpoints.training_state import STATE_FILE, SUM_FILE
from trocr_gsa.model.weight_files import INDEX, no_weights, read_json, weight_files

MODEL_CONFIG = "config.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
MODEL_TYPE = "trocr-gsa"
CARD = "README.md"


@dataclass(frozen=True)
class Source:
    """A folder that can be published.

    Attributes:
        path: path of the folder.
        kind: "model" or "adapter".
        config: its config.json or adapter_config.json.
        weights: names of its weight files.
    """

    path: Path
    kind: Literal["model", "adapter"]
    config: dict[str, Any]
    weights: list[str]

    @classmethod
    def open(cls, path: Path) -> "Source":
        """Check a folder.

        Raises:
            ValueError: if it is not a folder, has neither a model nor an adapter, another kind of model, or no
                safetensors weights.
        """
        if not path.is_dir():
            raise ValueError(f"`folder`: there is no folder {path}. Give the folder of a model or an adapter.")
        if (path / ADAPTER_CONFIG).is_file():
            config = read_json(path / ADAPTER_CONFIG, "folder")
            if not isinstance(config.get("base_model_name_or_path"), str | None):
                raise ValueError(f"`folder`: `base_model_name_or_path` in {path / ADAPTER_CONFIG} must be a name.")
            return cls(path, "adapter", config, _weights(path, ADAPTER_WEIGHTS))
        if (path / MODEL_CONFIG).is_file():
            config = read_json(path / MODEL_CONFIG, "folder")
            if config.get("model_type") != MODEL_TYPE:
                raise ValueError(
                    f"`folder`: {path} holds a model of type {config.get('model_type')}, not {MODEL_TYPE}. Convert a "
                    "stock TrOCR with `TrOCRGSAModel.from_trocr` first."
                )
            return cls(path, "model", config, _weights(path, WEIGHTS_FILE))
        run = next((f" Did you mean {path / name}?" for name in ("best", "last") if (path / name).is_dir()), "")
        raise ValueError(
            f"`folder`: {path} holds neither a model ({MODEL_CONFIG}, {WEIGHTS_FILE}) nor an adapter "
            f"({ADAPTER_CONFIG}, {ADAPTER_WEIGHTS}).{run}"
        )

    def left_out(self, published: Path) -> list[str]:
        """Return a message for every file that was not published, with the reason."""
        kept = {path.name for path in published.iterdir()} - {CARD}
        other = [path for path in sorted(self.path.iterdir()) if path.name not in kept]
        return [f"{path.name}: {_reason(path, self.kind)}" for path in other]


def _weights(path: Path, name: str) -> list[str]:
    if name == WEIGHTS_FILE:
        files = [file.name for file in weight_files(path, "folder")]
        return files if files == [name] else [INDEX, *files]
    if (path / name).is_file():
        return [name]
    raise ValueError(no_weights(path, name, "folder"))


def _reason(path: Path, kind: str) -> str:
    if path.is_dir():
        return "a folder"
    if path.name == CARD:
        return "replaced by a new model card"
    if path.name == STATE_FILE:
        return "the state of a run, optimizer included; pickled"
    if path.name == SUM_FILE:
        return "the checksum of the state of a run"
    if path.suffix in PICKLES:
        return "pickled, and could run code when it is loaded"
    return f"not part of a {kind}"
