"""The ways to adapt a reader that are compared: adapters of several shapes, every weight, and the decoder alone."""

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, get_args

RANKS = (2, 4, 8, 16)
Half = Literal["encoder", "decoder", "both"]
HALVES: tuple[Half, ...] = get_args(Half)
PROJECTIONS = {"qv": "q v", "qkvo": "q k v o", "all": "all linear"}
DECAY = 0.05  # of whole weights, as in experiments/train_adapters.py
RATES = {
    "LoRA": (1e-3, 2e-3, 4e-3),
    "every weight": (2.5e-4, 5e-4, 1e-3),
    "encoder frozen": (2.5e-4, 5e-4, 1e-3),
}  # by method; chosen from on validation lines, for adapters with rank 8 on q k v o of both halves
WHOLE = {"method": "full", "weight_decay": DECAY}


@dataclass(frozen=True)
class Variant:
    """A way to adapt.

    Attributes:
        method: one of those that a learning rate is chosen for.
        rank: of an adapter, as the others.
        targets: the halves that have it.
        projections: the layers that have it.
    """

    method: str = "LoRA"
    rank: int = 8
    targets: Half = "both"
    projections: str = "qkvo"

    @property
    def is_adapter(self) -> bool:
        """Whether the base stays as it is."""
        return self.method == "LoRA"

    @property
    def name(self) -> str:
        """In tables."""
        if not self.is_adapter:
            return self.method
        return f"LoRA, rank {self.rank}, {self.targets}, {PROJECTIONS[self.projections]}"

    @property
    def changes(self) -> dict[str, Any]:
        """What it changes in the arguments of a training."""
        if self.is_adapter:
            return {"rank": self.rank, "targets": self.targets, "projections": self.projections}
        return WHOLE | {"targets": "decoder" if self == FROZEN else "both"}


LORA = Variant()
EVERY_WEIGHT, FROZEN = Variant("every weight"), Variant("encoder frozen")
METHODS = (LORA, FROZEN, EVERY_WEIGHT)


def variants(crossed: bool) -> list[Variant]:
    """Return the variants: all combinations of rank, halves and layers, or one of these changed at a time."""
    if crossed:
        adapters = [Variant("LoRA", *each) for each in product(RANKS, HALVES, PROJECTIONS)]
    else:
        adapters = [
            *(replace(LORA, rank=rank) for rank in RANKS),
            *(replace(LORA, targets=half) for half in HALVES if half != LORA.targets),
            *(replace(LORA, projections=layers) for layers in PROJECTIONS if layers != LORA.projections),
        ]
    return [*adapters, FROZEN, EVERY_WEIGHT]
