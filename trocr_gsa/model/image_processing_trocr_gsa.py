"""Turns line images into sets of patches. This commutes with rotations by quarter turns.

What is unusual: the *short* side becomes the line height, both ends of a side are padded equally, and a batch of lines
in all orientations shares one tensor, as in SigLIP2's NaFlex processor. One more patch after the last one stores the
numbers of rows and columns, so the model can also be called with `pixel_values` alone.
"""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.processing_utils import ImagesKwargs

from .misspelt import refuse_misspelt
from .patches import append_shape, cut_patches
from .picture_batches import as_batch, as_list, setting_names, with_settings
from .pictures import as_picture, pixel_levels

MAX_HEIGHT = 4096  # pixels: more than any line of text needs; a larger value in a file would fill the memory


class LineSettings(ImagesKwargs, total=False):
    """Settings that `from_pretrained` passes to the constructor; others it would set without a check."""

    line_height: int
    patch_size: int
    num_channels: int
    max_patches: int
    pad_to_max_patches: bool


class TrOCRGSAImageProcessor(BaseImageProcessor):
    """Resize, normalise and pad line images, and cut them into patches.

    Args:
        line_height: length of the short side in pixels, a multiple of `patch_size`, at most 4096.
        patch_size: side of a patch, pixels.
        num_channels: 1 for grey, 3 for colour.
        max_patches: maximum number of patches of a line; a longer line raises an error.
        pad_to_max_patches: pad every line to `max_patches`, so that lines that were prepared one by one can be stacked.

    Raises:
        ValueError: if a size is not a whole number above 0, `line_height` is too large or not a multiple of
            `patch_size`, `patch_size` is odd (then both ends could not be padded equally), `num_channels` is neither 1
            nor 3, or a setting is misspelt.
    """

    model_input_names: ClassVar[list[str]] = ["pixel_values", "pixel_attention_mask", "spatial_shapes"]
    valid_kwargs = LineSettings

    def __init__(
        self,
        line_height: int = 48,
        patch_size: int = 16,
        num_channels: int = 1,
        max_patches: int = 1024,
        pad_to_max_patches: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_misspelt(kwargs, setting_names(TrOCRGSAImageProcessor), TrOCRGSAImageProcessor)
        super().__init__(**kwargs)
        sizes = {"line_height": line_height, "patch_size": patch_size, "max_patches": max_patches}
        for name, size in sizes.items():
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"`{name}` must be a whole number above 0, got {size!r}.")
        if patch_size < 2 or patch_size % 2:
            raise ValueError(
                f"`patch_size` must be even, so that both ends of a line are padded equally, got {patch_size}."
            )
        if num_channels not in (1, 3):
            raise ValueError(f"`num_channels` must be 1 (grey) or 3 (colour), got {num_channels}.")
        if not 1 <= line_height <= MAX_HEIGHT or line_height % patch_size:
            raise ValueError(
                f"`line_height` must be a multiple of `patch_size` = {patch_size}, at most {MAX_HEIGHT} pixels, got "
                f"{line_height}."
            )
        self.line_height = line_height
        self.patch_size = patch_size
        self.num_channels = num_channels
        self.max_patches = max_patches
        self.pad_to_max_patches = pad_to_max_patches

    def num_patches(self, width: int, height: int) -> int:
        """Return the number of patches of an image with this size in pixels."""
        rows, columns = (-(-side // self.patch_size) for side in self._resized(width, height))
        return rows * columns

    def patch_extent(self, width: int, height: int) -> tuple[float, float]:
        """Return width and height of a patch, in pixels of the original image."""
        new_width, new_height = self._resized(width, height)
        return self.patch_size * width / new_width, self.patch_size * height / new_height

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        scale = self.line_height / min(width, height)
        # with an even length, both ends can be padded equally
        long_side = max(self.line_height, 2 * round(max(width, height) * scale / 2))
        return (self.line_height, long_side) if width < height else (long_side, self.line_height)

    def preprocess(
        self,
        images: Any,
        return_tensors: str | None = "pt",
        do_convert_rgb: bool | None = None,
        input_data_format: str | None = None,
        **settings: Any,
    ) -> BatchFeature:
        """Turn images into one padded batch of patches.

        Args:
            images: one or many PIL images, arrays or tensors, (height, width), (height, width, 1, 3 or 4) or
                (1, 3 or 4, height, width), of bool, integers in [0, 255] or [0, 65535], or floats in [0, 1] or
                [0, 255]; or one array or tensor with a batch of images.
            return_tensors: "pt", "np", or None for a list of arrays.
            do_convert_rgb: ignored; images of every mode are converted to `num_channels` channels.
            input_data_format: "channels_first" or "channels_last"; None: last, unless the shape fits only the first.
            settings: settings for this call only, such as `line_height`.

        Returns: pixel_values (batch, patch, channel · p · p) float32, every line with mean 0 and standard deviation 1
            before it is padded (a smaller one if it varies by less than one grey level), and after its patches one
            more that stores its shape; pixel_attention_mask (batch, patch) bool; spatial_shapes (batch, 2) long, rows
            and columns of patches.

        Raises:
            ValueError: if an image is not valid, too small, or needs more than `max_patches`; the image is named.
            TypeError: if there is no such setting.
        """
        if settings:
            other = with_settings(self, settings)
            return other.preprocess(images, return_tensors, do_convert_rgb, input_data_format)
        patches, shapes = zip(
            *(self._line_to_patches(image, index, input_data_format) for index, image in enumerate(as_list(images))),
            strict=True,
        )
        shape = torch.stack(shapes)
        pixels = torch.nn.utils.rnn.pad_sequence(list(patches), batch_first=True)
        if self.pad_to_max_patches:
            pixels = F.pad(pixels, (0, 0, 0, self.max_patches + 1 - pixels.shape[1]))
        mask = torch.arange(pixels.shape[1])[None] < shape.prod(-1, keepdim=True)
        return as_batch({"pixel_values": pixels, "pixel_attention_mask": mask, "spatial_shapes": shape}, return_tensors)

    def _line_to_patches(self, image: Any, index: int, data_format: str | None) -> tuple[Tensor, Tensor]:
        picture = as_picture(image, f"`images[{index}]`", data_format)
        width, height = picture.size
        if (needed := self.num_patches(width, height)) > self.max_patches:
            raise ValueError(
                f"`images[{index}]` is {width}×{height} pixels and needs {needed} patches, more than `max_patches` = "
                f"{self.max_patches}. Is it one line of text? Cut it, or raise `max_patches`."
            )
        pixels = torch.from_numpy(pixel_levels(picture, self.num_channels))
        new_width, new_height = self._resized(width, height)
        if (new_width, new_height) != (width, height):
            pixels = F.interpolate(
                pixels[None], (new_height, new_width), mode="bilinear", antialias=True, align_corners=False
            )[0]
        # an image that varies by less than one grey level has nothing to read, and its noise is not amplified
        pixels = (pixels - pixels.mean()) / pixels.std().clamp_min(1.0)
        side_x, side_y = (-side % self.patch_size // 2 for side in (new_width, new_height))
        paper = float(pixels.median())
        pixels = F.pad(pixels, (side_x, side_x, side_y, side_y), value=paper)
        patches, shapes = cut_patches(pixels[None].float(), self.patch_size)
        return append_shape(patches[0], shapes[0]), shapes[0]
