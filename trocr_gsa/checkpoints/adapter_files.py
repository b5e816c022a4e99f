"""An adapter's files, and whether they belong to a model.

What is unusual: an adapter knows the model it was trained on, by the SHA-256 of its weights (results.json) or else by
its name, and is refused on another one, also where it would fit by its shapes alone. Its files may come from anywhere:
they are looked at before PEFT is, which is imported with the first adapter.
"""

from __future__ import annotations

import filecmp
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file
from torch import Tensor

from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.weight_files import (
    find_file,
    is_out_of_memory,
    no_weights,
    read_json,
    read_shapes,
    refuse_not_finite,
)

from .results import WEIGHTS_FILE, Results, weights_sha256

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

from .adapter_config import checked_config, confined

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class AdapterFiles:
    """What an adapter's folder holds.

    Attributes:
        source: the folder or Hub id.
        config: PEFT's.
        weights: by the names that PEFT stores them under.
        results: where they come from and how they read; None where no training wrote it.
    """

    source: str
    config: PeftConfig
    weights: dict[str, Tensor]
    results: Results | None

    @classmethod
    def read(cls, source: str) -> AdapterFiles:
        """Read an adapter from its folder or the Hub.

        Raises:
            ValueError: if it holds no adapter, or files that are damaged, ask for more than an adapter may, or are no
                safetensors.
        """
        try:
            path, file = find_file(source, ADAPTER_CONFIG), find_file(source, ADAPTER_WEIGHTS)
        except OSError as error:
            raise ValueError(f"`adapter`: {source} holds no adapter that can be reached: {error}") from error
        if path is None:
            raise ValueError(f"`adapter`: {source} holds no adapter ({ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}).")
        if file is None:
            raise ValueError(no_weights(source, ADAPTER_WEIGHTS, "adapter"))
        config = checked_config(read_json(path, "adapter"), path, read_shapes(file, "adapter"))
        weights = load_file(file)
        refuse_not_finite(weights.items(), file, "adapter")
        return cls(source, config, weights, Results.read(source))

    def put_into(self, model: TrOCRGSAModel | PeftModel, name: str) -> PeftModel:
        """Put the adapter into the layers of a model, beside others if there are any.

        Raises:
            ValueError: if it was trained on another model, or names its layers by an expression that cannot be used.
        """
        from peft import PeftModel
        from peft.utils import set_peft_model_state_dict

        if self._is_of_another(model.name_or_path):
            raise self._wrong_base(model)
        inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        config = confined(self.config, self.source, [path for path, _ in inner.named_modules()])
        try:
            if isinstance(model, PeftModel):
                adapted = model
                adapted.add_adapter(name, config)
            else:
                adapted = PeftModel(model, config, name)
            loaded = set_peft_model_state_dict(adapted, self.weights, name)
        except (RuntimeError, ValueError) as error:  # shapes differ; no module is named as the adapter says
            if is_out_of_memory(error):
                raise
            raise self._wrong_base(model) from error
        except KeyError as error:
            raise ValueError(f"`adapter`: {self.source} lacks weights that its configuration names: {error}") from error
        except Exception as error:  # a configuration that contradicts itself: PEFT has many ways to say so
            if is_out_of_memory(error):
                raise
            kind = type(error).__name__
            raise ValueError(f"`adapter`: {self.source} cannot be used as it is ({kind}): {error}") from error
        own = re.compile(rf"\.(lora_\w+|modules_to_save)\.{re.escape(name)}(\.|$)")
        if loaded.unexpected_keys or any(own.search(key) for key in loaded.missing_keys):
            raise self._wrong_base(model)
        return adapted

    def _wrong_base(self, model: TrOCRGSAModel | PeftModel) -> ValueError:
        return ValueError(
            f"`adapter`: {self.source} was trained on "
            f"{self.config.base_model_name_or_path or 'a model that it does not name'}, not on {model.name_or_path} "
            "as it is now. Load it with the model it was trained on."
        )

    def _is_of_another(self, name: str | None) -> bool:
        recorded, found = self.results and self.results.base_sha256, weights_sha256(name)
        if recorded and found:
            return recorded != found
        return _is_another_model(self.config.base_model_name_or_path, name)


def _is_another_model(trained_on: str | None, name: str | None) -> bool:
    """Whether two models are certainly not the same: two names on the Hub, or two folders with other weights.

    A folder of another machine cannot be compared; there, shapes have the last word.
    """
    if trained_on is None or name is None or trained_on == name:
        return False
    folders = [Path(trained_on), Path(name)]
    files = [folder / WEIGHTS_FILE for folder in folders]
    if all(map(os.path.isfile, files)):  # where Path.is_file raises, on names that are too long, this says no
        return not filecmp.cmp(*files, shallow=False)
    return not any(folder.is_absolute() or os.path.isdir(folder) for folder in folders)
