"""From the arguments' sources to training batches and validation lines."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from accelerate import Accelerator

from trocr_gsa.data.augment import AugmentedLines
from trocr_gsa.data.buckets import BucketBatchSampler
from trocr_gsa.data.collate import LineCollator
from trocr_gsa.data.fit import FittingLines, LineFit
from trocr_gsa.data.mixture import Mixture
from trocr_gsa.data.samples import LineDataset, LineSample
from trocr_gsa.data.sources import open_source
from trocr_gsa.data.transcription import NormalizedLines
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.batches import DealtBatches, endless_batches
from trocr_gsa.train.checks import split_source

logger = logging.getLogger(__name__)


def training_batches(
    arguments: TrainingArguments,
    processor: Any,
    reader: TrOCRGSAModel,
    accelerator: Accelerator,
    step: int,
    left_out: list[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Return the endless batches of this process, from optimizer step `step` on; `left_out` takes up the bad rows.

    Raises:
        ValueError: if a source cannot be opened, or has no line that the reader can learn from.
    """
    longest = reader.decoder.config.max_position_embeddings
    lines = training_lines(arguments, LineFit(processor, longest), left_out)
    batches = BucketBatchSampler(
        lines,
        processor.image_processor.num_patches,
        budget=arguments.batch_patches * accelerator.num_processes,
        seed=arguments.seed,
    )
    dealt = DealtBatches(
        batches, accelerator.process_index, accelerator.num_processes, start=step * arguments.gradient_accumulation
    )
    return endless_batches(lines, dealt, LineCollator(processor, longest, reader.encoder.group), arguments.num_workers)


def training_lines(arguments: TrainingArguments, fit: LineFit, left_out: list[str] | None = None) -> LineDataset:
    """Return the lines of all training sources, mixed by weight and, if so asked, augmented.

    Args:
        arguments: of the run.
        fit: what the reader takes; lines that do not fit are logged.
        left_out: takes up the rows of the sources that cannot be used.

    Raises:
        ValueError: if a source cannot be opened, or has no line that fits.
    """
    paths, weights = zip(*map(split_source, arguments.train), strict=True)
    datasets = []
    for path in paths:
        source = _open(path, "train", arguments, left_out)
        datasets.append(FittingLines(source, fit, arguments.train_lines, arguments.seed))
        _report(path, datasets[-1].problems[len(source.problems) :], len(datasets[-1]))
    lines: LineDataset = Mixture(datasets, _mixed(datasets, weights, arguments.mixture_power), seed=arguments.seed)
    return AugmentedLines(lines, seed=arguments.seed) if arguments.augment else lines


def _mixed(datasets: Sequence[LineDataset], weights: Sequence[float | None], power: float | None) -> list[float] | None:
    """Return the sources' weights in the mixture, or None where they are mixed by their lengths."""
    if power is None:
        if all(weight is None for weight in weights):
            return None
        power = 0.0
    return [
        (1.0 if weight is None else weight) * len(lines) ** power
        for lines, weight in zip(datasets, weights, strict=True)
    ]


def validation_sets(arguments: TrainingArguments, left_out: list[str] | None = None) -> dict[str, list[LineSample]]:
    """Return at most `validation_lines` lines of each validation source, always the same ones, by the source's name.

    Args:
        arguments: of the run.
        left_out: takes up the rows of the sources that cannot be used.

    Raises:
        ValueError: if a source cannot be opened.
    """
    sets = {}
    for path in arguments.validation:
        dataset = _open(path, "validation", arguments, left_out)
        chosen = np.random.default_rng(0).permutation(len(dataset))[: arguments.validation_lines]
        sets[path] = [line for line in dataset.__getitems__(chosen.tolist()) if line.text]
    return sets


def _open(path: str, split: str, arguments: TrainingArguments, left_out: list[str] | None) -> LineDataset:
    dataset = open_source(path, split, image_column=arguments.image_column, text_column=arguments.text_column)
    if arguments.normalize is not None:
        dataset = NormalizedLines(dataset, arguments.normalize)
    for note in dataset.notes:
        logger.warning("%s: %s", path, note)
    _report(path, dataset.problems, len(dataset))
    if left_out is not None:
        left_out += [f"{path}: {problem}" for problem in dataset.problems]
    return dataset


def _report(path: str, problems: Sequence[str], kept: int) -> None:
    if problems:
        logger.warning("%s: %d lines left out, %d kept. First: %s", path, len(problems), kept, problems[0])
