"""Prepares line images as the square images that a stock TrOCR was trained on. This commutes with rotations.

What is unusual: the stock processor resizes every image to a square. Pillow does this in two passes and rounds between
them; which axis comes first depends on the shape of the image and on Pillow's version. An image in portrait format is
therefore rotated to landscape format, resized, and rotated back. Otherwise the rounding would differ between an image
and its rotated copy.
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
from transformers.processing_utils import ImagesKwargs

from .misspelt import refuse_misspelt
from .picture_batches import as_batch, as_list, setting_names, with_settings
from .pictures import as_picture, pixel_levels

SYMMETRIC_FILTERS = ("BILINEAR", "BICUBIC", "HAMMING", "LANCZOS")
FILTERS = {Image.Resampling[name].value: name.lower() for name in SYMMETRIC_FILTERS}


class SquareSettings(ImagesKwargs, total=False):
    """Settings that `from_pretrained` passes to the constructor; others it would set without a check."""

    patch_size: int


class SquareImageProcessor(BaseImageProcessor):
    """Resize, rescale and normalise line images as a stock TrOCR's processor does, in every orientation.

    The result for a landscape image (wider than high) equals that of transformers' ViTImageProcessorPil bit for bit.
    The result for a mirrored image, or one that is rotated by quarter turns, equals the mirrored or rotated tensor bit
    for bit, because Pillow's filters are symmetric (tested for every width from 2 to 4000). The filters "nearest" and
    "box" are not symmetric and raise an error.

    A square image is treated as landscape, unless its pixels vary more along its columns than along its rows. A square
    image that is treated as portrait may differ from the stock processor's result by the rounding between Pillow's
    passes (measured on noise: 1 grey level with the bilinear filter, 25 with the bicubic filter, which overshoots). The
    same holds for rotations of a square image that varies equally along both.

    Args:
        size: side of the square in pixels, or {"height": side, "width": side}.
        resample: Pillow's number of the filter, for example 2 (bilinear) or 3 (bicubic).
        image_mean: subtracted from red, green and blue after rescaling.
        image_std: divisor of red, green and blue after that.
        rescale_factor: factor for the levels 0 … 255.
        patch_size: side of the model's patches, used to count the patches of a batch.

    Raises:
        ValueError: if a setting is out of range or misspelt, or `size` is not a square.
    """

    model_input_names: ClassVar[list[str]] = ["pixel_values"]
    valid_kwargs = SquareSettings

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
        refuse_misspelt(kwargs, setting_names(SquareImageProcessor), SquareImageProcessor)
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
        """Number of patches of every image."""
        return (self.size["height"] // self.patch_size) ** 2

    def num_patches(self, width: int, height: int) -> int:
        """Return the number of patches of an image; it is the same for every size in pixels."""
        return self.max_patches

    def patch_extent(self, width: int, height: int) -> tuple[float, float]:
        """Return width and height of a patch, in pixels of the original image."""
        return self.patch_size * width / self.size["width"], self.patch_size * height / self.size["height"]

    def preprocess(
        self,
        images: Any,
        return_tensors: str | None = "pt",
        do_convert_rgb: bool | None = None,
        input_data_format: str | None = None,
        **settings: Any,
    ) -> BatchFeature:
        """Prepare images as square images.

        Args:
            images: one or many PIL images, arrays or tensors, (height, width), (height, width, 1, 3 or 4) or
                (1, 3 or 4, height, width), of bool, integers in [0, 255] or [0, 65535], or floats in [0, 1] or
                [0, 255]; or one array or tensor with a batch of images.
            return_tensors: "pt", "np", or None for a list of arrays.
            do_convert_rgb: ignored; images of every mode are converted to RGB.
            input_data_format: "channels_first" or "channels_last"; None: last, unless the shape fits only the first.
            settings: settings for this call only, such as `size`.

        Returns: pixel_values (batch, 3, size, size) float32.

        Raises:
            ValueError: if an image is not valid or too small; the image is named.
            TypeError: if there is no such setting.
        """
        if settings:
            other = with_settings(self, settings)
            return other.preprocess(images, return_tensors, do_convert_rgb, input_data_format)
        pixels = [self._resize(image, index, input_data_format) for index, image in enumerate(as_list(images))]
        return as_batch({"pixel_values": torch.stack(pixels)}, return_tensors)

    def _resize(self, image: Any, index: int, data_format: str | None) -> Tensor:
        picture = as_picture(image, f"`images[{index}]`", data_format)
        levels = torch.from_numpy(pixel_levels(picture, 3)).byte()
        is_portrait = _is_portrait(levels)
        if is_portrait:
            levels = levels.rot90(-1, (1, 2))
        landscape = Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())
        size = (self.size["width"], self.size["height"])
        square = np.asarray(landscape.resize(size, Image.Resampling(self.resample)))
        scaled = normalize(rescale(square, self.rescale_factor), self.image_mean, self.image_std)
        pixels = torch.from_numpy(scaled).permute(2, 0, 1)
        return pixels.rot90(1, (1, 2)) if is_portrait else pixels


def _side(size: int | dict[str, int]) -> int:
    sides = (size, size) if isinstance(size, int) else (size.get("height"), size.get("width"))
    if sides[0] is None or sides[0] != sides[1] or sides[0] < 1:
        raise ValueError(f"`size` must be one side in pixels, or equal height and width, got {size}.")
    return sides[0]


def _is_portrait(levels: Tensor) -> bool:
    """Whether an image (channel, height, width) must be rotated to landscape format before it is resized."""
    height, width = levels.shape[1:]
    if height != width:
        return height > width
    along_rows, along_columns = (levels.int().diff(dim=dim).square().sum() for dim in (2, 1))
    return bool(along_columns > along_rows)
