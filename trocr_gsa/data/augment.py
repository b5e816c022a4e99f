"""Light changes to lines, so that none is seen twice alike: what is around them, a little affine, ink, light and grain.

Never a quarter turn: that the reader is indifferent to those is a property of its encoder, not something to be learnt.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, ImageFilter

from .images import paper
from .samples import LineDataset, LineSample
from .surroundings import Surroundings


@dataclass(frozen=True)
class LineAugmentation:
    """How far a line may be changed; each value is the end of a range that the generator draws from.

    Args:
        rotation: degrees to either side; the ends of a long line move by at most a sixth of its height.
        shear: degrees to either side.
        stretch: along the line, as a share of its width.
        zoom: across the line, as a share of its height.
        shift: up or down, as a share of the height.
        weight: probability that strokes get thinner or thicker.
        contrast: as a share of the range of greys; brightness follows it.
        blur: radius in hundredths of the height.
        noise: standard deviation of the grain, in grey levels.
        shade: probability that the light falls off along the line, by up to half.
        surroundings: what is put around the line first.
    """

    rotation: float = 1.5
    shear: float = 8.0
    stretch: float = 0.2
    zoom: float = 0.08
    shift: float = 0.05
    weight: float = 0.3
    contrast: float = 0.3
    blur: float = 2.0
    noise: float = 8.0
    shade: float = 0.3
    surroundings: Surroundings = field(default_factory=Surroundings)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Change the picture; its mode is kept."""
        image = self._warp(self.surroundings(image, rng), rng)
        if rng.random() < self.weight:
            image = self._reweigh(image, rng)
        if rng.random() < 0.3:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, self.blur) * min(image.size) / 100))
        return self._expose(image, rng)

    def _warp(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Sample at A(x − centre) + centre, where A slopes, shears and scales; what lies outside is paper."""
        width, height = image.size
        scale = 1 + rng.uniform(-self.stretch, self.stretch)
        zoom = 1 + rng.uniform(-self.zoom, self.zoom)
        steepest = min(width, height) / 6 / max(width, height)
        slope = np.clip(np.tan(np.radians(rng.uniform(-self.rotation, self.rotation))), -steepest, steepest)
        shear = np.tan(np.radians(rng.uniform(-self.shear, self.shear)))
        shift = rng.uniform(-self.shift, self.shift) * height
        size = (max(1, round(width * scale)), height)
        a, b, d, e = 1 / scale, shear, slope / scale, 1 / zoom
        centre = (size[0] / 2, height / 2)
        affine = (
            a,
            b,
            width / 2 - a * centre[0] - b * centre[1],
            d,
            e,
            height / 2 - d * centre[0] - e * centre[1] + shift,
        )
        return image.transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC, fillcolor=paper(image))

    def _reweigh(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Mix the picture with its darkest or lightest neighbours: strokes thicken or thin by part of a pixel."""
        change = ImageFilter.MinFilter(3) if rng.random() < 0.5 else ImageFilter.MaxFilter(3)
        return Image.blend(image, image.filter(change), rng.uniform(0.1, 0.6))

    def _expose(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Change contrast and brightness, shade, and add grain."""
        values = np.asarray(image, dtype=np.float32)
        if rng.random() < self.shade:
            light = np.linspace(1, 1 - rng.uniform(0, 0.5), image.width, dtype=np.float32)
            values = values * light[:: rng.choice((-1, 1))].reshape(1, -1, *[1] * (values.ndim - 2))
        contrast = 1 - rng.uniform(0, self.contrast)
        lift = rng.uniform(0, 1 - contrast) * 255
        values = values * contrast + lift
        if rng.random() < 0.5:
            values = values + rng.standard_normal(values.shape, dtype=np.float32) * np.float32(
                rng.uniform(0, self.noise)
            )
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


class AugmentedLines(LineDataset):
    """Lines of another dataset, changed afresh in every epoch; seed, epoch and index decide how.

    Args:
        lines: the dataset.
        augmentation: what is done.
        seed: any integer ≥ 0.
    """

    def __init__(self, lines: LineDataset, augmentation: LineAugmentation | None = None, seed: int = 0) -> None:
        """Hold the dataset; nothing is read yet."""
        self.lines, self.augmentation, self.seed = lines, augmentation or LineAugmentation(), seed
        self.problems = lines.problems

    def __len__(self) -> int:
        """Number of lines in an epoch."""
        return len(self.lines)

    def __getitem__(self, index: int) -> LineSample:
        """The line, changed."""
        sample = self.lines[index]
        return replace(sample, image=self.augmentation(sample.image, np.random.default_rng((self.seed, index))))

    def text(self, index: int) -> str:
        """The text, unchanged."""
        return self.lines.text(index)

    def size(self, index: int) -> tuple[int, int]:
        """The size before the change: stretching alters the width a little."""
        return self.lines.size(index)
