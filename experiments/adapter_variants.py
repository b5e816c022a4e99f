"""The compared ways to adapt a reader: several LoRA adapters, training every weight, and training the decoder alone."""

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, get_args

RANKS = (2, 4, 8, 16)
Half = Literal["encoder", "decoder", "both"]
HALVES: tuple[Half, ...] = get_args(Half)
PROJECTIONS = {"qv": "q v", "qkvo": "q k v o", "all": "all linear"}
DECAY = 0.05  # weight decay when whole weights are trained, as in experiments/train_adapters.py
RATES = {
    "LoRA": (1e-3, 2e-3, 4e-3),
    "every weight": (2.5e-4, 5e-4, 1e-3),
    "encoder frozen": (2.5e-4, 5e-4, 1e-3),
}  # candidates by method; chosen on validation lines, for LoRA with rank 8 on q k v o of both halves
WHOLE = {"method": "full", "weight_decay": DECAY}


@dataclass(frozen=True)
class Variant:
    """A way to adapt a reader. All attributes but `method` apply to LoRA only.

    Attributes:
        method: name of the method, a key of `RATES`.
        rank: rank of the adapter.
        targets: halves of the model that have the adapter.
        projections: layers that have the adapter, a key of `PROJECTIONS`.
    """

    method: str = "LoRA"
    rank: int = 8
    targets: Half = "both"
    projections: str = "qkvo"

    @property
    def is_adapter(self) -> bool:
        """Whether the base model stays unchanged."""
        return self.method == "LoRA"

    @property
    def name(self) -> str:
        """Name of the variant in tables."""
        if not self.is_adapter:
            return self.method
        return f"LoRA, rank {self.rank}, {self.targets}, {PROJECTIONS[self.projections]}"

    @property
    def changes(self) -> dict[str, Any]:
        """Arguments of a training that the variant changes."""
        if self.is_adapter:
            return {"rank": self.rank, "targets": self.targets, "projections": self.projections}
        return WHOLE | {"targets": "decoder" if self == FROZEN else "both"}


LORA = Variant()
EVERY_WEIGHT, FROZEN = Variant("every weight"), Variant("encoder frozen")
METHODS = (LORA, FROZEN, EVERY_WEIGHT)


def variants(crossed: bool) -> list[Variant]:
    """Return the variants: all combinations of rank, halves and layers if `crossed`, otherwise one change at a time."""
    if crossed:
        adapters = [Variant("LoRA", *each) for each in product(RANKS, HALVES, PROJECTIONS)]
    else:
        adapters = [
            *(replace(LORA, rank=rank) for rank in RANKS),
            *(replace(LORA, targets=half) for half in HALVES if half != LORA.targets),
            *(replace(LORA, projections=layers) for layers in PROJECTIONS if layers != LORA.projections),
        ]
    return [*adapters, FROZEN, EVERY_WEIGHT]
