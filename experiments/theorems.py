"""Test the theorems: LoRA keeps all symmetries, and of the published pose encodings only the corrected one does.

    python -m experiments theorems

The errors are measured in the packaged reader with a packaged adapter, both trained, on the image of a line. The output
of each layer for the turned image is compared with the turned output for the image. Nobody trains readers of text with
the mirrors of D4, so the reader for D4 has the same weights and adapter, with the encodings repeated for the mirrors.
Then the sums of the attention layer are evaluated directly, with each of the published encodings. Cost: two minutes on
one core.
"""

import argparse
import copy
from typing import Any, cast

import numpy as np
import torch
from matplotlib.figure import Figure
from peft import PeftModel
from PIL import Image
from torch import Tensor, nn

from benchmarks.marked_tables import ROOT, markdown
from experiments.published_encodings import ENCODINGS, written_out
from experiments.record import publish
from trocr_gsa.checkpoints.models import PACKAGED_ADAPTERS, load_model
from trocr_gsa.equivariance import (
    describe,
    element_errors,
    leave,
    turn_image,
    turn_placed_field,
    turn_poses,
    turn_raster,
)
from trocr_gsa.model.attention import POSE_SUMS, ExtendedSelfAttention, GroupSelfAttention
from trocr_gsa.model.encoding import grid_positions
from trocr_gsa.model.groups import PointGroup
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel

PICTURE = ROOT / "docs" / "line.png"
COLUMNS = 24  # width in patches of the part of the image that is used
SMALL = (2, 4)  # rows and columns of patches for the sums evaluated directly
MOVED = torch.tensor((3.7, -1.2))  # translation in patches; not whole ones, as relative encodings need no grid
ROUNDING = {torch.float64: 1e-11, torch.float32: 1e-5}
LETTERS = torch.arange(6)[None]
GROUPS = ("C4", "D4")
COLUMNS_SHOWN = (("without", "float64"), ("with", "float64"), ("with", "float32"))
POSE, DECODER = "pose head, p(pose)", "decoder, log p(letter)"
MOVING = "attention layers, page moved"
Errors = dict[str, dict[int, float]]  # by layer or sum over poses, then by element


def trained_reader(group: str) -> TrOCRGSAModel:
    """Return the packaged reader, or its weights in a reader of another group that contains C4."""
    trained, _ = load_model(None)
    if group == trained.encoder.config.group:
        return trained
    config: Any = copy.deepcopy(trained.config)
    config.encoder.group = group
    reader = TrOCRGSAModel(config)
    own = reader.state_dict()
    for name, weight in trained.state_dict().items():
        if own[name].shape == weight.shape:
            own[name] = weight
        elif not name.endswith("frequencies"):  # each group has its own frequencies, one per orbit
            own[name] = torch.cat([weight] * (len(own[name]) // len(weight)))
    reader.load_state_dict(own)
    return reader


def with_adapter(reader: TrOCRGSAModel, adapter: str) -> TrOCRGSAModel:
    """Return a reader with a packaged adapter, not merged."""
    return cast(TrOCRGSAModel, PeftModel.from_pretrained(reader, str(PACKAGED_ADAPTERS / adapter)).get_base_model())


def picture(patch_size: int, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    """Return a part of a line image, (1, 1, height, width), with mean 0 and standard deviation 1."""
    grey = Image.open(PICTURE).convert("L")
    height = rows * patch_size
    grey = grey.resize((round(grey.width * height / grey.height), height), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(grey)).to(dtype)[None, None, :, : columns * patch_size]
    return (pixels - pixels.mean()) / pixels.std()


def outputs(reader: TrOCRGSAModel, image: Tensor) -> dict[str, Tensor]:
    """Return the output of every layer for an image; features as rasters, (batch, pose, hidden, row, column)."""
    encoder, seen, hooks = reader.encoder, dict[str, Any](), []
    layers: dict[str, nn.Module] = {"embeddings": encoder.embeddings, "lifting": encoder.lifting}
    layers |= {f"pose_layers.{k}": layer for k, layer in enumerate(encoder.pose_layers)}
    layers |= {POSE: encoder.pose_head}
    if encoder.chosen_embeddings is not None:
        layers["chosen_embeddings"] = encoder.chosen_embeddings
    layers |= {f"layers.{k}": layer for k, layer in enumerate(encoder.layers)}
    layers |= {"CTC head": cast(nn.Module, reader.ctc_head), DECODER: reader.decoder}
    for name, layer in layers.items():
        hooks.append(layer.register_forward_hook(lambda _, __, out, name=name: seen.__setitem__(name, out)))
    pose_logits = reader(image, labels=LETTERS).pose_logits
    for hook in hooks:
        hook.remove()
    raster = [side // encoder.config.patch_size for side in image.shape[-2:]]
    for name in ("embeddings", "lifting", *(f"pose_layers.{k}" for k in range(len(encoder.pose_layers)))):
        seen[name] = seen[name].unflatten(2, raster).movedim(-1, 2)
    seen |= {POSE: pose_logits.exp(), DECODER: seen[DECODER].logits.log_softmax(-1), "CTC head": seen["CTC head"][0]}
    return seen


def layer_errors(reader: TrOCRGSAModel, dtype: torch.dtype) -> Errors:
    """Return the error of each layer for every group element except the identity."""
    group, turned = reader.encoder.group, range(1, reader.encoder.group.order)
    image = picture(reader.encoder.config.patch_size, 3, COLUMNS, dtype)
    kept: dict[tuple[float, ...], dict[str, Tensor]] = {}

    def layer(name: str):
        def output(image: Tensor) -> Tensor:
            key = (*image.shape, *image.flatten()[:50].tolist())  # one forward pass for all layers
            kept[key] = kept.get(key) or outputs(reader, image)
            return kept[key][name]

        return output

    found: Errors = {}
    for name, y in outputs(reader, image).items():
        action = turn_raster if y.dim() == 5 else turn_poses if name == POSE else leave
        found[name] = element_errors(layer(name), group, image, turn_image, action, turned)
    return found


def translation_errors(reader: TrOCRGSAModel, dtype: torch.dtype) -> float:
    """Return the largest error of the attention layers when all positions are translated."""
    positions, worst = grid_positions(3, 5).to(dtype), 0.0
    noise = torch.Generator().manual_seed(0)
    for layer in reader.encoder.modules():
        if isinstance(layer, ExtendedSelfAttention):
            shape = (1, layer.group.order, len(positions), layer.q_proj.in_features)
            field = torch.randn(shape, generator=noise, dtype=torch.float64).to(dtype)
            here, there = layer(field, positions), layer(field, positions + MOVED.to(dtype))
            worst = max(worst, ((here - there).abs().max() / here.abs().max()).item())
    return worst


def encoding_errors(reader: TrOCRGSAModel) -> dict[str, Errors]:
    """Return the errors of a group layer with each published encoding, for each sum over poses, in float64."""
    attn = cast(GroupSelfAttention, reader.encoder.pose_layers[0].attention)
    group, positions = attn.group, grid_positions(*SMALL).to(torch.float64)
    held: list[Tensor] = []
    hook = attn.register_forward_pre_hook(lambda _, given: held.append(given[0]))
    reader.encoder(picture(reader.encoder.config.patch_size, *SMALL, torch.float64))
    hook.remove()
    return {
        name: {
            pose_sum: element_errors(
                lambda placed, pose_sum=pose_sum, index=index: written_out(
                    attn, placed[0], placed[1], index(group), pose_sum
                ),
                group,
                (held[0], positions),
                turn_placed_field,
                turn_poses,
                range(1, group.order),
            )
            for pose_sum in POSE_SUMS
        }
        for name, index in ENCODINGS.items()
    }


@torch.no_grad()
def measure(adapter: str) -> dict[str, Any]:
    """Return all errors by group."""
    measured: dict[str, Any] = {}
    for name in GROUPS:
        group, runs = PointGroup.from_name(name), {}
        reader = trained_reader(name).eval()
        runs["without"] = precisions(reader)
        reader = with_adapter(reader, adapter).eval()
        runs["with"] = precisions(reader)
        nn.Module.to(reader, torch.float64)
        measured[name] = {
            "elements": {h: describe(group, h) for h in range(1, group.order)},
            "adapter": runs,
            "encodings": encoding_errors(reader),
        }
        print(name, "measured", flush=True)
    return measured


def precisions(reader: TrOCRGSAModel) -> dict[str, dict[str, Any]]:
    """Return the errors of a reader in each precision."""
    found = {}
    for dtype in ROUNDING:
        twin = copy.deepcopy(reader)
        nn.Module.to(twin, dtype)
        found[str(dtype).removeprefix("torch.")] = {
            "layers": layer_errors(twin, dtype),
            MOVING: translation_errors(twin, dtype),
        }
    return found


def worst(run: dict[str, Any]) -> dict[str, float]:
    """Return the largest error of each layer, and that of translation."""
    turned = {name: max(errors.values()) for name, errors in run["layers"].items()}
    return turned | {MOVING: run[MOVING]}


def worst_encodings(measured: dict[str, Any], group: str) -> dict[str, dict[str, float]]:
    """Return the largest error of each encoding for each sum over poses."""
    return {
        name: {pose_sum: max(errors.values()) for pose_sum, errors in sums.items()}
        for name, sums in measured[group]["encodings"].items()
    }


def verdict(measured: dict[str, Any]) -> str:
    """Return the verdict on both theorems."""
    largest = {
        (dtype, loaded): max(max(worst(measured[group]["adapter"][loaded][dtype]).values()) for group in GROUPS)
        for dtype in ("float64", "float32")
        for loaded in ("without", "with")
    }
    holds = all(error < ROUNDING[getattr(torch, dtype)] for (dtype, _), error in largest.items())
    text = [
        f"**{'Supported' if holds else 'Refuted'}: the adapter disturbs no symmetry.** Over every layer and every "
        f"element of {' and '.join(GROUPS)} the largest error is {largest['float64', 'with']:.0e} in float64 and "
        f"{largest['float32', 'with']:.0e} in float32 with the adapter, {largest['float64', 'without']:.0e} and "
        f"{largest['float32', 'without']:.0e} without."
    ]
    for name in ENCODINGS:
        errors = {group: max(worst_encodings(measured, group)[name].values()) for group in GROUPS}
        exact = [group for group, error in errors.items() if error < ROUNDING[torch.float64]]
        symmetry = f"equivariant for {' and '.join(exact)}" if exact else "not equivariant"
        off = ", ".join(f"off by up to {errors[group]:.0e} for {group}" for group in GROUPS if group not in exact)
        text.append(f"- {name}: {symmetry}{', ' + off if off else ''}.")
    return text[0] + "\n\nThe relative pose u in ρᴾ(Δ, u), all else equal:\n\n" + "\n".join(text[1:])


def table(measured: dict[str, Any]) -> str:
    """Return the largest errors of the layers and of the encodings, as two Markdown tables."""
    runs = [(group, loaded, dtype) for group in GROUPS for loaded, dtype in COLUMNS_SHOWN]
    found = {run: worst(measured[run[0]]["adapter"][run[1]][run[2]]) for run in runs}
    layers = markdown(
        ["layer", *(f"{group}, {loaded} adapter, {dtype}" for group, loaded, dtype in runs)],
        [[name, *(f"{found[run][name]:.0e}" for run in runs)] for name in next(iter(found.values()))],
    )
    sums = [(group, pose_sum) for group in GROUPS for pose_sum in POSE_SUMS]
    encodings = {group: worst_encodings(measured, group) for group in GROUPS}
    published = markdown(
        ["relative pose", *(f'{group}, "{pose_sum}"' for group, pose_sum in sums)],
        [[name, *(f"{encodings[group][name][pose_sum]:.0e}" for group, pose_sum in sums)] for name in ENCODINGS],
    )
    return f"{layers}\n\n{published}"


def draw(measured: dict[str, Any]) -> Figure:
    """Draw the largest error of each layer and each encoding."""
    figure = Figure(figsize=(9, 7))
    axes = figure.subplots()
    layers = list(worst(measured["C4"]["adapter"]["with"]["float64"]))
    names = [*layers, *ENCODINGS]
    for group, marker in zip(GROUPS, "os", strict=True):
        for dtype, colour in (("float64", "tab:blue"), ("float32", "tab:orange")):
            found = worst(measured[group]["adapter"]["with"][dtype])
            label = f"{group}, {dtype}, with adapter"
            axes.scatter([_shown(found[name]) for name in layers], layers, c=colour, marker=marker, label=label)
        found = {name: max(sums.values()) for name, sums in worst_encodings(measured, group).items()}
        label = f"{group}, float64, the sums written out"
        axes.scatter(
            [_shown(found[name]) for name in ENCODINGS], list(ENCODINGS), c="tab:red", marker=marker, label=label
        )
    axes.set(xscale="log", xlabel="largest error, relative to the largest output", ylim=(len(names) - 0.5, -0.5))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper right", fontsize=8)
    return figure


def _shown(error: float) -> float:
    return max(error, 1e-17)  # a logarithmic axis cannot show an exact 0


def main() -> None:
    """Measure the errors, and publish them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", default="de-fraktur-19", help="name of a packaged adapter")
    arguments = parser.parse_args()
    measured = measure(arguments.adapter)
    results = {"adapter": arguments.adapter, "picture": PICTURE.name, "groups": measured}
    caption = "Equivariance errors: rounding in every layer, and of the order of the output with published encodings"
    publish(__file__, results, verdict(measured), table(measured), draw(measured), caption)
