"""Measure which methods of PEFT train, save and merge on a reader, and the equivariance error of each.

    python -m experiments peft_methods docs/adapters.md

Each method adapts the packaged reader, on every projection of encoder and decoder that it supports. It is trained for a
few steps in single precision. Then its weights are changed at random: an untrained adapter would keep the symmetry
trivially. Errors are measured in double precision. The numbers are also written to
experiments/results/peft_methods.json.
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
ROWS, COLUMNS = 2, 7  # of patches of the image
TOKENS = torch.tensor([[100, 101, 102, 1]])
LEAST_CHANGE, EXACT = 1e-3, 1e-11


@dataclass(frozen=True)
class Measured:
    """Results of one method. Differences of logits are relative, as `difference` computes them.

    Attributes:
        method: name of the method.
        weights: number of trained parameters.
        loss_before: loss of one line before training on it.
        loss_after: loss of the same line after a few steps.
        changed: difference between the logits with and without the adapter.
        saved: difference of the logits after saving and loading.
        merged: difference of the logits after merging; None if PEFT cannot merge the method.
        symmetry_error: largest error of the logits over all turns.
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
    """Measure every method, and write the results and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="Markdown file with the table's two marker comments")
    page = parser.parse_args().page.resolve()
    torch.manual_seed(0)
    reader = load_model(None)[0]
    side = reader.encoder.config.patch_size
    image = torch.randn(1, 1, ROWS * side, COLUMNS * side, dtype=torch.float64)
    rows = [measure(reader, method, image, TOKENS) for method in METHODS]
    control = symmetry_error(on_one_pose_only(reader), image, TOKENS)
    found = {"methods": [asdict(row) for row in rows], "on_one_pose_only": control}
    RESULTS.write_text(to_json(found, indent=1) + "\n", encoding="utf-8")
    head = ("method", "trains", "saves", "merges", "keeps the symmetry: error")
    write_between_markers(page, "peft methods", __file__, markdown(head, [*map(_cells, rows), _control(control)]))


def measure(reader: TrOCRGSAModel, method: str, image: Tensor, tokens: Tensor) -> Measured:
    """Measure one method on a copy of a reader.

    Args:
        reader: reader in single precision.
        method: name of the method, a key of `METHODS`.
        image: (1, channel, height, width), float64.
        tokens: (1, token) long.

    Raises:
        ValueError: if the method hardly changes the logits, or the logits hardly depend on the image any more: the
            symmetry would then hold trivially.
    """
    torch.manual_seed(0)
    model = peft.get_peft_model(copy.deepcopy(reader), METHODS[method]())
    before, after = _train(model, image.float(), tokens)
    randomised(model).double().eval()
    with torch.no_grad():
        own = copy.deepcopy(reader).double().eval()(pixel_values=image, labels=tokens).logits
        logits = model(pixel_values=image, labels=tokens).logits
        changed = difference(logits, own)
        seen = difference(model(pixel_values=torch.randn_like(image), labels=tokens).logits, logits)
        if min(changed, seen) < LEAST_CHANGE:
            raise ValueError(
                f"`method` {method} must change the logits, and the logits must depend on the image, got relative "
                f"changes of {changed:.1e} and {seen:.1e}."
            )
        return Measured(
            method=method,
            weights=sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
            loss_before=before,
            loss_after=after,
            changed=changed,
            saved=difference(_loaded(model, reader)(pixel_values=image, labels=tokens).logits, logits),
            symmetry_error=symmetry_error(model, image, tokens),
            merged=_merged(model, image, tokens, logits),
        )


def _train(model: Any, image: Tensor, tokens: Tensor) -> tuple[float, float]:
    """Train for a few steps on one line, and return its loss before and after."""
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], LEARNING_RATE)
    losses = []
    for _ in range(STEPS + 1):
        model.train()
        torch.manual_seed(0)  # the same dropout at each step
        loss = model(pixel_values=image, labels=tokens).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses[0], losses[-1]


@torch.no_grad()
def randomised(model: Any) -> Any:
    """Change the weights of an adapter at random, as if after a long training."""
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if weight.requires_grad and "ranknum" not in name:  # AdaLoRA's rank counts are not saved
            weight += 0.1 * torch.randn(weight.shape, generator=generator).to(weight)
    return model


def difference(a: Tensor, b: Tensor) -> float:
    """Return max |a − b| / max |b|."""
    return ((a - b).abs().max() / b.abs().max()).item()


@torch.no_grad()
def symmetry_error(model: Any, image: Tensor, tokens: Tensor) -> float:
    """Return the largest relative difference between the logits of an image and of its turns."""
    group = model.get_base_model().encoder.group
    return equivariance_error(lambda turned: model(pixel_values=turned, labels=tokens).logits, group, image)


def _loaded(model: Any, reader: TrOCRGSAModel) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return PeftModel.from_pretrained(copy.deepcopy(reader), folder).double().eval()


def _merged(model: Any, image: Tensor, tokens: Tensor, logits: Tensor) -> float | None:
    try:
        return difference(model.merge_and_unload()(pixel_values=image, labels=tokens).logits, logits)
    except NotImplementedError:
        return None


def on_one_pose_only(reader: TrOCRGSAModel) -> Any:
    """Return the control, a LoRA that is not equivariant: it changes the features of one pose only."""
    model: Any = randomised(peft.get_peft_model(copy.deepcopy(reader), METHODS["LoRA"]())).double().eval()
    encoder = model.get_base_model().encoder
    for layer in [*encoder.lifting.modules(), *encoder.pose_layers.modules()]:
        if isinstance(layer, BaseTunerLayer) and isinstance(layer, nn.Module):
            layer.register_forward_hook(_FirstPose(encoder.group.order))
    return model


class _FirstPose:
    """Forward hook that keeps the adapter's output for the first pose only, and the base's for the others."""

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
