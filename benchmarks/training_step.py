"""Measure where the time of a training step on a CPU goes, with the packaged encoder and with that of version 1.3.

    OMP_NUM_THREADS=1 python -m benchmarks training_step prepared/train/*.parquet --page docs/speed.md

A step is what `trocr-gsa finetune reader_hands` does: lines are loaded, augmented and made into a batch; then forward
with all losses, backward, clipping, AdamW and the moving average. All weights are trained, from random ones. Both
readers take the same lines in the same batches, so a batch covers the same area of paper. They take turns, and times
are medians of processor time of one thread. The rows are written to benchmarks/results/training_step.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.marked_tables import markdown, write_results
from trocr_gsa.data.buckets import BucketBatchSampler
from trocr_gsa.data.collate import LineCollator
from trocr_gsa.data.fit import LineFit
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.synthetic.augmentation import AugmentedLines
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.build import new_model
from trocr_gsa.train.optimisation import AveragedWeights, make_optimizer
from trocr_gsa.train.step import count, loss_weights, weighted_loss
from trocr_gsa.train.training_data import DealtBatches, TrainingSources

NOW, BEFORE = "packaged encoder", "encoder of version 1.3"
ENCODERS: dict[str, dict[str, Any]] = {
    BEFORE: {
        "encoder_pose_hidden_size": None, "encoder_pose_num_attention_heads": None, "encoder_num_hidden_layers": 6,
        "encoder_patch_size": 16, "encoder_patch_embedding": "linear", "encoder_patch_margin": 0,
        "ctc_steps_per_patch": 4,
    },
    NOW: {},
}  # fmt: skip
PARTS = ("loading", "augmentation", "patches", "forward", "backward", "optimizer")


@dataclass(frozen=True)
class Row:
    """Cost of a step with one encoder.

    Attributes:
        encoder: its name.
        seconds_per_line: processor time of each of the `PARTS`.
        lines_per_second: lines per second of processor time.
    """

    encoder: str
    seconds_per_line: dict[str, float]
    lines_per_second: float


class Steps:
    """Training steps of a reader with one of the `ENCODERS`.

    Args:
        encoder: its name.
        arguments: arguments of the packaged training, with other lines.
    """

    def __init__(self, encoder: str, arguments: TrainingArguments) -> None:
        torch.manual_seed(0)
        self.arguments = TrainingArguments.from_dict(arguments.to_dict() | ENCODERS[encoder])
        self.reader, self.processor = new_model(self.arguments)
        self.reader.encoder.set_attn_implementation(arguments.attn_implementation)
        self.reader.train()
        self.longest = self.reader.decoder.config.max_position_embeddings
        self.collate = LineCollator(self.processor, self.longest, self.reader.encoder.group)
        self.optimizer = make_optimizer(
            self.reader, arguments.learning_rate, arguments.weight_decay, arguments.adam_beta2
        )
        self.average = AveragedWeights(self.reader, arguments.ema)
        self.weights = loss_weights(self.reader.config, arguments)

    def take(self, samples: list[LineSample]) -> list[float]:
        """Run a step, and return the seconds of patches, forward, backward and optimizer."""
        batch, patches = timed(lambda: self.collate(samples))
        loss, forward = timed(lambda: weighted_loss(self.reader(**batch), batch, count([batch]), self.weights)[0])
        _, backward = timed(loss.backward)
        _, update = timed(self._update)
        return [patches, forward, backward, update]

    def _update(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.reader.parameters(), self.arguments.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(0)


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Run an action, and return its result and its processor time in seconds."""
    start = time.process_time()
    result = action()
    return result, time.process_time() - start


def measure(sources: Sequence[str], repeats: int) -> list[Row]:
    """Run steps with both encoders on the same batches, and return their rows; the first step is a warm-up."""
    packaged = TrainingArguments.from_command_line(["reader_hands"])
    settings = packaged.to_dict() | {"train": list(sources), "validation": [], "output": "unused", "warm_start": []}
    arguments = TrainingArguments.from_dict(settings)
    readers = [Steps(encoder, arguments) for encoder in ENCODERS]
    now = readers[-1]
    lines = TrainingSources(arguments, LineFit(now.processor, now.longest)).lines(arguments.train)
    assert isinstance(lines, AugmentedLines)
    sampler = BucketBatchSampler(lines, now.processor.image_processor.num_patches, arguments.batch_patches)
    found: list[list[list[float]]] = [[] for _ in readers]
    for _, batch in zip(range(repeats + 1), DealtBatches(sampler, 0, 1), strict=False):
        _, loading = timed(lambda batch=batch: [lines.lines[index] for index in batch])
        samples, both = timed(lambda batch=batch: [lines[index] for index in batch])
        for reader, times in zip(readers, found, strict=True):
            seconds = [loading, max(0.0, both - loading), *reader.take(samples)]
            times.append([each / len(batch) for each in seconds])
    rows = []
    for encoder, times in zip(ENCODERS, found, strict=True):
        parts = [statistics.median(part) for part in zip(*times[1:], strict=True)]
        rows.append(Row(encoder, dict(zip(PARTS, parts, strict=True)), 1 / sum(parts)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["encoder", *(f"{part}, ms/line" for part in PARTS), "lines/s, one core"]
    return markdown(
        head,
        [
            [
                row.encoder,
                *(f"{1000 * row.seconds_per_line[part]:.1f}" for part in PARTS),
                f"{row.lines_per_second:.1f}",
            ]
            for row in rows
        ],
    )


def main() -> None:
    """Measure, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="training lines, as for `train=` of `trocr-gsa finetune`")
    parser.add_argument("--page", type=Path, help="Markdown file with the table's two marker comments")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/training_step.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(options.sources, options.repeats)
    found = {"threads": 1, "repeats": options.repeats, "rows": [asdict(row) for row in rows]}
    write_results(found, options.json, table(rows), [options.page], "training_step", __file__)
