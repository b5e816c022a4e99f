"""The folder that is to be published: a model's or an adapter's, and which of its files are weights.

What is unusual: a pickle can run code where it is loaded, so none is published, and a folder of only such is refused.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trocr_gsa.train.checkpoint import STATE_FILE

ADAPTER_CONFIG, MODEL_CONFIG = "adapter_config.json", "config.json"
ADAPTER_WEIGHTS, MODEL_WEIGHTS = "adapter_model.safetensors", "model.safetensors"
SHARDS = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
MODEL_TYPE = "trocr-gsa"
CARD = "README.md"


@dataclass(frozen=True)
class Source:
    """A folder that can be published.

    Attributes:
        path: of the folder.
        kind: what it holds.
        config: its config.json or adapter_config.json.
        weights: names of its files of weights.
    """

    path: Path
    kind: Literal["model", "adapter"]
    config: dict[str, Any]
    weights: list[str]

    @classmethod
    def open(cls, path: Path) -> "Source":
        """Look at a folder.

        Raises:
            ValueError: if it is no folder, holds neither a model nor an adapter, another kind of model, or no weights
                in safetensors.
        """
        if not path.is_dir():
            raise ValueError(f"`folder`: there is no folder {path}. Give a model's or an adapter's.")
        if (path / ADAPTER_CONFIG).is_file():
            return cls(path, "adapter", _read(path / ADAPTER_CONFIG), _weights(path, ADAPTER_WEIGHTS))
        if (path / MODEL_CONFIG).is_file():
            config = _read(path / MODEL_CONFIG)
            if config.get("model_type") != MODEL_TYPE:
                raise ValueError(
                    f"`folder`: {path} holds a model of type {config.get('model_type')}, not {MODEL_TYPE}. A stock "
                    "TrOCR is taken over by `TrOCRGSAModel.from_trocr` first."
                )
            return cls(path, "model", config, _weights(path, MODEL_WEIGHTS))
        run = next((f" Did you mean {path / name}?" for name in ("best", "last") if (path / name).is_dir()), "")
        raise ValueError(
            f"`folder`: {path} holds neither a model ({MODEL_CONFIG}, {MODEL_WEIGHTS}) nor an adapter "
            f"({ADAPTER_CONFIG}, {ADAPTER_WEIGHTS}).{run}"
        )

    def left_out(self, published: Path) -> list[str]:
        """Say of every file here that was not published why not."""
        kept = {path.name for path in published.iterdir()} - {CARD}
        other = [path for path in sorted(self.path.iterdir()) if path.name not in kept]
        return [f"{path.name}: {_reason(path, self.kind)}" for path in other]


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"`folder`: {path} is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"`folder`: {path} must hold a JSON object, got {type(config).__name__}.")
    return config


def _weights(path: Path, name: str) -> list[str]:
    if (path / name).is_file():
        return [name]
    if name == MODEL_WEIGHTS and (path / SHARDS).is_file():
        return [SHARDS, *sorted(set(_read(path / SHARDS)["weight_map"].values()))]
    pickles = sorted(file.name for file in path.iterdir() if file.suffix in PICKLES)
    if pickles:
        raise ValueError(
            f"`folder`: the only weights in {path} are pickled ({', '.join(pickles)}), and can run code where they "
            "are loaded. Load them where you trust them, and `save_pretrained` them as safetensors."
        )
    raise ValueError(f"`folder`: {path} holds no weights ({name}).")


def _reason(path: Path, kind: str) -> str:
    if path.is_dir():
        return "a folder"
    if path.name == CARD:
        return "replaced by a card of what is known and measured"
    if path.name == STATE_FILE:
        return "the state of a run, optimizer included; pickled"
    if path.suffix in PICKLES:
        return "pickled, and could run code where it is loaded"
    return f"no part of a {kind}"
