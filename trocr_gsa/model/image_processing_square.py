"""From images of lines to the square pictures that a TrOCR was trained on, in a way that commutes with turning them.

What is unusual: the stock processor squashes every picture to a square, and Pillow rounds between its two passes, of
which the shape of the picture (and Pillow's version) says which comes first. A standing picture is therefore laid down,
squashed, and stood up again, or its pixels would be rounded elsewhere than a lying one's.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.image_transforms import normalize, rescale

from .picture_batches import as_batch, listed, with_settings
from .pictures import as_picture, pixel_levels

SYMMETRIC_FILTERS = ("BILINEAR", "BICUBIC", "HAMMING", "LANCZOS")
FILTERS = {Image.Resampling[name].value: name.lower() for name in SYMMETRIC_FILTERS}


class SquareImageProcessor(BaseImageProcessor):
    """Squash, scale and standardise lines as a stock TrOCR's processor does, whichever way up they are.

    A lying picture (wider than high) comes out as from transformers' ViTImageProcessorPil, bit for bit; a picture
    turned by quarters, or mirrored, as its tensor turned or mirrored, bit for bit: Pillow's filters are symmetric
    (every width from 2 to 4000 was tried), but for "nearest" and "box", which are refused.

    An exact square looks the same lying and standing; it is taken to lie unless its pixels vary more along its columns
    than along its rows. One that is so taken to stand may differ from the stock processor's by the rounding between
    Pillow's passes (measured on noise: 1 grey level with the bilinear filter, 25 with the bicubic, which overshoots),
    and so may the turns of one that varies exactly as much along both.

    Args:
        size: side of the square in pixels, or {"height": side, "width": side}.
        resample: Pillow's number of the filter, 2 (bilinear) or 3 (bicubic) for instance.
        image_mean: subtracted from red, green and blue after scaling.
        image_std: what these are then divided by.
        rescale_factor: of the levels 0 … 255.
        patch_size: side of the model's patches, by which batches are counted.

    Raises:
        ValueError: if a setting is out of its range, or `size` is no square.
    """

    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    def __init__(
        self,
        size: int | dict[str, int] = 384,
        resample: int = Image.Resampling.BILINEAR,
        image_mean: Sequence[float] = (0.5, 0.5, 0.5),
        image_std: Sequence[float] = (0.5, 0.5, 0.5),
        rescale_factor: float = 1 / 255,
        patch_size: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        side = _side(size)
        if patch_size < 1 or side % patch_size:
            raise ValueError(f"`size` must be a multiple of `patch_size` = {patch_size}, got {side}.")
        if resample not in FILTERS:
            raise ValueError(f"`resample` must be the number of a symmetric filter, one of {FILTERS}, got {resample}.")
        if len(image_mean) != 3 or len(image_std) != 3 or min(image_std) <= 0:
            raise ValueError(
                f"`image_mean` and `image_std` must be three numbers each, those of `image_std` above 0, got "
                f"{list(image_mean)} and {list(image_std)}."
            )
        self.size = {"height": side, "width": side}
        self.resample = int(resample)
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)
        self.rescale_factor = rescale_factor
        self.patch_size = patch_size

    @property
    def max_patches(self) -> int:
        """Patches of every picture."""
        return (self.size["height"] // self.patch_size) ** 2

    def num_patches(self, width: int, height: int) -> int:
        """Return how many patches an image of that size in pixels becomes: as many as any other."""
        return self.max_patches

    def patch_extent(self, width: int, height: int) -> tuple[float, float]:
        """Return width and height of a patch in pixels of an image of that size, before it is squashed."""
        return self.patch_size * width / self.size["width"], self.patch_size * height / self.size["height"]

    def preprocess(
        self,
        images: Any,
        return_tensors: str | None = "pt",
        do_convert_rgb: bool | None = None,
        input_data_format: str | None = None,
        **settings: Any,
    ) -> BatchFeature:
        """Turn images into square pictures.

        Args:
            images: one or many PIL images, arrays or tensors, (height, width), (height, width, 1, 3 or 4) or
                (1, 3 or 4, height, width), of bool, integers in [0, 255] or [0, 65535], or floats in [0, 1] or
                [0, 255]; or one array or tensor of many.
            return_tensors: "pt", "np", or None for a list of arrays.
            do_convert_rgb: anything: pictures of every mode become red, green and blue.
            input_data_format: "channels_first" or "channels_last"; None: last, unless only the first can be meant.
            settings: for this call, such as `size`.

        Returns: pixel_values (batch, 3, size, size) float32.

        Raises:
            ValueError: naming the image, if it is none or too small.
            TypeError: if there is no such setting.
        """
        if settings:
            other = with_settings(self, settings)
            return other.preprocess(images, return_tensors, do_convert_rgb, input_data_format)
        pixels = [self._squash(image, index, input_data_format) for index, image in enumerate(listed(images))]
        return as_batch({"pixel_values": torch.stack(pixels)}, return_tensors)

    def _squash(self, image: Any, index: int, data_format: str | None) -> Tensor:
        picture = as_picture(image, f"`images[{index}]`", data_format)
        levels = torch.from_numpy(pixel_levels(picture, 3)).byte()
        stands = _stands(levels)
        if stands:
            levels = levels.rot90(-1, (1, 2))
        lying = Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())
        square = np.asarray(lying.resize((self.size["width"], self.size["height"]), Image.Resampling(self.resample)))
        scaled = normalize(rescale(square, self.rescale_factor), self.image_mean, self.image_std)
        pixels = torch.from_numpy(scaled).permute(2, 0, 1)
        return pixels.rot90(1, (1, 2)) if stands else pixels


def _side(size: int | dict[str, int]) -> int:
    sides = (size, size) if isinstance(size, int) else (size.get("height"), size.get("width"))
    if sides[0] is None or sides[0] != sides[1] or sides[0] < 1:
        raise ValueError(f"`size` must be one side in pixels, or as high as wide, got {size}.")
    return sides[0]


def _stands(levels: Tensor) -> bool:
    """Whether a picture (channel, height, width) is to be laid down before its rows are squashed."""
    height, width = levels.shape[1:]
    if height != width:
        return height > width
    along_rows, along_columns = (levels.int().diff(dim=dim).square().sum() for dim in (2, 1))
    return bool(along_columns > along_rows)
