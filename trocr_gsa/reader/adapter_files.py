"""An adapter's files, and whether they belong to a model.

What is unusual: an adapter knows the model it was trained on, by the SHA-256 of its weights (results.json) or else by
its name, and is refused on another one, also where it would fit by its shapes alone. PEFT is imported with the first
adapter.
"""

from __future__ import annotations

import filecmp
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from torch import Tensor

from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.train.results import WEIGHTS_FILE, Results, weights_sha256

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

ADAPTER_CONFIG = "adapter_config.json"
UNREADABLE = (
    OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError, pickle.UnpicklingError
)  # fmt: skip


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
            ValueError: if it holds no adapter, or files that cannot be read.
        """
        from peft import PeftConfig
        from peft.utils import load_peft_weights

        try:
            config = PeftConfig.from_pretrained(source)
            if config.peft_type is None:
                raise ValueError("the configuration names no `peft_type`.")
            weights = load_peft_weights(source, device="cpu")
        except UNREADABLE as error:
            raise ValueError(f"`adapter`: {source} holds no adapter ({ADAPTER_CONFIG} and weights): {error}") from error
        return cls(source, config, weights, Results.read(source))

    def put_into(self, model: TrOCRGSAModel | PeftModel, name: str) -> PeftModel:
        """Put the adapter into the layers of a model, beside others if there are any.

        Raises:
            ValueError: if it was trained on another model.
        """
        from peft import PeftModel
        from peft.utils import set_peft_model_state_dict

        if self._is_of_another(model.name_or_path):
            raise self._wrong_base(model)
        try:
            if isinstance(model, PeftModel):
                adapted = model
                adapted.add_adapter(name, self.config)
            else:
                adapted = PeftModel(model, self.config, name)
            loaded = set_peft_model_state_dict(adapted, self.weights, name)
        except (RuntimeError, ValueError) as error:  # shapes differ; no module is named as the adapter says
            raise self._wrong_base(model) from error
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
    if all((folder / WEIGHTS_FILE).is_file() for folder in folders):
        return not filecmp.cmp(folders[0] / WEIGHTS_FILE, folders[1] / WEIGHTS_FILE, shallow=False)
    return not any(folder.is_absolute() or folder.is_dir() for folder in folders)
