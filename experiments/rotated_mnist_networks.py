"""The networks and the training lengths of the comparison on rotated MNIST."""

import math
from dataclasses import dataclass, replace

import torch

from trocr_gsa import GSANetConfig, GSANetForImageClassification, PointGroup
from trocr_gsa.model.encoding import RelativeEncoding, orbit

MOST_PARAMETERS = 45_000
DROPOUT = 0.1
INK = 0.3  # about the standard deviation of the pixels
SHORTEST = 2.0  # wavelength in patches; the longest is the side of the image


@dataclass(frozen=True)
class Variant:
    """What differs between two networks or their training.

    Attributes:
        group: its name.
        pose_sum: see `GroupSelfAttention`.
        augmented: rotate the training digits again, by another angle in every epoch.
    """

    group: str
    pose_sum: str = "none"
    augmented: bool = False


VARIANTS = {
    "Z2": Variant("C1"), "R4": Variant("C4"), "R4, query": Variant("C4", "query"),
    "R4, encoding": Variant("C4", "encoding"), "D4": Variant("D4"), "R8": Variant("C8"), "R12": Variant("C12"),
    "R16": Variant("C16"), "Z2, augmented": Variant("C1", augmented=True),
    "R4, augmented": Variant("C4", augmented=True),
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """Size of the network, of the training, and of the comparison.

    `cropped` pixels are cut from every side of the images. `seeds` are those of Z2 and R4, `other_seeds` those of the
    other variants.
    """

    cropped: int
    patch_size: int
    patch_margin: int
    num_hidden_layers: int
    num_attention_heads: int
    waves: int
    epochs: int
    batch: int
    learning_rate: float
    seeds: int
    other_seeds: int
    variants: tuple[str, ...]
    hidden_size: int = 48
    intermediate_size: int = 48

    @property
    def side(self) -> int:
        """Patches along a side of the image."""
        return (28 - 2 * self.cropped) // self.patch_size

    @property
    def trainings(self) -> list[tuple[str, int]]:
        """Names and seeds, the most important ones first."""
        main = [(name, seed) for seed in range(self.seeds) for name in ("R4", "Z2")]
        return main + [
            (name, seed) for seed in range(self.other_seeds) for name in self.variants if name not in ("R4", "Z2")
        ]


CPU_VARIANTS = tuple(name for name in VARIANTS if name not in ("R12", "R16"))
LONG = Size(
    cropped=2, patch_size=4, patch_margin=4, num_hidden_layers=1, num_attention_heads=2, waves=8, epochs=40, batch=64,
    learning_rate=5e-3, seeds=3, other_seeds=1, variants=CPU_VARIANTS,
)  # fmt: skip
SIZES = {
    "short": replace(LONG, patch_size=6, epochs=12),  # windows of 14 pixels every 6 pixels: an epoch takes a third
    "long": LONG,
    "gpu": replace(LONG, cropped=0, waves=12, intermediate_size=40, epochs=60, other_seeds=3, variants=tuple(VARIANTS)),
}


def build(name: str, size: Size) -> GSANetForImageClassification:
    """Return the network of a variant with random weights.

    Raises:
        ValueError: if it has more parameters than the published networks.
    """
    variant = VARIANTS[name]
    group = PointGroup.from_name(variant.group)
    config = GSANetConfig(
        hidden_size=size.hidden_size,
        intermediate_size=size.intermediate_size,
        num_hidden_layers=size.num_hidden_layers,
        pose_layers=size.num_hidden_layers,
        num_attention_heads=size.num_attention_heads,
        num_frequencies=max(1, size.waves // len(orbit(group).representatives)),
        hidden_act="relu",
        patch_size=size.patch_size,
        patch_margin=size.patch_margin,
        patch_embedding="single_conv",
        hidden_dropout_prob=DROPOUT,
        group=variant.group,
        pose_sum=variant.pose_sum,
        initializer_range=size.hidden_size**-0.5,  # with 0.04, as for wide networks, a narrow network hardly trains
    )
    config.num_labels = 10
    model = GSANetForImageClassification(config)
    for module in model.modules():
        if isinstance(module, RelativeEncoding):
            fit_to_image(module, size.side)
    if model.num_parameters() > MOST_PARAMETERS:
        raise ValueError(f"`size` must give at most {MOST_PARAMETERS} parameters, got {model.num_parameters()}.")
    return model


@torch.no_grad()
def fit_to_image(encoding: RelativeEncoding, side: int) -> None:
    """Choose initial wavelengths from two patches to the side of the image; the default ones are those of a line."""
    frequencies = encoding.frequencies
    wavelengths = SHORTEST * (side / SHORTEST) ** torch.linspace(0, 1, len(frequencies))
    frequencies *= (2 * math.pi / wavelengths / frequencies.norm(dim=1))[:, None]


def inputs(images: torch.Tensor, size: Size) -> torch.Tensor:
    """Return what the network sees of images (n, 1, 28, 28): their middle, with pixels of a deviation of about 1."""
    inside = slice(size.cropped, 28 - size.cropped)
    return images[..., inside, inside] / INK
