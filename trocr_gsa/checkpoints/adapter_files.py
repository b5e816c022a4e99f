"""Reads the files of an adapter, and checks that they belong to a model.

What is unusual: an adapter records its base model, by the SHA-256 of its weights (in results.json) or else by its name.
Loading it on another model is an error, even if the shapes fit. Its files may come from strangers, so they are checked
before PEFT reads them. PEFT is imported with the first adapter.
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
    """The content of an adapter's folder.

    Attributes:
        source: the folder or Hub id.
        config: PEFT's configuration.
        weights: the weights, by PEFT's names.
        results: training data and error rates; None if there is no results.json.
    """

    source: str
    config: PeftConfig
    weights: dict[str, Tensor]
    results: Results | None

    @classmethod
    def read(cls, source: str) -> AdapterFiles:
        """Read an adapter from its folder or the Hub.

        Raises:
            ValueError: if there is no adapter, or its files are damaged, not safetensors, or not allowed.
        """
        try:
            path, file = find_file(source, ADAPTER_CONFIG), find_file(source, ADAPTER_WEIGHTS)
        except OSError as error:
            raise ValueError(f"`adapter`: no adapter could be reached at {source}: {error}") from error
        if path is None:
            raise ValueError(f"`adapter`: {source} holds no adapter ({ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}).")
        if file is None:
            raise ValueError(no_weights(source, ADAPTER_WEIGHTS, "adapter"))
        config = checked_config(read_json(path, "adapter"), path, read_shapes(file, "adapter"))
        weights = load_file(file)
        refuse_not_finite(weights.items(), file, "adapter")
        return cls(source, config, weights, Results.read(source))

    def put_into(self, model: TrOCRGSAModel | PeftModel, name: str) -> PeftModel:
        """Add the adapter to the layers of a model, in addition to others if there are any.

        Raises:
            ValueError: if it was trained on another model, or its regular expressions for layers cannot be used.
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
        except (RuntimeError, ValueError) as error:  # shapes differ, or there is no module with a name in the adapter
            if is_out_of_memory(error):
                raise
            raise self._wrong_base(model) from error
        except KeyError as error:
            raise ValueError(f"`adapter`: {self.source} lacks weights that its configuration names: {error}") from error
        except Exception as error:  # a contradictory configuration, for which PEFT raises errors of many types
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
    """Whether two models are certainly different: different names on the Hub, or folders with different weights.

    A folder on another machine cannot be compared; then only the shapes are checked.
    """
    if trained_on is None or name is None or trained_on == name:
        return False
    folders = [Path(trained_on), Path(name)]
    files = [folder / WEIGHTS_FILE for folder in folders]
    if all(map(os.path.isfile, files)):  # False for names that are too long, where Path.is_file raises an error
        return not filecmp.cmp(*files, shallow=False)
    return not any(folder.is_absolute() or os.path.isdir(folder) for folder in folders)
