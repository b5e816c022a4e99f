"""Reads the files of an adapter, and checks that they belong to a model.

What is unusual: an adapter records its base model, by the SHA-256 of its weights (in results.json) or else by its name.
Loading it on another model is an error, even if the shapes fit. Its files may come from strangers, so they are checked
before PEFT reads them. PEFT is imported with the first adapter.
"""

from __future__ import annotations

import filecmp
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file
from torch import Tensor

from trocr_gsa.data.names import shown
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.weight_files import (
    find_file,
    is_out_of_memory,
    no_weights,
    read_json,
    read_shapes,
    refuse_not_finite,
)

from .results import ADAPTER_CONFIG, ADAPTER_WEIGHTS, WEIGHTS_FILE, Results, weights_sha256

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

from .adapter_config import checked_config, confined

MAX_REASON = 300  # characters of PEFT's messages


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
        settings, shapes = read_json(path, "adapter"), read_shapes(file, "adapter")
        with _peft_at_work(source):
            config = checked_config(settings, path, shapes)
        weights = load_file(file)
        refuse_not_finite(weights.items(), file, "adapter")
        return cls(source, config, weights, Results.read(source))

    def check_layers(self) -> None:
        """Check that the configuration names layers that have weights here; this needs no model.

        The weights are named after the layers: base_model.model.encoder.layers.0.….q_proj.lora_A.weight.

        Raises:
            ValueError: if it does not, or a regular expression cannot be used.
        """
        parts = [name.removeprefix("base_model.model.").split(".") for name in self.weights]
        names = {".".join(each[:count]) for each in parts for count in range(1, len(each))}
        confined(self.config, self.source, sorted(names))
        for word in getattr(self.config, "modules_to_save", None) or ():
            if not any(f".{word}." in name and ".lora_" not in name for name in self.weights):
                raise ValueError(
                    f"`adapter`: {self.source} lacks weights that its configuration names: {shown(word)} in "
                    "`modules_to_save`. Correct the field, or fetch the folder again."
                )

    def put_into(self, model: TrOCRGSAModel | PeftModel, name: str) -> PeftModel:
        """Add the adapter to the layers of a model, in addition to others if there are any.

        Raises:
            ValueError: if it was trained on another model, names layers that the model does not have, has regular
                expressions that cannot be used, or its weights and its configuration do not fit together.
        """
        from peft.utils import set_peft_model_state_dict

        if self._is_of_another(model.name_or_path):
            raise self._wrong_base(model)
        with _peft_at_work(self.source):
            adapted = self._with_new_layers(model, name)
            try:
                loaded = set_peft_model_state_dict(adapted, self.weights, name)
            except RuntimeError as error:  # torch's, for weights of other shapes, a line for each
                if is_out_of_memory(error):
                    raise
                raise self._wrong_base(model, str(error).strip().splitlines()[-1].strip()) from error
        own = re.compile(rf"\.(lora_\w+|modules_to_save)\.{re.escape(name)}(\.|$)")
        missing = [f"there are no weights for {key}" for key in loaded.missing_keys if own.search(key)]
        unexpected = [f"there is no place for {key}" for key in loaded.unexpected_keys]
        for problem in [*missing, *unexpected]:
            raise self._wrong_base(model, problem)
        return adapted

    def _with_new_layers(self, model: TrOCRGSAModel | PeftModel, name: str) -> PeftModel:
        """Return the model with the adapter's layers, whose weights are not loaded yet."""
        from peft import PeftModel

        inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        config = confined(self.config, self.source, [path for path, _ in inner.named_modules()])
        if not isinstance(model, PeftModel):
            return PeftModel(model, config, name)
        model.add_adapter(name, config)
        return model

    def _wrong_base(self, model: TrOCRGSAModel | PeftModel, problem: str | None = None) -> ValueError:
        changed = "" if problem is None else f", or its {ADAPTER_CONFIG} was changed ({problem})"
        return ValueError(
            f"`adapter`: {self.source} was trained on "
            f"{self.config.base_model_name_or_path or 'a model that it does not name'}, not on {model.name_or_path} "
            f"as it is now{changed}. Load it with the model it was trained on."
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


def merge(adapted: PeftModel, source: str) -> TrOCRGSAModel:
    """Merge the only adapter of a model into its weights, and return the model without the adapter's layers.

    Args:
        adapted: the model in its adapter.
        source: folder or Hub id of the adapter, for errors.

    Raises:
        ValueError: if PEFT cannot merge adapters of this kind.
    """
    with _peft_at_work(source):
        return adapted.merge_and_unload()  # pyright: ignore[reportCallIssue]


@contextmanager
def _peft_at_work(source: str) -> Iterator[None]:
    """Context manager for PEFT at work on the files of an adapter: without warnings, and with one-line errors.

    The warnings are for people who train: they speak of settings that do not matter for reading, or that are checked
    here. One comes from transformers, of which PEFT asks for an attribute by its old name.

    Raises:
        ValueError: in place of PEFT's errors, which have many types; it names the adapter.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except KeyError as error:
        raise ValueError(f"`adapter`: {source} lacks weights that its configuration names: {error}") from error
    except Exception as error:
        if is_out_of_memory(error) or str(error).startswith("`adapter`: "):
            raise
        kind, what = type(error).__name__, " ".join(str(error).split())[:MAX_REASON]
        raise ValueError(
            f"`adapter`: {source} cannot be used as {ADAPTER_CONFIG} describes it ({kind}: {what}). Correct the field, "
            "or fetch the file again."
        ) from error
