"""Relative and centred encodings, with a set of frequencies that is closed under the group.

What is unusual: the frequencies Ω are whole orbits of H. So applying h⁻¹ to a displacement permutes Ω, and the addition
theorem splits the position term of an attention score into a factor of the query times a factor of the key. Where
−1 ∈ H, ω and −ω have the same cosine and opposite sines, so half an orbit is enough.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .groups import PointGroup, cpu_table

SHORTEST, LONGEST = 3.0, 96.0  # wavelengths in patches: a letter and its neighbour; most of a line


@dataclass(frozen=True)
class Orbit:
    """How H permutes the frequencies of one orbit {r·ω₀ : r ∈ representatives}.

    h · (r_s ω₀) = sign[h, t] · (r_t ω₀)  where  s = source[h, t]

    Attributes:
        representatives: (frequency,) long, elements of H; one of each pair ±r where −1 ∈ H.
        source: (order, frequency) long.
        sign: (order, frequency) of ±1.
    """

    representatives: Tensor
    source: Tensor
    sign: Tensor


@cpu_table
def orbit(group: PointGroup) -> Orbit:
    """Return the permutation table of a group's orbits."""
    minus_one = group.element(180.0) if group.num_rotations % 2 == 0 else None
    slot: dict[int, tuple[int, int]] = {}
    representatives: list[int] = []
    for element in range(group.order):
        if element in slot:
            continue
        slot[element] = (len(representatives), 1)
        if minus_one is not None:
            slot[int(group.product[minus_one, element])] = (len(representatives), -1)
        representatives.append(element)
    source = torch.empty(group.order, len(representatives), dtype=torch.long)
    sign = torch.empty(group.order, len(representatives))
    for h in range(group.order):
        for s, r in enumerate(representatives):
            t, direction = slot[int(group.product[h, r])]
            source[h, t], sign[h, t] = s, direction
    return Orbit(torch.tensor(representatives), source, sign)


def initial_frequencies(group: PointGroup, num_frequencies: int) -> Tensor:
    """Return one frequency per orbit, (orbit, 2) in radians per patch, with geometric wavelengths.

    They lie along the x axis, and for C1, C2 and groups of two rotations with mirrors along the y axis in turn;
    otherwise C1 and C2 could not see one of the two directions. For a group with mirrors all are tilted away from the
    mirror axes; otherwise two elements would act on them in the same way.
    """
    sectors = 2 if (group.num_rotations, group.has_mirrors) in ((1, False), (2, False), (2, True)) else 1
    steps = math.ceil(num_frequencies / sectors)
    ratio = (LONGEST / SHORTEST) ** (1 / max(1, steps - 1))
    tilt = _tilt(group) if group.has_mirrors else 0.0
    rows = []
    for index in range(num_frequencies):
        radius = 2 * math.pi / (SHORTEST * ratio ** (index // sectors))
        angle = tilt + (index % sectors) * math.pi / 2
        rows.append((radius * math.cos(angle), radius * math.sin(angle)))
    return torch.tensor(rows).view(-1, 2)


def _tilt(group: PointGroup) -> float:
    """Return the smallest angle that is a quarter of the way from one mirror axis to the next, in radians."""
    n = group.num_rotations
    axis = n * (180 + group.angles[n]) / 360  # of the first mirror, in steps of π/n from one axis to the next
    return min((axis - 0.25) % 1, (axis + 0.25) % 1) * math.pi / n


class RelativeEncoding(nn.Module):
    """The relative encoding. Attention uses its bases; it is never evaluated for single pairs of positions.

    ρᴾ(Δ, u) = Σ_ω∈Ω ( E^cos_ω cos ω·Δ + E^sin_ω sin ω·Δ ) + U_u

    Args:
        group: H, under which Ω is closed.
        hidden_size: features of ρᴾ.
        num_frequencies: number of orbits of H in Ω.
        relative_pose: whether there is a term U; lifting has no relative pose.

    Source: Schreiber 2023, §4–6; the Fourier form is ours. Every ρᴾ(Δ) on a bounded page is a limit of such sums.
    """

    frequencies: Tensor
    cosine: Tensor
    sine: Tensor

    def __init__(self, group: PointGroup, hidden_size: int, num_frequencies: int, relative_pose: bool) -> None:
        super().__init__()
        self.group = group
        size = num_frequencies * len(orbit(group).representatives)
        self._learn("frequencies", initial_frequencies(group, num_frequencies))
        self._learn("cosine", torch.empty(size, hidden_size))
        self._learn("sine", torch.empty(size, hidden_size))
        self.pose = nn.Parameter(torch.empty(group.order, hidden_size)) if relative_pose else None
        self.reset_parameters()

    def _learn(self, name: str, values: Tensor) -> None:
        """Register a parameter; an empty one as a buffer, because parallel training would wait for its gradient."""
        if values.numel():
            self.register_parameter(name, nn.Parameter(values))
        else:
            self.register_buffer(name, values)

    def reset_parameters(self) -> None:
        """Initialise the bases small relative to normalised features, so that content dominates at first."""
        for basis in (self.cosine, self.sine, self.pose):
            if basis is not None:
                nn.init.normal_(basis, std=0.2)

    def forward(self, displacement: Tensor, element: Tensor | None = None) -> Tensor:
        """Evaluate ρᴾ(Δ, u). Attention does not call this; it uses `waves` and the bases.

        Args:
            displacement: (…, 2) in patches, x right, y up.
            element: (…) long, u = h₁⁻¹h₂; None in lifting.

        Returns: (…, hidden).
        """
        cosine, sine = self.waves(displacement)
        encoding = cosine @ self.cosine + sine @ self.sine
        return encoding if element is None or self.pose is None else encoding + self.pose[element]

    def waves(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos ω·x and sin ω·x, each (…, frequency), for positions (…, 2)."""
        dtype = torch.promote_types(self.frequencies.dtype, torch.float32)
        positions, frequencies = positions.to(dtype), self.orbit_frequencies().to(dtype)
        # elementwise products: autocast would run a matrix product in half precision, too coarse for a phase
        phase = positions[..., :1] * frequencies[:, 0] + positions[..., 1:] * frequencies[:, 1]
        return phase.cos().to(self.cosine.dtype), phase.sin().to(self.cosine.dtype)

    def orbit_frequencies(self) -> Tensor:
        """Return Ω as (frequency, 2): every representative applied to the frequency of every orbit."""
        matrices = self.group.matrices[orbit(self.group).representatives].to(self.frequencies)
        return (matrices * self.frequencies[:, None, None, :]).sum(-1).flatten(0, 1)

    def rotated(self, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
        """Permute the bases by every pose: in ⟨q, ρ(h⁻¹Δ)⟩ the frequency hω takes the basis of ω.

        Args:
            cosine: (frequency, …).
            sine: (frequency, …).

        Returns: two tensors (pose, frequency, …).
        """
        table = orbit(self.group)
        source, sign = table.source.to(cosine.device), table.sign.to(cosine)
        shape = (self.frequencies.shape[0], source.shape[1], *cosine.shape[1:])
        moved = [basis.view(shape)[:, source].transpose(0, 1) for basis in (cosine, sine)]
        sign = sign.view(sign.shape[0], 1, sign.shape[1], *[1] * (cosine.dim() - 1))
        return moved[0].flatten(1, 2), (moved[1] * sign).flatten(1, 2)


class CentredEncoding(nn.Module):
    """An absolute position that rotates with the page: the position x(i) as seen from pose h.

    e(h⁻¹(x(i) − centre)),  e(Δ) = W [cos ω·Δ, sin ω·Δ]

    It is equivariant under H about the centre, but not under translations.

    Args:
        group: H.
        hidden_size: features.
        num_frequencies: orbits of H in Ω.
    """

    def __init__(self, group: PointGroup, hidden_size: int, num_frequencies: int) -> None:
        super().__init__()
        self.group = group
        self.encoding = RelativeEncoding(group, hidden_size, num_frequencies, relative_pose=False)

    def forward(self, positions: Tensor) -> Tensor:
        """Encode centred positions (…, position, 2), in patches, as (…, pose, position, hidden)."""
        return self.encoding(seen_from_poses(positions, self.group))


class TableEncoding(nn.Module):
    """An absolute position from the square position table of a pretrained ViT, looked up once per pose.

    e(i, h) = P[h⁻¹(x(i) − centre)], with cubic interpolation where the image has another size than the table

    Args:
        group: H, exact.
        hidden_size: features.
        side: patches along the table's side.

    Source: ours; Schreiber 2023 has relative positions only. Interpolation as in transformers' ViT
        (`interpolate_pos_encoding`).
    """

    def __init__(self, group: PointGroup, hidden_size: int, side: int) -> None:
        super().__init__()
        self.group = group
        self.side = side
        self.weight = nn.Parameter(torch.empty(side * side, hidden_size))

    def forward(self, positions: Tensor, spatial_shapes: Tensor) -> Tensor:
        """Encode positions as seen from every pose.

        Args:
            positions: (batch, position, 2), in patches, x right, y up, origin at the image's centre.
            spatial_shapes: (batch, 2) long, rows and columns of patches.

        Returns: (batch, pose, position, hidden).
        """
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        extent = spatial_shapes.flip(-1).to(dtype)  # width, height
        seen_extent = seen_from_poses(extent[:, None], self.group).abs()  # (batch, pose, 1, 2)
        place = 2 * seen_from_poses(positions.to(dtype), self.group) / seen_extent * extent.new_tensor((1.0, -1.0))
        table = self.weight.to(dtype).T.unflatten(-1, (self.side, self.side))[None]
        found = F.grid_sample(
            table, place.flatten(0, 1)[None], mode="bicubic", padding_mode="border", align_corners=False
        )
        return found[0].permute(1, 2, 0).unflatten(0, place.shape[:2]).to(self.weight.dtype)


def seen_from_poses(positions: Tensor, group: PointGroup) -> Tensor:
    """Return h⁻¹x for every pose h: (…, position, 2) -> (…, pose, position, 2)."""
    matrices = group.matrices.to(positions)  # h⁻¹ = hᵀ; elementwise, because autocast would round a matrix product
    return (positions[..., None, :, :, None] * matrices[:, None]).sum(-2)


def grid_positions(rows: int, columns: int, device: torch.device | None = None) -> Tensor:
    """Return the centres of a grid of patches, (rows · columns, 2): x right, y up, origin at the image's centre."""
    y = (rows - 1) / 2 - torch.arange(rows, device=device, dtype=torch.float32)
    x = torch.arange(columns, device=device, dtype=torch.float32) - (columns - 1) / 2
    return torch.stack((x.repeat(rows), y.repeat_interleave(columns)), dim=-1)
