"""Patches as sets: cutting, placing them on the page, and un-rotating them by a pose.

What is unusual: a patch is seen once per pose, h⁻¹·patch, because its pixels turn with the page. For C4 and D4 that is
a permutation of pixels; finer rotations interpolate under a disc and are approximate.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .groups import PointGroup, cpu_table

TOLD_IN = 1024  # parts of rows and columns, so that they are no larger than pixels are


def cut_patches(images: Tensor, patch_size: int) -> tuple[Tensor, Tensor]:
    """Cut a batch of equal-sized images into patches in raster order, top-left first.

    Args:
        images: (batch, channel, height, width), both sides multiples of `patch_size`.
        patch_size: side p in pixels.

    Returns: (batch, position, channel · p · p) and spatial shapes (batch, 2) = (rows, columns).

    Raises:
        ValueError: if a side is no multiple of `patch_size`.
    """
    height, width = images.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f"`pixel_values` must have sides that are multiples of `patch_size` = {patch_size}, got {height}×{width}. "
            f"Pad the image, or let the processor do it."
        )
    patches = F.unfold(images, patch_size, stride=patch_size).transpose(1, 2)
    shape = images.new_tensor((height // patch_size, width // patch_size), dtype=torch.long)
    return patches, shape.expand(images.shape[0], 2)


def as_patches(
    pixel_values: Tensor, mask: Tensor | None, shapes: Tensor | None, num_channels: int, patch_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return pictures in any form as a set of patches.

    Args:
        pixel_values: (batch, channel, height, width), or (batch, patch, channel · p · p).
        mask: (batch, patch), 0 or False at padding; None: as the shapes say.
        shapes: (batch, 2) long, rows and columns; None: as the picture is, or as the patch behind the last one says.
        num_channels: of a picture.
        patch_size: side p in pixels.

    Returns: patches, without one behind all others that only says a shape; the mask (batch, patch) bool; the shapes.

    Raises:
        ValueError: if `pixel_values` is neither, or a set of patches whose shapes nothing says.
    """
    is_image, is_told = pixel_values.dim() == 4 and pixel_values.shape[1] == num_channels, shapes is None
    size = num_channels * patch_size**2
    if not is_image and (pixel_values.dim() != 3 or pixel_values.shape[-1] != size):
        raise ValueError(
            f"`pixel_values` must be (batch, {num_channels}, height, width) or (batch, patch, {size}) "
            f"with patches of {patch_size} pixels, got {tuple(pixel_values.shape)}."
        )
    if is_image:
        patches, shapes = cut_patches(pixel_values, patch_size)
        whole = torch.ones(patches.shape[:2], dtype=torch.bool, device=patches.device)
        return patches, whole if mask is None else mask.bool(), shapes
    shapes = told_shapes(pixel_values) if shapes is None else shapes
    counts = shapes.prod(-1, keepdim=True)
    mask = torch.arange(pixel_values.shape[1], device=counts.device)[None] < counts if mask is None else mask.bool()
    if not torch.compiler.is_compiling():
        longest = int(counts.amax())
        if not mask[:, longest:].any() and (is_told or mask.shape[1] == longest + 1):
            pixel_values, mask = pixel_values[:, :longest], mask[:, :longest]
    return pixel_values, mask, shapes


def with_shape(patches: Tensor, shape: Tensor) -> Tensor:
    """Return an image's patches and one more, which says how they lie: (rows, columns, 0, …) / 1024.

    So `pixel_values` alone are enough to read, as with a model whose images are all of one size. To whoever is given a
    mask it is padding.

    Args:
        patches: (patch, channel · p · p).
        shape: (2,) long, rows and columns.
    """
    return torch.cat((patches, F.pad(shape.to(patches) / TOLD_IN, (0, patches.shape[1] - 2))[None]))


def told_shapes(patches: Tensor) -> Tensor:
    """Return what `with_shape` wrote into the last patch of each image that is not all 0: (batch, 2) long.

    Raises:
        ValueError: if nothing is written there.
    """
    index = torch.arange(patches.shape[1], device=patches.device)
    last = torch.where(patches.ne(0).any(-1), index, 0).amax(1)
    told = patches.gather(1, last[:, None, None].expand(-1, 1, patches.shape[2]))[:, 0]
    rows = (told[:, 0].float() * TOLD_IN).round().long()
    columns = torch.div(last, rows.clamp_min(1), rounding_mode="floor")  # exact, where half precision rounds them
    close = (told[:, 1].float() * TOLD_IN - columns).abs() <= 0.5 + columns / 128
    is_told = (rows > 0) & (rows * columns == last) & close & (told[:, 2:] == 0).all(-1)
    if not torch.compiler.is_compiling() and not bool(is_told.all()):
        raise ValueError(
            "`spatial_shapes` must say the rows and columns of a set of patches, got None, and no patch says them "
            "either. Pass on all that the processor returned: `model.generate(**processor(images))`."
        )
    return torch.stack((rows, columns), dim=-1)


def patch_positions(spatial_shapes: Tensor, length: int) -> Tensor:
    """Return the positions of raster patches: x right, y up, in patches, origin at each image's centre.

    Args:
        spatial_shapes: (batch, 2) long, rows and columns of each image.
        length: number of patches to place; those past rows · columns are padding and lie anywhere.

    Returns: (batch, length, 2) float32.
    """
    rows, columns = spatial_shapes[:, :1], spatial_shapes[:, 1:]
    index = torch.arange(length, device=spatial_shapes.device)[None]
    x = index % columns - (columns - 1) / 2
    y = (rows - 1) / 2 - torch.div(index, columns, rounding_mode="floor")
    return torch.stack((x, y), dim=-1).float()


def raster_order(positions: Tensor, mask: Tensor) -> Tensor:
    """Return the order that reads positions line by line, top-left first, padding last: (batch, position) long."""
    row = (positions[..., 1].masked_fill(~mask, -torch.inf).amax(1, keepdim=True) - positions[..., 1]).round()
    column = positions[..., 0] - positions[..., 0].masked_fill(~mask, torch.inf).amin(1, keepdim=True)
    key = row * positions.shape[1] + column.round()
    return key.masked_fill(~mask, torch.inf).argsort(dim=1, stable=True)


def see_from_poses(patches: Tensor, group: PointGroup, patch_size: int) -> Tensor:
    """Return every patch as each pose sees it: (h⁻¹·patch)(x) = patch(h x).

    Args:
        patches: (batch, position, channel · p · p).
        group: H; if it is not exact, pixels are interpolated and what lies outside the inscribed disc is dropped.
        patch_size: side p in pixels.

    Returns: (batch, pose, position, channel · p · p).
    """
    pixels = patches.unflatten(-1, (-1, patch_size * patch_size))
    if group.is_exact:
        index = _pixel_permutation(group, patch_size).to(patches.device)
        seen = pixels[..., index].movedim(-2, 1)  # (batch, position, channel, pose, pixel) -> pose second
    else:
        seen = torch.einsum("bncx,pyx->bpncy", pixels, _pixel_interpolation(group, patch_size).to(patches))
    return seen.flatten(-2)


def see_from_pose(patches: Tensor, pose: Tensor, group: PointGroup, patch_size: int) -> Tensor:
    """Return every image's patches as one pose sees them, which each image has for itself.

    Args:
        patches: (batch, position, channel · p · p).
        pose: (batch,) long, elements of H.
        group: as in `see_from_poses`.
        patch_size: side p in pixels.

    Returns: (batch, position, channel · p · p).
    """
    pixels = patches.unflatten(-1, (-1, patch_size * patch_size))
    if group.is_exact:
        index = _pixel_permutation(group, patch_size).to(patches.device)[pose]
        return pixels.gather(-1, index[:, None, None].expand_as(pixels)).flatten(-2)
    weights = _pixel_interpolation(group, patch_size).to(patches)[pose]
    return torch.einsum("bncx,byx->bncy", pixels, weights).flatten(-2)


def with_margin(patches: Tensor, spatial_shapes: Tensor, patch_size: int, margin: int) -> Tensor:
    """Return every patch with the pixels around it: those of its neighbours, 0 where the image ends.

    Args:
        patches: (batch, position, channel · p · p), each image in raster order, padding behind.
        spatial_shapes: (batch, 2) long, rows and columns of each image.
        patch_size: side p in pixels.
        margin: m pixels on every side, at most p.

    Returns: (batch, position, channel · w · w) with w = p + 2m.
    """
    if not margin:
        return patches
    pixels = patches.unflatten(-1, (-1, patch_size, patch_size))
    index = torch.arange(patches.shape[1], device=patches.device)[None]
    rows, columns = spatial_shapes[:, :1], spatial_shapes[:, 1:]
    row, column = torch.div(index, columns, rounding_mode="floor"), index % columns
    # the neighbour above gives its last pixels, the one below its first, and the patch itself all of them
    part = {-1: slice(patch_size - margin, None), 0: slice(None), 1: slice(margin)}
    bands = []
    for down in (-1, 0, 1):
        band = []
        for right in (-1, 0, 1):
            r, c = row + down, column + right
            inside = (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
            piece = pixels[..., part[down], part[right]]
            if down or right:
                place = (r * columns + c).clamp(0, patches.shape[1] - 1)
                piece = piece.gather(1, place[..., None, None, None].expand_as(piece))
                piece = piece.masked_fill(~inside[..., None, None, None], 0.0)
            band.append(piece)
        bands.append(torch.cat(band, dim=-1))
    return torch.cat(bands, dim=-2).flatten(2)


@cpu_table
def _pixel_permutation(group: PointGroup, patch_size: int) -> Tensor:
    pixels = torch.arange(patch_size * patch_size).view(patch_size, patch_size)
    inverse = group.inverse.tolist()
    return torch.stack([group.transform_image(pixels, inverse[element]).flatten() for element in range(group.order)])


@cpu_table
def _pixel_interpolation(group: PointGroup, patch_size: int) -> Tensor:
    """Return (pose, pixel seen, pixel) weights of a bilinear rotation of each patch about its centre."""
    pixels = patch_size * patch_size
    basis = (
        torch.eye(pixels, dtype=torch.float64).view(1, pixels, patch_size, patch_size).expand(group.order, -1, -1, -1)
    )
    page_to_grid = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)  # grid_sample's y points down
    turn = page_to_grid @ group.matrices @ page_to_grid
    grid = F.affine_grid(F.pad(turn, (0, 1)), [group.order, 1, patch_size, patch_size], align_corners=False)
    inside = grid.norm(dim=-1) <= 1.0
    seen = F.grid_sample(basis, grid, align_corners=False) * inside[:, None]
    return seen.flatten(2).transpose(1, 2)
