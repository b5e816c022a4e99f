"""Light changes to lines, so that none is seen twice alike: a little affine, stroke weight, contrast, blur and grain.

Never a quarter turn: that the reader is indifferent to those is a property of its encoder, not something to be learnt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from .samples import LineDataset, LineSample


@dataclass(frozen=True)
class LineAugmentation:
    """How far a line may be changed; each value is the end of a range that the generator draws from.

    Args:
        rotation: degrees to either side; the ends of a long line move by at most a sixth of its height.
        shear: degrees to either side.
        stretch: along the line, as a share of its width.
        zoom: across the line, as a share of its height.
        shift: up or down, as a share of the height.
        margin: more room above and below, as a share of the height, and before and behind; two lines of five get none.
            People cut lines in many ways, and a line in more room is a smaller line.
        neighbours: probability that this room shows what stands above and below on a page, and not blank paper.
        weight: probability that strokes get thinner or thicker.
        contrast: as a share of the range of greys; brightness follows it.
        blur: radius in hundredths of the height.
        noise: standard deviation of the grain, in grey levels.
    """

    rotation: float = 1.5
    shear: float = 8.0
    stretch: float = 0.12
    zoom: float = 0.08
    shift: float = 0.05
    margin: float = 0.6
    neighbours: float = 0.3
    weight: float = 0.3
    contrast: float = 0.3
    blur: float = 2.0
    noise: float = 8.0

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Change the picture; mode kept, height kept, width stretched."""
        image = self._warp(image, rng)
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
        room = max(0.0, rng.uniform(-0.7, 1)) * self.margin if width >= height else 0.0
        shift += rng.uniform(-room, room) / 2 * height
        before, behind = rng.uniform(0, room, 2) * height
        size = (max(1, round((width * scale + before + behind) / (1 + room))), height)
        ground = paper(image)
        above = round(height * (room + self.shift + self.zoom)) if rng.random() < self.neighbours and room else 0
        if above:
            image = _between_neighbours(image, above)
        a, b, d, e = (1 + room) / scale, shear, slope / scale, (1 + room) / zoom
        centre = (size[0] / 2 + (before - behind) / 2 / (1 + room), height / 2)
        affine = (
            a,
            b,
            width / 2 - a * centre[0] - b * centre[1],
            d,
            e,
            height / 2 + above - d * centre[0] - e * centre[1] + shift,
        )
        return image.transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC, fillcolor=ground)

    def _reweigh(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Mix the picture with its darkest or lightest neighbours: strokes thicken or thin by part of a pixel."""
        change = ImageFilter.MinFilter(3) if rng.random() < 0.5 else ImageFilter.MaxFilter(3)
        return Image.blend(image, image.filter(change), rng.uniform(0.1, 0.6))

    def _expose(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Change contrast and brightness, and add grain."""
        values = np.asarray(image, dtype=np.float32)
        contrast = 1 - rng.uniform(0, self.contrast)
        lift = rng.uniform(0, 1 - contrast) * 255
        values = values * contrast + lift
        if rng.random() < 0.5:
            values = values + rng.standard_normal(values.shape, dtype=np.float32) * np.float32(
                rng.uniform(0, self.noise)
            )
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def paper(image: Image.Image) -> tuple[int, ...]:
    """The colour of the ground, a number a channel: the median of the picture's edge."""
    values = np.asarray(image)
    values = values.reshape(*values.shape[:2], -1)
    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    return tuple(np.median(edge, axis=0).astype(int).tolist())


def _between_neighbours(image: Image.Image, rows: int) -> Image.Image:
    """Put a line between others: its own lower edge above it, and its upper edge below."""
    values = np.asarray(image)
    around = [(rows, rows), (0, 0), (0, 0)][: values.ndim]
    return Image.fromarray(np.pad(values, around, mode="wrap"))


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
