"""Train one encoder variant with a CTC head on the packaged reader's lines, to compare sizes, patches and embeddings.

    python -m experiments encoder_contest narrow_16 prepared/ runs/contest/narrow_16 --minutes 60
    python -m experiments encoder_contest narrow_24_conv_k0 prepared/ runs/contest/k0 --minutes 10 \
        --start trocr_gsa/checkpoint --anew pose

`--start` takes those weights of a trained reader that fit. `--anew` gives a part random weights all the same: a part
that is changed begins with random weights, and so the part that it is compared with has to.
It runs in one thread. Minutes are processor time, so that other load on the machine does not matter. A run that was
stopped continues from its state. `model.safetensors` contains the averaged weights, for `warm_start=`. `log.jsonl`
contains the error rates on validation lines by kind, and the share of correct orientations among lines of at least ten
characters. `experiments/encoder_table.py` compares the runs.
"""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import ByT5Tokenizer

from trocr_gsa.data.buckets import BucketBatchSampler
from trocr_gsa.data.collate import LineCollator
from trocr_gsa.data.fit import FittingLines, LineFit
from trocr_gsa.data.mixture import Mixture
from trocr_gsa.data.numbers import to_json
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.sources import open_source
from trocr_gsa.data.synthetic.augmentation import AugmentedLines
from trocr_gsa.metrics import error_rates as metrics
from trocr_gsa.model.configuration_gsa_net import GSANetConfig
from trocr_gsa.model.ctc import CTCHead
from trocr_gsa.model.image_processing_trocr_gsa import TrOCRGSAImageProcessor
from trocr_gsa.model.modeling_gsa_net import GSANetModel
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.train.optimisation import AveragedWeights, make_optimizer
from trocr_gsa.train.training_data import DealtBatches, endless_batches

NARROW = {"pose_hidden_size": 64, "pose_num_attention_heads": 2, "num_hidden_layers": 7}
WIDE_256 = {"hidden_size": 256, "intermediate_size": 1024}
CONV = {"patch_embedding": "conv", "patch_margin": 4}
MLP = {"patch_embedding": "mlp", "patch_margin": 4}
BY_24 = {"patch_size": 24}
VARIANTS: dict[str, dict[str, Any]] = {
    "today_16": {"num_hidden_layers": 6},
    "narrow_16": NARROW,
    "narrow_16_conv": NARROW | CONV,
    "narrow_16_mlp": NARROW | MLP,
    "narrow_16_pose48": NARROW | {"pose_hidden_size": 48},
    "narrow_16_pose96": NARROW | {"pose_hidden_size": 96},
    "narrow_16_head1": NARROW | {"pose_num_attention_heads": 1},
    "narrow_16_k0": NARROW | {"pose_layers": 0, "num_hidden_layers": 6},
    "narrow_16_k2": NARROW | {"pose_layers": 2, "num_hidden_layers": 8},
    "narrow_16_8layers": NARROW | {"num_hidden_layers": 9},
    "narrow_16_256": NARROW | WIDE_256,
    "narrow_24": NARROW | BY_24,
    "narrow_24_mlp": NARROW | BY_24 | MLP,
    "narrow_24_conv": NARROW | BY_24 | CONV,
    "narrow_24_conv_256": NARROW | BY_24 | CONV | WIDE_256,
    "narrow_24_conv_pose48": NARROW | BY_24 | CONV | {"pose_hidden_size": 48},
    "narrow_24_conv_pose96": NARROW | BY_24 | CONV | {"pose_hidden_size": 96},
    "narrow_24_conv_head1": NARROW | BY_24 | CONV | {"pose_num_attention_heads": 1},
    "narrow_24_conv_k0": NARROW | BY_24 | CONV | {"pose_layers": 0, "num_hidden_layers": 6},
    "narrow_24_conv_k2": NARROW | BY_24 | CONV | {"pose_layers": 2, "num_hidden_layers": 8},
}
PARTS = {
    "pose": ("embeddings.", "lifting.", "pose_layers.", "pose_head.", "chosen_embeddings.features."),
    "embedding": ("chosen_embeddings.projection.",),
}  # of the encoder, with the beginnings of their weights' names: the narrow stage, and the second embedding
PIXELS_PER_STEP = 4  # width of a CTC frame
BATCH_PIXELS = 2500 * 16 * 16
WARM_UP, RATE, DECAY, EMA, POSE_LOSS, CLIP = 200, 1.5e-3, 0.05, 0.998, 0.3, 1.0
EVALUATE_EVERY, VALIDATION_LINES, LONGEST = 10.0, 40, 256


class EncoderWithCTC(nn.Module):
    """An encoder and a CTC head, with the same parameter names as in the reader.

    Args:
        config: configuration of the encoder.
        tokenizer: tokenizer whose tokens the head predicts.
    """

    def __init__(self, config: GSANetConfig, tokenizer: Any) -> None:
        super().__init__()
        self.encoder = GSANetModel(config)
        self.encoder.set_attn_implementation("eager")
        steps = config.patch_size // PIXELS_PER_STEP
        self.ctc_head = CTCHead(config.hidden_size, len(tokenizer), steps, tokenizer.pad_token_id)

    def forward(self, labels: Tensor | None = None, pose_labels: Any = None, **inputs: Tensor) -> Any:
        """Return the loss; without labels, the predicted tokens and the most probable poses."""
        out = self.encoder(**inputs, pose_labels=pose_labels)
        logits, lengths = self.ctc_head(out.pose_hidden_state, out.pose_positions, out.pose_mask)
        if labels is None:
            return self.ctc_head.read(logits, lengths), out.pose
        return self.ctc_head.loss(logits, lengths, labels) + POSE_LOSS * F.nll_loss(out.pose_logits, pose_labels)


def make_processor(variant: str) -> TrOCRGSAProcessor:
    """Return the processor of a variant, whose tokens are bytes."""
    patches = TrOCRGSAImageProcessor(patch_size=VARIANTS[variant].get("patch_size", 16), max_patches=4096)
    return TrOCRGSAProcessor(patches, ByT5Tokenizer(extra_ids=0))


def make_model(variant: str, tokenizer: Any) -> EncoderWithCTC:
    """Return a variant with random weights."""
    settings: dict[str, Any] = {"num_attention_heads": 4} | VARIANTS[variant]
    return EncoderWithCTC(GSANetConfig(**settings), tokenizer)


def kinds(folder: Path) -> dict[str, str]:
    """Return the kind of every set: the one in its parquet file, or "hand"."""
    found = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_schema(path).names
        found[path.stem] = pq.read_table(path, columns=["kind"])["kind"][0].as_py() if "kind" in table else "hand"
    return found | {"fraktur-19": "print"}


def training_lines(folder: Path, fit: LineFit) -> AugmentedLines:
    """Return a mixture of the sets, weighted by the square root of their size; handwriting has twice the weight."""
    kind = kinds(folder)
    sets = {path.stem: FittingLines(open_source(str(path), "train"), fit) for path in sorted(folder.glob("*.parquet"))}
    weights = [len(lines) ** 0.5 * (2 if kind[name] == "hand" else 1) for name, lines in sets.items()]
    return AugmentedLines(Mixture(list(sets.values()), weights), seed=0)


def validation_lines(folder: Path, fit: LineFit) -> dict[str, list[LineSample]]:
    """Return the first fitting lines of every set, by kind."""
    kind, found = kinds(folder), {}
    for path in sorted(folder.glob("*.parquet")):
        lines = FittingLines(open_source(str(path), "validation"), fit, VALIDATION_LINES)
        found.setdefault(kind[path.stem], []).extend(lines[index] for index in range(len(lines)))
    return found


@torch.inference_mode()
def scores(model: EncoderWithCTC, processor: Any, sets: dict[str, list[LineSample]]) -> dict[str, float]:
    """Return the error rate of each kind, and the share of longer lines with a correct orientation."""
    model.eval()
    found, right = {}, []
    for kind, lines in sets.items():
        texts: list[str] = []
        for start in range(0, len(lines), 16):
            part = lines[start : start + 16]
            tokens, poses = model(**processor(images=[line.image for line in part]))
            texts += processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
            right += [pose == 0 for line, pose in zip(part, poses.tolist(), strict=True) if len(line.text) >= 10]
        found[f"cer/{kind}"] = metrics.cer([line.text for line in lines], texts)
    model.train()
    return found | {"orientation": sum(right) / len(right)}


def start_from(model: EncoderWithCTC, folder: str, anew: str | None = None) -> None:
    """Load those weights of a reader's encoder and CTC head whose name and shape agree, but not those of a part."""
    own, left = model.state_dict(), tuple(f"encoder.{name}" for name in PARTS.get(anew or "", ()))
    weights = load_file(Path(folder) / "model.safetensors")
    found = {name: weight for name, weight in weights.items() if name in own and not name.startswith(left)}
    own |= {name: weight.float() for name, weight in found.items() if weight.shape == own[name].shape}
    model.load_state_dict(own)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write the state atomically."""
    torch.save(state, path.with_suffix(".partial"))
    os.replace(path.with_suffix(".partial"), path)


def batches(folder: Path, processor: Any, model: EncoderWithCTC, step: int) -> Iterator[dict[str, Any]]:
    """Return an endless iterator of training batches, starting at a step."""
    lines = training_lines(folder / "train", LineFit(processor, LONGEST))
    size = processor.image_processor.patch_size
    sampler = BucketBatchSampler(lines, processor.image_processor.num_patches, BATCH_PIXELS // size**2)
    collate = LineCollator(processor, LONGEST, model.encoder.group)
    return endless_batches(lines, DealtBatches(sampler, 0, 1, start=step), collate, 0)


def main() -> None:
    """Parse the command line, and train one variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("data", type=Path, help="folder that prepare_hands has written")
    parser.add_argument("output", type=Path, help="folder of the run")
    parser.add_argument("--minutes", type=float, required=True, help="training time in minutes of processor time")
    parser.add_argument("--start", help="folder of a reader with the initial weights")
    parser.add_argument("--anew", choices=PARTS, help="a part that begins with random weights all the same")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    variant, data, out = options.variant, options.data, options.output
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    processor = make_processor(variant)
    model = make_model(variant, processor.tokenizer).train()
    if options.start:
        start_from(model, options.start, options.anew)
    optimizer, average = make_optimizer(model, RATE, DECAY, 0.98), AveragedWeights(model, EMA)
    out.mkdir(parents=True, exist_ok=True)
    step, lines, spent = 0, 0, 0.0
    if (out / "state.pt").exists():
        state = torch.load(out / "state.pt", weights_only=True)
        step, lines, spent = state["step"], state["lines"], state["spent"]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.load_state_dict(state["average"])
    sets = validation_lines(data / "validation", LineFit(processor, LONGEST))
    source = batches(data, processor, model, step)
    begun, evaluated = time.process_time() - 60 * spent, spent
    while spent < options.minutes:
        batch = next(source)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP)
        model(**batch).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        average.update(step)
        step, lines, spent = step + 1, lines + len(batch["labels"]), (time.process_time() - begun) / 60
        if spent - evaluated >= EVALUATE_EVERY or spent >= options.minutes:
            paused = time.process_time()
            with average.applied():
                found = scores(model, processor, sets)
                save_file(model.state_dict(), out / "model.safetensors")
            entry = {
                "variant": variant,
                "anew": options.anew,
                "seed": options.seed,
                "minutes": round(spent, 2),
                "steps": step,
                "lines": lines,
            } | found
            with (out / "log.jsonl").open("a") as log:
                log.write(to_json(entry) + "\n")
            print(variant, entry, flush=True)
            state = {"step": step, "lines": lines, "spent": spent, "model": model.state_dict()}
            save(out / "state.pt", state | {"optimizer": optimizer.state_dict(), "average": average.state_dict()})
            begun, evaluated = begun + time.process_time() - paused, spent
