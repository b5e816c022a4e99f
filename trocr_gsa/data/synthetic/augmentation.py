"""Augmentation of line images: surroundings, geometry, ink, light, noise, resolution and compression.

Images are never rotated by quarter turns: the encoder is invariant under them by construction, and does not have to
learn this.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, ImageFilter

from trocr_gsa.data.images import paper
from trocr_gsa.data.samples import LineDataset, LineSample

from .random_fields import cloud
from .surroundings import Surroundings

STRIP = 1.5  # width of the strips of an elastic deformation, in line heights


@dataclass(frozen=True)
class LineAugmentation:
    """Strength of the augmentation; each value is the maximum of a range from which a random value is drawn.

    Args:
        rotation: degrees in either direction; the ends of a long line move by at most a sixth of its height.
        shear: degrees in either direction.
        stretch: change of the width, as a share of the width.
        zoom: change of the height, as a share of the height.
        shift: shift up or down, as a share of the height.
        perspective: height difference between the two ends, as a share of the height.
        elastic: displacement of single points, as a share of the height.
        weight: probability that strokes become thinner or thicker.
        contrast: reduction of contrast, as a share of the grey range; the brightness then varies within the range.
        blur: radius in hundredths of the height.
        noise: standard deviation of the noise, in grey levels.
        shade: probability that the image gets darker along the line, by up to half.
        light: probability of uneven light, as under a lamp; colour images also get a colour cast.
        resolution: probability of a lower resolution, down to a third in each direction.
        jpeg: probability of JPEG artefacts.
        surroundings: augmentation of the area around the line, which is applied first.
    """

    rotation: float = 1.5
    shear: float = 8.0
    stretch: float = 0.2
    zoom: float = 0.08
    shift: float = 0.05
    perspective: float = 0.15
    elastic: float = 0.04
    weight: float = 0.3
    contrast: float = 0.3
    blur: float = 2.0
    noise: float = 8.0
    shade: float = 0.3
    light: float = 0.2
    resolution: float = 0.25
    jpeg: float = 0.25
    surroundings: Surroundings = field(default_factory=Surroundings)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Augment an image; its mode is kept."""
        image = self._warp(self.surroundings(image, rng), rng)
        if rng.random() < self.weight:
            image = _reweigh(image, rng)
        if rng.random() < 0.3:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, self.blur) * min(image.size) / 100))
        if rng.random() < self.resolution:
            image = _scan(image, rng.uniform(1 / 3, 0.9))
        image = self._expose(image, rng)
        return _compress(image, int(rng.integers(15, 75))) if rng.random() < self.jpeg else image

    def _warp(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Sample the image at A(x − centre) + centre + e(x), in strips; outside of the image is paper.

        A rotates, shears and scales the line; with perspective, the scale across the line changes along the line. e is
        random at the corners of the strips and linear in between: it varies the width of the letters.
        """
        width, height = image.size
        scale = 1 + rng.uniform(-self.stretch, self.stretch)
        zoom = 1 + rng.uniform(-self.zoom, self.zoom)
        steepest = min(width, height) / 6 / max(width, height)
        slope = np.clip(np.tan(np.radians(rng.uniform(-self.rotation, self.rotation))), -steepest, steepest)
        shear = np.tan(np.radians(rng.uniform(-self.shear, self.shear)))
        shift = rng.uniform(-self.shift, self.shift) * height
        askew = rng.uniform(-self.perspective, self.perspective) * (rng.random() < 0.5)
        size = (max(1, round(width * scale)), height)
        reach = rng.uniform(0, self.elastic) * height * (rng.random() < 0.6)
        strips = max(1, round(size[0] / height / STRIP)) if reach else 1
        edges = np.linspace(0, size[0], strips + 1).round()
        across = np.array([0.0, height])[:, None] - height / 2
        along = edges[None, :] - size[0] / 2
        aside, down = rng.uniform(-reach, reach, (2, 2, strips + 1))
        x = width / 2 + along / scale + shear * across + aside
        y = height / 2 + slope / scale * along + across / zoom * (1 + askew * along / size[0]) + shift + down
        corners = np.stack([x, y], -1)  # (row, column, 2)
        mesh = [
            (
                (int(edges[i]), 0, int(edges[i + 1]), height),
                (*corners[0, i], *corners[1, i], *corners[1, i + 1], *corners[0, i + 1]),
            )
            for i in range(strips)
        ]
        return image.transform(size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC, fillcolor=paper(image))

    def _expose(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Change contrast, brightness and light, and add noise."""
        values = np.asarray(image, dtype=np.float32)
        channels = [1] * (values.ndim - 2)
        if rng.random() < self.shade:
            light = np.linspace(1, 1 - rng.uniform(0, 0.5), image.width, dtype=np.float32)
            values = values * light[:: rng.choice((-1, 1))].reshape(1, -1, *channels)
        if rng.random() < self.light:
            field = cloud((image.height, image.width), 3 * min(image.size), rng)
            lamp = 1 - np.float32(rng.uniform(0, 0.2)) * (1 + field)
            values = values * lamp.reshape(*lamp.shape, *channels)
            if channels:
                values = values * rng.uniform(0.8, 1, values.shape[-1]).astype(np.float32)
        contrast = 1 - rng.uniform(0, self.contrast)
        lift = rng.uniform(0, 1 - contrast) * 255
        values = values * contrast + lift
        if rng.random() < 0.5:
            values = values + rng.standard_normal(values.shape, dtype=np.float32) * np.float32(
                rng.uniform(0, self.noise)
            )
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _reweigh(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Blend an image with its minimum or maximum over 3×3 pixels: strokes become thicker or thinner."""
    extreme = np.minimum if rng.random() < 0.5 else np.maximum
    values = np.asarray(image)
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0))[: values.ndim], mode="edge")
    rows = extreme(extreme(padded[:-2], padded[1:-1]), padded[2:])
    changed = extreme(extreme(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return Image.blend(image, Image.fromarray(changed), rng.uniform(0.1, 0.6))


def _scan(image: Image.Image, dots: float) -> Image.Image:
    """Scale an image down by the factor `dots` and up again, as in a scan of lower resolution."""
    coarse = [max(1, round(side * dots)) for side in image.size]
    return image.resize(coarse, Image.Resampling.BILINEAR).resize(image.size, Image.Resampling.BILINEAR)


def _compress(image: Image.Image, quality: int) -> Image.Image:
    """Encode an image as JPEG and decode it again."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert(image.mode)


class AugmentedLines(LineDataset):
    """Lines of another dataset with random augmentation, which depends on seed, epoch and index.

    Args:
        lines: the dataset.
        augmentation: the augmentation.
        seed: any integer ≥ 0.
        share: probability in [0, 1] that a line is augmented; otherwise it is returned as it is.
    """

    def __init__(
        self, lines: LineDataset, augmentation: LineAugmentation | None = None, seed: int = 0, share: float = 1.0
    ) -> None:
        """Store the dataset, without reading it."""
        self.lines, self.augmentation, self.seed = lines, augmentation or LineAugmentation(), seed
        self.share = share
        self.problems = lines.problems

    def __len__(self) -> int:
        """Number of lines in an epoch."""
        return len(self.lines)

    def __getitem__(self, index: int) -> LineSample:
        """Return the augmented line, or in 1 − `share` of all cases the line as it is."""
        sample = self.lines[index]
        rng = np.random.default_rng((self.seed, index))
        if self.share < 1 and rng.random() >= self.share:
            return sample
        return replace(sample, image=self.augmentation(sample.image, rng))

    def text(self, index: int) -> str:
        """Return the text, which does not change."""
        return self.lines.text(index)

    def size(self, index: int) -> tuple[int, int]:
        """Return the size before augmentation; stretching changes the width slightly."""
        return self.lines.size(index)
