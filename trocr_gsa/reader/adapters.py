"""Several adapters on one base model, not merged: each line is read with its own.

What is unusual:
- outside `applied`, every layer computes exactly as in the base model;
- lines with different adapters share a batch: PEFT's LoRA layers select rows of dimension 0, which is the line in
  every layer. The one exception is a key projection that maps the bases of the position encoding: it then maps them
  separately for every line;
- adapters that PEFT cannot mix (DoRA, fully trained modules) get batches of their own;
- PEFT switches adapters for the whole model. So one thread computes at a time: there is one lock per model, shared by
  all readers of this model.
"""

import copy
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from numbers import Real
from typing import Any, cast
from weakref import WeakKeyDictionary

from peft import LoraConfig, LoraModel, PeftModel
from peft.tuners.lora import LoraLayer
from torch import nn

from trocr_gsa.checkpoints.adapter_names import BASE, check_name
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel

REPEATED_FOR_BEAMS = ("decoder.", "enc_to_dec_proj")
LOCKS: WeakKeyDictionary[PeftModel, threading.RLock] = WeakKeyDictionary()  # a lock inside a model prevents copies


class AdapterLibrary:
    """The adapters of a model.

    Args:
        model: a PEFT model around a reader, in evaluation mode.
    """

    def __init__(self, model: PeftModel) -> None:
        self._adapted = model
        self._lock = LOCKS.setdefault(model, threading.RLock())
        with self._lock:
            self._tuner.disable_adapter_layers()

    def __reduce__(self) -> tuple[type["AdapterLibrary"], tuple[PeftModel]]:
        """Copy and pickle the model alone: a lock can be neither copied nor pickled, so the copy has its own."""
        return type(self), (self._adapted,)

    @property
    def _tuner(self) -> LoraModel:
        return cast(LoraModel, self._adapted.base_model)

    @property
    def model(self) -> TrOCRGSAModel:
        """The base model. Outside `applied` no adapter is active."""
        return cast(TrOCRGSAModel, self._adapted.get_base_model())

    @property
    def names(self) -> list[str]:
        """Names of the adapters, in the order in which they were added."""
        return list(self._adapted.peft_config)

    def check(self, name: str) -> None:
        """Refuse the name of an unknown adapter.

        Raises:
            ValueError: if there is no adapter with this name.
        """
        if name not in self.names:
            raise ValueError(f"`adapter`: there is no {name!r}. Available: {', '.join(self.names)}.")

    def can_mix(self, name: str | None) -> bool:
        """Whether PEFT can apply an adapter to some of the lines of a batch."""
        if name is None:
            return True
        config: Any = self._adapted.peft_config[name]
        more = (config.modules_to_save, config.trainable_token_indices, config.target_parameters, config.lora_bias)
        return not any(more) and not any(name in layer.lora_variant for layer in self._layers())

    @contextmanager
    def applied(self, names: Sequence[str | None], num_beams: int) -> Iterator[None]:
        """Inside the context, read line i of a batch with adapter i, or with the base model if it is None.

        Other threads wait.

        Args:
            names: one per line; an adapter that cannot be mixed must be the only one.
            num_beams: beams that the decoder follows for each line.
        """
        active = next((name for name in names if name is not None), None)
        with self._lock:
            if active is None:
                yield
                return
            self._tuner.enable_adapter_layers()
            try:
                self._adapted.set_adapter(active, inference_mode=True)
                with ExitStack() as stack:
                    if len(set(names)) > 1:
                        self._tell_layers(stack, [BASE if name is None else name for name in names], num_beams)
                    yield
            finally:
                self._tuner.disable_adapter_layers()

    def _layers(self) -> Iterator[LoraLayer]:
        return (layer for layer in self._adapted.modules() if isinstance(layer, LoraLayer))

    def _tell_layers(self, stack: ExitStack, names: list[str], num_beams: int) -> None:
        """Pass the adapters of its rows to every layer, until the stack is closed."""
        per_beam = [name for name in names for _ in range(num_beams)]
        for path, layer in self.model.named_modules():
            if isinstance(layer, LoraLayer) and isinstance(layer, nn.Module):
                rows = per_beam if path.startswith(REPEATED_FOR_BEAMS) else names
                hook = layer.register_forward_pre_hook(partial(_with_rows, rows), with_kwargs=True)
                stack.callback(hook.remove)

    def merged(self, name: str) -> TrOCRGSAModel:
        """Return a copy of the model with one adapter merged into its weights.

        Raises:
            ValueError: if there is no adapter with this name.
        """
        self.check(name)
        with self._lock:  # otherwise the copy might have the active adapter of another thread
            other = AdapterLibrary(copy.deepcopy(self._adapted))
        with other.applied([name], num_beams=1):
            return cast(TrOCRGSAModel, other._tuner.merge_and_unload(adapter_names=[name]))

    def combine(self, name: str, weights: Mapping[str, float]) -> None:
        """Add the adapter ΔW = Σ_a weight_a · ΔW_a.

        ΔW = [B₁ B₂ …] · [w₁s₁A₁; w₂s₂A₂; …], with s the adapters' scales

        PEFT's "cat" stacks the factors as written here, so the sum is exact. Its rank is the sum of the ranks.
        "linear" adds the factors, which also adds products of one adapter's B with another's A; "svd" approximates the
        sum with a lower rank.

        Args:
            name: the name of the new adapter.
            weights: names of adapters → finite weights.

        Raises:
            ValueError: if a name or a weight is invalid, or an adapter is more than a low-rank update.
        """
        if not isinstance(name, str):
            raise ValueError(f"`name` must be the name of a new adapter, got {name!r}.")
        check_name(name)
        if name in self.names:
            raise ValueError(f"`name`: there is already an adapter {name!r}. Choose another name.")
        numbers = weights.values() if isinstance(weights, Mapping) else ()
        if not numbers or not all(isinstance(weight, Real) and math.isfinite(weight) for weight in numbers):
            raise ValueError(f"`weights` must map adapters to finite numbers, got {weights!r}.")
        for part in weights:
            self.check(part)
            if not self.can_mix(part):
                raise ValueError(
                    f"`weights`: {part!r} has more than low-rank updates (DoRA, or fully trained modules), so it "
                    "cannot be added to others. Combine plain LoRA adapters."
                )
        with self._lock:
            self._add_sum(name, weights)

    def _add_sum(self, name: str, weights: Mapping[str, float]) -> None:
        try:
            self._tuner.add_weighted_adapter(list(weights), list(weights.values()), name, combination_type="cat")
        except ValueError as error:
            raise ValueError(f"`weights`: PEFT cannot combine {', '.join(weights)}: {error}") from error
        cast(LoraConfig, self._adapted.peft_config[name]).use_rslora = False  # inherited, but already part of s
        for layer in self._layers():
            if name in layer.scaling:
                layer.scaling[name] = 1.0
        self._adapted.eval()
        self._tuner.disable_adapter_layers()


def _with_rows(rows: list[str], _layer: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return args, kwargs | {"adapter_names": rows}
