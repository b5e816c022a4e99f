"""Sets of patches: cutting them, their positions, and rotating them back by a pose.

What is unusual: every pose sees its own version of a patch, h⁻¹·patch, because the pixels rotate with the page. For C4
and D4 this is a permutation of pixels. Finer rotations interpolate within a disc and are approximate.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_spatial_shapes
from .groups import PointGroup, cpu_table

SHAPE_SCALE = 1024  # divisor of the stored rows and columns, so that they are as small as pixel values


def cut_patches(images: Tensor, patch_size: int) -> tuple[Tensor, Tensor]:
    """Cut a batch of images of one size into patches in raster order, top-left first.

    Args:
        images: (batch, channel, height, width), both sides multiples of `patch_size`.
        patch_size: side p in pixels.

    Returns: (batch, position, channel · p · p) and spatial shapes (batch, 2) = (rows, columns).

    Raises:
        ValueError: if a side is not a multiple of `patch_size`.
    """
    height, width = images.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f"`pixel_values` must have sides that are multiples of `patch_size` = {patch_size}, got {height}×{width}. "
            f"Pad the image, or let the processor do it."
        )
    patches = F.unfold(images, patch_size, stride=patch_size).transpose(1, 2)
    # not from a list of numbers, which an exported graph would keep
    sides = [images.new_full((images.shape[0],), side // patch_size, dtype=torch.long) for side in (height, width)]
    return patches, torch.stack(sides, dim=-1)


def as_patches(
    pixel_values: Tensor, mask: Tensor | None, shapes: Tensor | None, num_channels: int, patch_size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return images, or sets of patches, as a set of patches with mask and shapes.

    Args:
        pixel_values: (batch, channel, height, width), or (batch, patch, channel · p · p).
        mask: (batch, patch), 0 or False at padding; None: derived from the shapes.
        shapes: (batch, 2) long, rows and columns; None: the image's own, or as stored by `append_shape`.
        num_channels: channels of an image.
        patch_size: side p in pixels.

    Returns: patches, without the patch that stores the shape of the longest line; the mask (batch, patch) bool; the
        shapes.

    Raises:
        ValueError: if `pixel_values` has another shape, or is a set of patches whose shapes are unknown or contradict
            it.
    """
    is_image, stores_shapes = pixel_values.dim() == 4 and pixel_values.shape[1] == num_channels, shapes is None
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
    shapes = stored_shapes(pixel_values) if shapes is None else shapes
    mask = None if mask is None else mask.bool()
    check_spatial_shapes(shapes, mask, *pixel_values.shape[:2])
    counts = shapes.prod(-1, keepdim=True)
    mask = torch.arange(pixel_values.shape[1], device=counts.device)[None] < counts if mask is None else mask
    if not torch.compiler.is_compiling():
        longest = int(counts.amax())
        if not mask[:, longest:].any() and (stores_shapes or mask.shape[1] == longest + 1):
            pixel_values, mask = pixel_values[:, :longest], mask[:, :longest]
    return pixel_values, mask, shapes


def append_shape(patches: Tensor, shape: Tensor) -> Tensor:
    """Append one more patch to an image's patches, which stores their rows and columns: (rows, columns, 0, …) / 1024.

    With it, `pixel_values` alone is enough to call the model. The padding mask marks this patch as padding.

    Args:
        patches: (patch, channel · p · p).
        shape: (2,) long, rows and columns.
    """
    return torch.cat((patches, F.pad(shape.to(patches) / SHAPE_SCALE, (0, patches.shape[1] - 2))[None]))


def stored_shapes(patches: Tensor) -> Tensor:
    """Return the shapes that `append_shape` stored in the last nonzero patch of each image: (batch, 2) long.

    Raises:
        ValueError: if no shape is stored there.
    """
    index = torch.arange(patches.shape[1], device=patches.device)
    last = torch.where(patches.ne(0).any(-1), index, 0).amax(1)
    stored = patches.gather(1, last[:, None, None].expand(-1, 1, patches.shape[2]))[:, 0]
    rows = (stored[:, 0].float() * SHAPE_SCALE).round().long()
    columns = torch.div(last, rows.clamp_min(1), rounding_mode="floor")  # exact; half precision rounds the stored one
    close = (stored[:, 1].float() * SHAPE_SCALE - columns).abs() <= 0.5 + columns / 128
    is_stored = (rows > 0) & (rows * columns == last) & close & (stored[:, 2:] == 0).all(-1)
    if not torch.compiler.is_compiling() and not bool(is_stored.all()):
        raise ValueError(
            "`spatial_shapes` must give the rows and columns of a set of patches, got None, and they are not stored in "
            "a patch either. Pass on everything that the processor returns: `model.generate(**processor(images))`."
        )
    return torch.stack((rows, columns), dim=-1)


def patch_positions(spatial_shapes: Tensor, length: int) -> Tensor:
    """Return the positions of patches in raster order: x right, y up, in patches, origin at each image's centre.

    Args:
        spatial_shapes: (batch, 2) long, rows and columns of each image.
        length: number of patches; those past rows · columns are padding, and their positions have no meaning.

    Returns: (batch, length, 2) float32.
    """
    rows, columns = spatial_shapes[:, :1], spatial_shapes[:, 1:]
    index = torch.arange(length, device=spatial_shapes.device)[None]
    x = index % columns - (columns - 1) / 2
    y = (rows - 1) / 2 - torch.div(index, columns, rounding_mode="floor")
    return torch.stack((x, y), dim=-1).float()


def raster_order(positions: Tensor, mask: Tensor) -> Tensor:
    """Return the indices that sort positions row by row, top-left first, padding last: (batch, position) long."""
    row = (positions[..., 1].masked_fill(~mask, -torch.inf).amax(1, keepdim=True) - positions[..., 1]).round()
    column = positions[..., 0] - positions[..., 0].masked_fill(~mask, torch.inf).amin(1, keepdim=True)
    key = row * positions.shape[1] + column.round()
    return key.masked_fill(~mask, torch.inf).argsort(dim=1, stable=True)


def see_from_poses(patches: Tensor, group: PointGroup, patch_size: int) -> Tensor:
    """Return every patch as seen from each pose: (h⁻¹·patch)(x) = patch(h x).

    Args:
        patches: (batch, position, channel · p · p).
        group: H; if it is not exact, pixels are interpolated, and those outside the inscribed disc become 0.
        patch_size: side p in pixels.

    Returns: (batch, pose, position, channel · p · p).
    """
    pixels = patches.unflatten(-1, (-1, patch_size * patch_size))
    if group.is_exact:
        index = _pixel_permutation(group, patch_size).to(patches.device)
        pixels = pixels[:, None].expand(-1, group.order, -1, -1, -1)
        seen = pixels.gather(-1, index[None, :, None, None].expand_as(pixels))
    else:
        seen = torch.einsum("bncx,pyx->bpncy", pixels, _pixel_interpolation(group, patch_size).to(patches))
    return seen.flatten(-2)


def see_from_pose(patches: Tensor, pose: Tensor, group: PointGroup, patch_size: int) -> Tensor:
    """Return the patches of each image as seen from one pose, which may differ between images.

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
    """Return every patch with the pixels around it, taken from its neighbours; outside the image they are 0.

    Args:
        patches: (batch, position, channel · p · p), each image in raster order, padding last.
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
    # take the last rows of the patch above, the first rows of the patch below, and all of the patch itself
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
    """Return weights (pose, output pixel, input pixel) of a bilinear rotation of each patch about its centre."""
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
