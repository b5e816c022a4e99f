"""Train a small stock TrOCR on upright rendered words, as a model to convert if none can be downloaded.

    python -m experiments train_stock_trocr runs/stock_trocr --max-minutes 35

The result is a VisionEncoderDecoderModel of transformers with its TrOCRProcessor, which resizes every image to a
square. Only the training is unusual: a CTC head on the columns of patches learns the alignment of text and image, and
is discarded afterwards. The best weights so far are always on disk.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.stock_reader import PAD, Shape, build_stock, read_stock, squashed
from experiments.rendered_words import SEEN_FAMILIES, rendered_words
from trocr_gsa.data import LineSample
from trocr_gsa.metrics.error_rates import cer
from trocr_gsa.model.ctc import CTCHead
from trocr_gsa.train.optimisation import learning_rate_factor, make_optimizer, progress
from trocr_gsa.train.step import IGNORED, noisy_decoder_inputs

INPUT_NOISE = 0.05  # share of the decoder's inputs that are replaced, so that it relies on the image
CTC_STEPS = 4  # frames per column of patches


@dataclass(frozen=True)
class Recipe:
    """Settings of the training.

    Args:
        shape: sizes of the reader.
        lines: number of training lines, rendered once before training.
        validation_lines: number of validation lines, in the same families, with other seeds.
        batch_size: lines per step.
        learning_rate: highest learning rate.
        warmup_steps: number of steps until the highest learning rate.
        eval_every: steps between validations.
        max_minutes: training time in minutes, without rendering.
    """

    shape: Shape = field(default_factory=Shape)
    lines: int = 40_000
    validation_lines: int = 200
    batch_size: int = 64
    learning_rate: float = 1.2e-3
    warmup_steps: int = 150
    eval_every: int = 250
    max_minutes: float = 35.0


@dataclass(frozen=True)
class Lines:
    """Lines in memory: greyscale images (line, side, side) float16, labels (line, token) long with −100, and texts."""

    images: Tensor
    labels: Tensor
    texts: list[str]

    @classmethod
    def of(cls, samples: Sequence[LineSample], processor: Any) -> "Lines":
        """Resize the images to squares, and tokenize the texts."""
        texts = [sample.text for sample in samples]
        labels = processor.tokenizer(texts, padding=True, return_tensors="pt").input_ids
        size = processor.image_processor.size
        grey = torch.empty(len(samples), size["height"], size["width"], dtype=torch.float16)
        for image, sample in zip(grey, samples, strict=True):
            image.copy_(squashed(processor, [sample.image])[0, 0])
        return cls(grey, labels.masked_fill(labels == PAD, IGNORED), texts)

    def pixels(self, chosen: Tensor | slice) -> Tensor:
        """Return the inputs of the model, (line, 3, side, side) float32."""
        return self.images[chosen].float()[:, None].expand(-1, 3, -1, -1)


class Training:
    """A reader in training, with its auxiliary CTC head."""

    def __init__(self, recipe: Recipe, model: Any) -> None:
        self.recipe, self.model = recipe, model
        side = recipe.shape.image_size // recipe.shape.patch_size
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        self.positions = torch.stack([columns, rows], -1).flatten(0, 1).float()  # (position, 2), raster order
        self.ctc = CTCHead(recipe.shape.hidden_size, recipe.shape.vocabulary, CTC_STEPS, blank=PAD)
        self.optimizer = make_optimizer(nn.ModuleList([model, self.ctc]), recipe.learning_rate, 0.02, beta2=0.98)
        self.generator = torch.Generator().manual_seed(0)

    def step(self, pixels: Tensor, labels: Tensor, factor: float) -> tuple[float, float]:
        """Run one step, and return the losses of the decoder and of CTC per token."""
        inputs = noisy_decoder_inputs(labels, PAD, self.recipe.shape.vocabulary, INPUT_NOISE, self.generator)
        with torch.autocast("cpu", torch.bfloat16):
            output = self.model(pixel_values=pixels, decoder_input_ids=inputs, labels=labels)
            tokens = output.encoder_last_hidden_state[:, -len(self.positions) :]
            positions = self.positions.expand(len(tokens), -1, -1)
            logits, lengths = self.ctc(tokens, positions, torch.ones(tokens.shape[:2], dtype=torch.bool))
            ctc = self.ctc.loss(logits, lengths, labels)
        self.optimizer.zero_grad()
        (output.loss + ctc).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * factor
        self.optimizer.step()
        return output.loss.item(), ctc.item()


def validate(model: Any, lines: Lines, tokenizer: Any) -> float:
    """Return the character error rate with greedy decoding."""
    model.eval()
    parts = [slice(start, start + 50) for start in range(0, len(lines.texts), 50)]
    read = [text for part in parts for text in read_stock(model, tokenizer, lines.pixels(part))]
    model.train()
    return cer(lines.texts, read)


def keep_better(best: float, model: Any, processor: Any, held_out: Lines, output: Path) -> float:
    """Save the reader if its CER is below `best`, and return the lower of the two."""
    found = validate(model, held_out, processor.tokenizer)
    print(f"CER {found:.2%}", flush=True)
    if found < best:
        model.save_pretrained(output)
        processor.save_pretrained(output)
    return min(best, found)


def train(recipe: Recipe, output: Path) -> float:
    """Render lines, train for `max_minutes`, save the best reader in `output`, and return its validation CER."""
    torch.manual_seed(0)
    model, processor = build_stock(recipe.shape, attn_implementation="eager")
    rendered = rendered_words(SEEN_FAMILIES, recipe.lines + recipe.validation_lines, first_seed=0)
    samples = [rendered[index] for index in range(len(rendered))]
    lines, held_out = Lines.of(samples[: recipe.lines], processor), Lines.of(samples[recipe.lines :], processor)
    training, best, step, start = Training(recipe, model.train()), float("inf"), 0, time.monotonic()
    while (done := progress(0, (time.monotonic() - start) / 60, None, recipe.max_minutes)) < 1:
        chosen = torch.randint(recipe.lines, (recipe.batch_size,), generator=training.generator)
        losses = training.step(
            lines.pixels(chosen), lines.labels[chosen], learning_rate_factor(step, recipe.warmup_steps, done)
        )
        step += 1
        if step % 50 == 0:
            print(f"step {step}, {done:.0%} of the time, decoder {losses[0]:.3f}, CTC {losses[1]:.3f}", flush=True)
        if step % recipe.eval_every == 0:
            best = keep_better(best, model, processor, held_out, output)
    return keep_better(best, model, processor, held_out, output)


def main() -> None:
    """Parse the command line, and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder of the checkpoint")
    parser.add_argument("--max-minutes", type=float, default=Recipe.max_minutes)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train(Recipe(max_minutes=arguments.max_minutes), arguments.output)
