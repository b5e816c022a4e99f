"""The equivariance error of a function under a group: as a number, as an assertion, and as a table for a reader.

    error(h) = max |f(L_h x) − L_h f(x)| / max |f(x)|

How an element acts on x and on f(x) is given by an action, a function (group, element, x) -> L_h x; this module has the
usual ones. The table measures a whole reader in float64 and float32. If the symmetry holds, the errors are rounding
errors, about 1e-15 in float64. An error that is as large in float64 as in float32 means a broken symmetry.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from peft import PeftModel
from torch import Tensor, nn

from .model.attention import GroupSelfAttention, LiftingSelfAttention
from .model.encoding import grid_positions
from .model.groups import PointGroup
from .model.modeling_trocr_gsa import TrOCRGSAModel

Action = Callable[[PointGroup, int, Any], Any]

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3}
ROWS, COLUMNS = 3, 5  # patches of the random image: not square, so that a quarter turn changes its shape


def leave(group: PointGroup, element: int, x: Any) -> Any:
    """Return x unchanged: the action for invariance, for example of a text."""
    return x


def turn_image(group: PointGroup, element: int, image: Tensor) -> Tensor:
    """Transform images (…, height, width): (L_h image)(x) = image(h⁻¹x).

    Raises:
        ValueError: if the element is not a quarter turn or mirror, because it would interpolate.
    """
    if group.angles[element] % 90:
        raise ValueError(
            f"`elements`: element {element} of {group.name} ({describe(group, element)}) would interpolate pixels. "
            "On images, test quarter turns and their mirrors, or give another action."
        )
    every = PointGroup.from_name("D4")
    mirrored = every.num_rotations if element >= group.num_rotations else 0
    return every.transform_image(image, every.element(group.angles[element]) + mirrored)


def turn_poses(group: PointGroup, element: int, field: Tensor) -> Tensor:
    """Permute the poses of (batch, pose, …): (L_h₃ f)(·, h) = f(·, h₃⁻¹h)."""
    return field[:, group.product[group.inverse[element]].to(field.device)]


def turn_placed_field(group: PointGroup, element: int, placed: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Transform a field (batch, pose, position, hidden) and its positions (position, 2): L_h f at h·x."""
    field, positions = placed
    return turn_poses(group, element, field), positions @ group.matrices[element].to(positions).T


def turn_raster(group: PointGroup, element: int, field: Tensor) -> Tensor:
    """Transform a field on patches, (batch, pose, hidden, row, column): (L_g f)(i, h) = f(g⁻¹x(i), h₃⁻¹h)."""
    return turn_image(group, element, turn_poses(group, element, field))


def element_errors(
    f: Callable[[Any], Tensor],
    group: PointGroup,
    x: Any,
    act_in: Action = turn_image,
    act_out: Action = leave,
    elements: Iterable[int] | None = None,
) -> dict[int, float]:
    """Return the error of each element; for the arguments see `equivariance_error`."""
    y = _floating(f(x))
    size = y.abs().max().clamp_min(torch.finfo(y.dtype).tiny)
    elements = range(group.order) if elements is None else elements
    return {h: ((_floating(f(act_in(group, h, x))) - act_out(group, h, y)).abs().max() / size).item() for h in elements}


def _tested(group: PointGroup, elements: Iterable[int] | None) -> list[int]:
    """Return the elements to test, of which there must be one: otherwise every function would pass."""
    tested = list(range(group.order) if elements is None else elements)
    if not tested or not set(tested) <= set(range(group.order)):
        raise ValueError(
            f"`elements` must hold at least one element of {group.name}, in 0 … {group.order - 1}, got {tested}."
        )
    return tested


def _floating(y: Tensor) -> Tensor:
    """Return integers and bools as float64, of which differences can be taken."""
    return y if y.is_floating_point() or y.is_complex() else y.double()


def equivariance_error(
    f: Callable[[Any], Tensor],
    group: PointGroup,
    x: Any,
    act_in: Action = turn_image,
    act_out: Action = leave,
    elements: Iterable[int] | None = None,
) -> float:
    """Measure the equivariance error of a function under a group.

    error = max_h max |f(L_h x) − L_h f(x)| / max |f(x)|

    Args:
        f: deterministic function of x; in float64 the error of an equivariant f is below 1e-12.
        group: H.
        x: input of f; by default images (…, height, width).
        act_in: action on x.
        act_out: action on f(x); by default the identity, which tests that f is invariant.
        elements: elements to test; None: all.

    Returns: the largest error, relative to the largest output; NaN if f returns NaN.

    Raises:
        ValueError: if `elements` is empty or has others than the group, or `act_in` or `act_out` cannot transform its
            argument: `turn_image` only does quarter turns and their mirrors.

    Example:
        >>> group, image = PointGroup.from_name("C4"), torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        >>> equivariance_error(lambda x: x.sum(), group, image)
        0.0
        >>> equivariance_error(lambda x: x.mean(-1), group, image)
        0.8...
    """
    errors = element_errors(f, group, x, act_in, act_out, _tested(group, elements))
    return torch.tensor(list(errors.values()), dtype=torch.float64).max().item()


def assert_equivariant(
    f: Callable[[Any], Tensor],
    group: PointGroup,
    x: Any,
    tolerance: float = 1e-11,
    act_in: Action = turn_image,
    act_out: Action = leave,
    elements: Iterable[int] | None = None,
    layer: str | None = None,
) -> None:
    """Raise an error unless a function is equivariant under a group; `equivariance_error` returns the number.

    max |f(L_h x) − L_h f(x)| / max |f(x)| ≤ tolerance for every element h

    Args:
        f: deterministic function of x, such as a layer.
        group: H.
        x: input of f; by default images (…, height, width).
        tolerance: largest allowed error, relative to the largest output; the default is for float64.
        act_in: action on x.
        act_out: action on f(x); by default the identity, which tests that f is invariant.
        elements: elements to test; None: all.
        layer: name of f in the message; None: its own name, or its class.

    Raises:
        AssertionError: naming the layer, the worst element and its error; a NaN counts as an error.
        ValueError: as in `equivariance_error`.

    Example:
        >>> group, image = PointGroup.from_name("C4"), torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        >>> assert_equivariant(lambda x: x.sum(), group, image)
        >>> assert_equivariant(lambda x: x.mean(-1), group, image, layer="row means")
        Traceback (most recent call last):
        AssertionError: row means is not equivariant under C4: 3 of 4 elements ... element 2 (turn by 180°) with 0.8.
    """
    errors = element_errors(f, group, x, act_in, act_out, _tested(group, elements))
    broken = {h: error for h, error in errors.items() if not error <= tolerance}  # NaN is broken too
    if broken:
        worst = max(broken, key=lambda h: float("inf") if broken[h] != broken[h] else broken[h])
        raise AssertionError(
            f"{layer or _name(f)} is not equivariant under {group.name}: {len(broken)} of {len(errors)} elements are "
            f"off by more than {tolerance:g}, the worst being element {worst} ({describe(group, worst)}) with "
            f"{broken[worst]:.3g}."
        )


def _name(f: Callable[[Any], Tensor]) -> str:
    name = type(f).__name__ if isinstance(f, nn.Module) else getattr(f, "__name__", type(f).__name__)
    return "the function" if name == "<lambda>" else name


def describe(group: PointGroup, element: int) -> str:
    """Describe an element in words."""
    angle = group.angles[element]
    turn = f"turn by {angle:g}°" if angle else ""
    mirror = "mirror" if element >= group.num_rotations else ""
    return ", then ".join(part for part in (mirror, turn) if part) or "leave"


@dataclass(frozen=True)
class Check:
    """One row of the table: a claim for one element of the group.

    Attributes:
        claim: the claimed symmetry.
        element: the element, in words.
        error_float64: error in double precision.
        error_float32: error in single precision.
    """

    claim: str
    element: str
    error_float64: float
    error_float32: float

    @property
    def holds(self) -> bool:
        """Whether both errors are rounding errors."""
        return self.error_float64 <= TOLERANCES[torch.float64] and self.error_float32 <= TOLERANCES[torch.float32]

    @property
    def verdict(self) -> str:
        """The result in words."""
        return "exact, up to rounding" if self.holds else "broken: turning changes more than rounding does"


@torch.no_grad()
def report(model: TrOCRGSAModel | PeftModel) -> list[Check]:
    """Measure every symmetry that a reader claims, with active adapters, for every element except the identity.

    Claims: the output of each attention layer rotates with its input; the encoder's pose probabilities and its tokens
    rotate with the image (after the choice of a pose, the tokens do not change); the text does not change. Elements
    that would interpolate pixels are tested on the attention layers only, because on images they are approximate.

    Args:
        model: a reader, or one with LoRA adapters. It is copied, not changed.
    """
    reader = cast(TrOCRGSAModel, model.get_base_model() if isinstance(model, PeftModel) else model)
    group = reader.encoder.group
    measured: dict[torch.dtype, dict[str, dict[int, float]]] = {}
    for dtype in TOLERANCES:
        twin = copy.deepcopy(reader).eval()
        nn.Module.to(twin, dtype)
        measured[dtype] = {**_layer_errors(twin, dtype), **_image_errors(twin, dtype)}
    return [
        Check(claim, describe(group, h), error, measured[torch.float32][claim][h])
        for claim, errors in measured[torch.float64].items()
        for h, error in errors.items()
    ]


def _random(reader: TrOCRGSAModel, dtype: torch.dtype, *shape: int) -> Tensor:
    """Return random numbers that are the same for every dtype, up to rounding."""
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return numbers.to(reader.device, dtype)


def _layer_errors(reader: TrOCRGSAModel, dtype: torch.dtype) -> dict[str, dict[int, float]]:
    positions = grid_positions(ROWS, COLUMNS, reader.device).to(dtype)
    errors = {}
    for name, layer in reader.encoder.named_modules():
        if isinstance(layer, LiftingSelfAttention | GroupSelfAttention) and layer.group.order > 1:
            field = _random(reader, dtype, 1, layer.group.order, len(positions), layer.q_proj.in_features)
            errors[f"encoder.{name}: turning the field turns the output"] = element_errors(
                lambda placed, layer=layer: layer(*placed),
                layer.group,
                (field, positions),
                turn_placed_field,
                turn_poses,
                range(1, layer.group.order),
            )
    return errors


def _image_errors(reader: TrOCRGSAModel, dtype: torch.dtype) -> dict[str, dict[int, float]]:
    encoder, config, group = reader.encoder, reader.encoder.config, reader.encoder.group
    image = _random(reader, dtype, 1, config.num_channels, ROWS * config.patch_size, COLUMNS * config.patch_size)
    letters = torch.arange(6, device=reader.device)[None]
    on_pixels = [h for h in range(1, group.order) if group.angles[h] % 90 == 0]

    def tokens(image: Tensor) -> Tensor:
        rows, columns = (side // config.patch_size for side in image.shape[-2:])
        field = encoder(image).last_hidden_state.unflatten(1, (-1, rows, columns))
        return field.movedim(-1, 2)

    claims = {
        "encoder: turning the image turns the pose probabilities": (
            lambda image: encoder(image).pose_logits.exp(),
            turn_poses,
        ),
        "reader: turning the image leaves the text": (
            lambda image: reader(image, decoder_input_ids=letters).logits,
            leave,
        ),
    }
    if config.pose_layers == config.num_hidden_layers:
        claims["encoder: turning the image turns the tokens"] = (tokens, turn_raster)
    elif group.is_exact:
        claims["encoder: turning the image leaves the tokens of the chosen pose"] = (
            lambda image: encoder(image).last_hidden_state,
            leave,
        )
    return {
        claim: element_errors(f, group, image, turn_image, act_out, on_pixels) for claim, (f, act_out) in claims.items()
    }
