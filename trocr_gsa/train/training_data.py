"""Builds training batches and validation lines from the sources in the arguments."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Protocol, cast

import numpy as np
from accelerate import Accelerator
from torch.utils.data import DataLoader, Sampler

from trocr_gsa.data.buckets import BucketBatchSampler
from trocr_gsa.data.collate import LineCollator
from trocr_gsa.data.fit import FittingLines, LineFit, UsableBatch, UsableLines
from trocr_gsa.data.mixture import Mixture
from trocr_gsa.data.names import split_source
from trocr_gsa.data.samples import LineDataset, LineSample
from trocr_gsa.data.sources import open_source
from trocr_gsa.data.synthetic.augmentation import AugmentedLines
from trocr_gsa.data.transcription import NormalizedLines
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.train.arguments import TrainingArguments

logger = logging.getLogger(__name__)


class EpochBatches(Protocol):
    """Batches of indices that change with the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        ...

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of the epoch."""
        ...


class DealtBatches(Sampler[list[int]]):
    """One process's share of every batch, for an endless number of epochs.

    Args:
        batches: batches of all processes together.
        rank: index of this process, from 0.
        processes: number of processes; process r takes every `processes`-th line, from the r-th on.
        start: number of batches to skip, which an interrupted run has already used.
    """

    def __init__(self, batches: EpochBatches, rank: int, processes: int, start: int = 0) -> None:
        self.batches, self.rank, self.processes, self.start = batches, rank, processes, start

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's indices.

        Raises:
            ValueError: if no batch of an epoch has a line for every process.
        """
        epoch = seen = 0
        while True:
            self.batches.set_epoch(epoch)
            before = seen
            for batch in self.batches:
                if len(batch) < self.processes:
                    continue
                seen += 1
                if seen > self.start:
                    yield batch[self.rank :: self.processes]
            if seen == before:
                raise ValueError(
                    f"`batch_patches` leaves no batch with a line for each of {self.processes} processes: "
                    "raise it, or give more lines."
                )
            epoch += 1


def endless_batches(
    lines: LineDataset,
    batches: DealtBatches,
    collate: LineCollator,
    num_workers: int,
    left_out: list[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield collated batches endlessly, prepared in advance by `num_workers` processes.

    Lines that cannot be used are left out of their batch. Each is logged once, and appended to `left_out`.
    """
    loader = DataLoader(
        UsableLines(lines, collate.fit),
        batch_sampler=batches,
        collate_fn=cast(Any, partial(_collated, collate)),
        num_workers=num_workers,
        prefetch_factor=4 if num_workers else None,
    )
    known: set[str] = set()
    for batch, problems in loader:
        for problem in problems:
            if problem not in known:
                known.add(problem)
                logger.warning("Skipped: %s", problem)
                if left_out is not None:
                    left_out.append(problem)
        yield batch


def _collated(collate: LineCollator, found: UsableBatch) -> tuple[dict[str, Any], list[str]]:
    return collate(found.lines), found.problems


def training_batches(
    arguments: TrainingArguments,
    processor: TrOCRGSAProcessor,
    reader: TrOCRGSAModel,
    accelerator: Accelerator,
    step: int,
    left_out: list[str] | None = None,
    check: Callable[[Mapping[str, LineDataset]], object] = lambda sources: None,
) -> Iterator[dict[str, Any]]:
    """Return the batches of this process from a step on: those of the first stage, then those of the main stage.

    Args:
        arguments: arguments of the run.
        processor: processor of the reader.
        reader: the reader to train.
        accelerator: the processes that share a batch.
        step: number of optimizer steps that an interrupted run has already made.
        left_out: a list to which messages about unusable rows of the sources are appended.
        check: called with the lines of each opened source.

    Raises:
        ValueError: if a source cannot be opened, or has no line that the reader can learn from. The sources of all
            stages are opened at the start, so that a run does not fail in the middle.
    """
    longest = reader.decoder.config.max_position_embeddings
    collate = LineCollator(processor, longest, reader.encoder.group)
    sources = TrainingSources(arguments, LineFit(processor, longest), left_out)

    def batches(lines: LineDataset, start: int) -> Iterator[dict[str, Any]]:
        sampler = BucketBatchSampler(
            lines,
            processor.image_processor.num_patches,
            budget=arguments.batch_patches * accelerator.num_processes,
            seed=arguments.seed,
        )
        dealt = DealtBatches(sampler, accelerator.process_index, accelerator.num_processes, start)
        return endless_batches(lines, dealt, collate, arguments.num_workers, left_out)

    first = sources.lines(arguments.first_train) if step < arguments.first_steps else None
    main = sources.lines(arguments.train)
    check(sources.opened)
    return _stages(arguments, step, first, main, batches)


def _stages(
    arguments: TrainingArguments,
    step: int,
    first: LineDataset | None,
    main: LineDataset,
    batches: Callable[[LineDataset, int], Iterator[dict[str, Any]]],
) -> Iterator[dict[str, Any]]:
    """Yield the remaining batches of the first stage at `step`, then those of the main stage, endlessly."""
    per_step = arguments.gradient_accumulation
    if first is not None:
        yield from islice(batches(first, step * per_step), (arguments.first_steps - step) * per_step)
    yield from batches(main, max(0, step - arguments.first_steps) * per_step)


class TrainingSources:
    """The sources of a run; a source that is used in both stages is opened once.

    Args:
        arguments: arguments of the run.
        fit: limits of the reader; lines that do not fit are logged.
        left_out: a list to which messages about unusable rows of the sources are appended.
    """

    def __init__(self, arguments: TrainingArguments, fit: LineFit, left_out: list[str] | None = None) -> None:
        self.arguments, self.fit, self.left_out = arguments, fit, left_out
        self.opened: dict[str, LineDataset] = {}

    def lines(self, sources: Sequence[str]) -> LineDataset:
        """Return the lines of the given sources, mixed by weight and, depending on the arguments, augmented.

        Args:
            sources: sources, as path or path:weight.

        Raises:
            ValueError: if a source cannot be opened, or has no line that fits.
        """
        paths, weights = zip(*map(split_source, sources), strict=True)
        datasets = [self._open(path) for path in paths]
        mixed = _mixed(datasets, weights, self.arguments.mixture_power)
        lines: LineDataset = Mixture(datasets, mixed, seed=self.arguments.seed)
        if not self.arguments.augment:
            return lines
        return AugmentedLines(lines, seed=self.arguments.seed, share=self.arguments.augment_share)

    def _open(self, path: str) -> LineDataset:
        if path not in self.opened:
            source = _open(path, "train", self.arguments, self.left_out)
            lines = FittingLines(source, self.fit, self.arguments.train_lines, self.arguments.seed)
            _report(path, lines.problems[len(source.problems) :], len(lines))
            self.opened[path] = lines
        return self.opened[path]


def _mixed(datasets: Sequence[LineDataset], weights: Sequence[float | None], power: float | None) -> list[float] | None:
    """Return the sources' weights in the mixture, or None if they are mixed by their lengths."""
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
        arguments: arguments of the run.
        left_out: a list to which messages about unusable rows of the sources are appended.

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
    try:
        dataset = open_source(path, split, image_column=arguments.image_column, text_column=arguments.text_column)
    except ValueError as error:  # the key that names the source is called as the split
        raise ValueError(str(error).replace("`source`", f"`{split}`", 1)) from error
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
