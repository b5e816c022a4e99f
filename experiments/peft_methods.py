"""Measure which methods of PEFT train, save and merge on a reader, and how exactly each keeps the symmetry.

    python -m experiments peft_methods docs/adapters.md

Each is put on the packaged reader, on every projection of both halves where it takes them, trained for a few steps in
single precision, and then moved at random, so that nothing is kept only because nothing was learnt. Errors are those of
double precision. The numbers also go to experiments/results/peft_methods.json.
"""

import argparse
import copy
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import peft
import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from benchmarks.marked_tables import markdown, write_between_markers
from trocr_gsa import TrOCRGSAModel, equivariance_error
from trocr_gsa.checkpoints.models import load_model
from trocr_gsa.data.numbers import to_json

TARGETS: dict[str, Any] = {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "out_proj"]}
METHODS: dict[str, Callable[[], Any]] = {
    "LoRA": lambda: peft.LoraConfig(r=2, **TARGETS),
    "LoRA with biases": lambda: peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], lora_bias=True),
    "DoRA": lambda: peft.LoraConfig(r=2, use_dora=True, **TARGETS),
    "rsLoRA": lambda: peft.LoraConfig(r=2, use_rslora=True, **TARGETS),
    "PiSSA": lambda: peft.LoraConfig(r=2, init_lora_weights="pissa", **TARGETS),
    "OLoRA": lambda: peft.LoraConfig(r=2, init_lora_weights="olora", **TARGETS),
    "AdaLoRA": lambda: peft.AdaLoraConfig(init_r=2, target_r=2, total_step=100, **TARGETS),
    "LoHa": lambda: peft.LoHaConfig(r=2, **TARGETS),
    "LoKr": lambda: peft.LoKrConfig(r=2, **TARGETS),
    "IA3": lambda: peft.IA3Config(target_modules=["k_proj", "v_proj", "fc2"], feedforward_modules=["fc2"]),
    "OFT": lambda: peft.OFTConfig(oft_block_size=4, **TARGETS),
    "BOFT": lambda: peft.BOFTConfig(boft_block_size=4, **TARGETS),
    "HRA": lambda: peft.HRAConfig(r=2, **TARGETS),
    "VeRA": lambda: peft.VeraConfig(r=2, **TARGETS),
    "RandLoRA": lambda: peft.RandLoraConfig(r=2, randlora_alpha=2, **TARGETS),
    "VB-LoRA": lambda: peft.VBLoRAConfig(r=2, num_vectors=8, vector_length=4, **TARGETS),
    "GraLoRA": lambda: peft.GraloraConfig(r=4, gralora_k=2, **TARGETS),
    "MiSS": lambda: peft.MissConfig(r=2, **TARGETS),
    "RoAd": lambda: peft.RoadConfig(group_size=4, **TARGETS),
    "SHiRA": lambda: peft.ShiraConfig(r=2, **TARGETS),
    "FourierFT": lambda: peft.FourierFTConfig(n_frequency=20, **TARGETS),
    "WaveFT": lambda: peft.WaveFTConfig(n_frequency=20, **TARGETS),
    "C3A": lambda: peft.C3AConfig(block_size=4, **TARGETS),
    "DeLoRA": lambda: peft.DeloraConfig(r=2, **TARGETS),
    "HiRA": lambda: peft.HiraConfig(r=2, **TARGETS),
    "LILY": lambda: peft.LilyConfig(r=2, **TARGETS),
    "LayerNorm tuning": lambda: peft.LNTuningConfig(target_modules=["layernorm_before", "layernorm_after"]),
}
RESULTS = Path(__file__).parent / "results" / "peft_methods.json"
STEPS, LEARNING_RATE = 5, 3e-3
LETTERS = torch.tensor([[100, 101, 102, 1]])
LEAST_CHANGE, EXACT = 1e-3, 1e-11


@dataclass(frozen=True)
class Measured:
    """What a method did on a reader.

    Attributes:
        method: its name.
        weights: numbers that it learns.
        loss_before: of one line, before training on it.
        loss_after: after a few steps.
        changed: how far the logits are from the reader's own, relative to these.
        saved: how far they are after saving and loading.
        merged: how far they are after merging; None where PEFT cannot merge it.
        symmetry_error: of the logits, over all turns.
    """

    method: str
    weights: int
    loss_before: float
    loss_after: float
    changed: float
    saved: float
    merged: float | None
    symmetry_error: float


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="Markdown file with the two comments that the table goes between")
    page = parser.parse_args().page.resolve()
    torch.manual_seed(0)
    reader, picture = load_model(None)[0], torch.randn(1, 1, 48, 160, dtype=torch.float64)
    rows = [measure(reader, method, picture, LETTERS) for method in METHODS]
    control = symmetry_error(on_one_pose_only(reader), picture, LETTERS)
    found = {"methods": [asdict(row) for row in rows], "on_one_pose_only": control}
    RESULTS.write_text(to_json(found, indent=1) + "\n", encoding="utf-8")
    head = ("method", "trains", "saves", "merges", "keeps the symmetry: error")
    write_between_markers(page, "peft methods", __file__, markdown(head, [*map(_cells, rows), _control(control)]))


def measure(reader: TrOCRGSAModel, method: str, picture: Tensor, letters: Tensor) -> Measured:
    """Measure one method on a copy of a reader.

    Args:
        reader: in single precision.
        method: its name in `METHODS`.
        picture: (1, channel, height, width), float64.
        letters: (1, letter) long.

    Raises:
        ValueError: if the method changes next to nothing, or leaves nothing to be seen: it would keep anything.
    """
    torch.manual_seed(0)
    model = peft.get_peft_model(copy.deepcopy(reader), METHODS[method]())
    before, after = _train(model, picture.float(), letters)
    learned(model).double().eval()
    with torch.no_grad():
        own = copy.deepcopy(reader).double().eval()(pixel_values=picture, labels=letters).logits
        logits = model(pixel_values=picture, labels=letters).logits
        changed = difference(logits, own)
        seen = difference(model(pixel_values=torch.randn_like(picture), labels=letters).logits, logits)
        if min(changed, seen) < LEAST_CHANGE:
            raise ValueError(
                f"`method` {method} must change the logits, and leave them to change with the picture, got relative "
                f"changes of {changed:.1e} and {seen:.1e}."
            )
        return Measured(
            method=method,
            weights=sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
            loss_before=before,
            loss_after=after,
            changed=changed,
            saved=difference(_loaded(model, reader)(pixel_values=picture, labels=letters).logits, logits),
            symmetry_error=symmetry_error(model, picture, letters),
            merged=_merged(model, picture, letters, logits),
        )


def _train(model: Any, picture: Tensor, letters: Tensor) -> tuple[float, float]:
    """Take a few steps on one line; return its loss before and after."""
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], LEARNING_RATE)
    losses = []
    for _ in range(STEPS + 1):
        model.train()
        torch.manual_seed(0)  # the same dropout at each step
        loss = model(pixel_values=picture, labels=letters).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses[0], losses[-1]


@torch.no_grad()
def learned(model: Any) -> Any:
    """Move an adapter's weights at random, as if it had learnt much."""
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if weight.requires_grad and "ranknum" not in name:  # AdaLoRA's counts, which are not saved
            weight += 0.1 * torch.randn(weight.shape, generator=generator).to(weight)
    return model


def difference(a: Tensor, b: Tensor) -> float:
    """Return max |a − b| / max |b|."""
    return ((a - b).abs().max() / b.abs().max()).item()


@torch.no_grad()
def symmetry_error(model: Any, picture: Tensor, letters: Tensor) -> float:
    """Return how far the logits of a turned picture are from those of the picture, at most, relative to these."""
    group = model.get_base_model().encoder.group
    return equivariance_error(lambda turned: model(pixel_values=turned, labels=letters).logits, group, picture)


def _loaded(model: Any, reader: TrOCRGSAModel) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return PeftModel.from_pretrained(copy.deepcopy(reader), folder).double().eval()


def _merged(model: Any, picture: Tensor, letters: Tensor, logits: Tensor) -> float | None:
    try:
        return difference(model.merge_and_unload()(pixel_values=picture, labels=letters).logits, logits)
    except NotImplementedError:
        return None


def on_one_pose_only(reader: TrOCRGSAModel) -> Any:
    """Return a LoRA that is no map of features: in the layers across poses it changes those of one pose alone."""
    model: Any = learned(peft.get_peft_model(copy.deepcopy(reader), METHODS["LoRA"]())).double().eval()
    encoder = model.get_base_model().encoder
    for layer in [*encoder.lifting.modules(), *encoder.pose_layers.modules()]:
        if isinstance(layer, BaseTunerLayer) and isinstance(layer, nn.Module):
            layer.register_forward_hook(_FirstPose(encoder.group.order))
    return model


class _FirstPose:
    """Leaves an adapter's output to the first pose, and the base's to the others."""

    def __init__(self, order: int) -> None:
        self.order = order

    def __call__(self, layer: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        first = output.shape[1] // self.order
        return torch.cat((output[:, :first], layer.base_layer(inputs[0])[:, first:]), dim=1)


def _cells(row: Measured) -> list[str]:
    trains = f"{row.loss_before:.2f} → {row.loss_after:.2f}"
    merges = "PEFT cannot" if row.merged is None else _yes(row.merged < 1e-5)
    return [row.method, trains, _yes(row.saved < 1e-5), merges, f"{row.symmetry_error:.0e}"]


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _control(error: float) -> list[str]:
    return ["*LoRA on one pose only*", "", "", "", f"**{error:.0e}**"]


if __name__ == "__main__":
    main()
