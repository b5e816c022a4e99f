"""`trocr-gsa evaluate`: measures error rates by set and angle."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from . import options
from .messages import (
    LEFT_OUT,
    interruptible,
    report_left_out,
    report_notes,
    show,
    silence_libraries,
    user_errors,
)
from .progress import progress

if TYPE_CHECKING:
    from trocr_gsa.data.samples import LineDataset, LineSample
    from trocr_gsa.evaluation.report import About, SetReading
    from trocr_gsa.metrics.summary_row import SummaryRow
    from trocr_gsa.reader import LineReader

NORMALIZATIONS = {
    "none": "compared as they are (after Unicode composition, without outer spaces)",
    "policy": "compared by the transcription policy (--normalize policy)",
    "letters": "compared by the transcription policy, with ſ, quotes and dashes folded (--normalize letters)",
}


@user_errors()
def evaluate(
    sources: Annotated[
        list[str], typer.Argument(help="Folders of lines, .parquet files, datasets on the Hub.", show_default=False)
    ],
    split: options.Split = "test",
    angles: Annotated[str, typer.Option(help="Degrees counter-clockwise by which every line is rotated.")] = (
        "0,90,180,270"
    ),
    lines: Annotated[
        int | None, typer.Option(min=1, help="Number of lines of each source, drawn at random.", show_default="all")
    ] = None,
    model: options.Model = None,
    adapter: options.Adapters = None,
    device: options.Device = None,
    beams: options.Beams = 1,
    normalize: Annotated[
        Literal["none", "policy", "letters"],
        typer.Option(help="Fold texts before comparing: by the transcription policy, or also ſ, quotes and dashes."),
    ] = "none",
    translation: Annotated[bool, typer.Option("--translation", help="The texts are translations: add chrF, BLEU.")] = (
        False
    ),
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the unrounded numbers.", dir_okay=False)
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="HTML file for a report: figures, documents, confusions, worst lines.", dir_okay=False),
    ] = None,
    image_column: options.ImageColumn = "image",
    text_column: options.TextColumn = "text",
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Read labelled lines at several angles, and print error rates with 95 % intervals, orientation accuracy and speed.

    With several named adapters, the model alone and each adapter are compared.
    """
    from trocr_gsa.atomic import write_json
    from trocr_gsa.data.names import without_slash, writable
    from trocr_gsa.data.sources import open_source
    from trocr_gsa.evaluation.evaluate import evaluate
    from trocr_gsa.evaluation.report import SetReading, write_report
    from trocr_gsa.reader import LineReader

    silence_libraries()
    turns, adapters = options.parse_angles(angles), options.parse_adapters(adapter)
    check_outputs(json_file, report, sources)
    named = {writable(without_slash(source)): source for source in sources}
    opened, problems = open_all(named, lambda source: open_source(source, split, image_column, text_column))
    for source, dataset in opened.items():
        report_notes(f"{source}: {note}" for note in dataset.notes)
    reader = LineReader.from_pretrained(model, adapters, device, trust_remote_code=trust_remote_code)
    samples: dict[str, list[LineSample]] = {}
    for source, dataset in opened.items():
        readable, unusable = readable_lines(dataset, lines, reader.processor.image_processor)
        problems += [f"{source}: {problem}" for problem in unusable]
        if readable:
            samples[source] = readable
    if not samples:
        raise ValueError(f"`sources` have no line that can be read. First problem: {problems[0]}")
    measured: dict[str | None, list[SummaryRow]] = {}
    readings: dict[str | None, list[SetReading]] = {}
    total = sum(map(len, samples.values())) * len(turns) * (1 + len(reader.adapters))
    with interruptible("nothing is kept. --lines N evaluates fewer lines."), progress("reading", total) as meter:
        for name, each in readers(reader):
            measured[name], readings[name] = [], []
            for source in samples:
                settings_of = (samples[source], turns, beams, translation, normalize, meter.advance)
                found = list(evaluate(each.model, each.processor, source, *settings_of))
                measured[name] += [row for row, _ in found]
                readings[name].append(SetReading(source, found))
    if json_file:
        numbers = {"model": reader.model.name_or_path, "normalize": normalize} | as_json(measured, adapters)
        write_json(json_file, numbers)
    if report:
        settings = {"Split": split, "Lines of each set": str(lines or "all"), "Beams": str(beams)}
        settings["Texts"] = NORMALIZATIONS[normalize]
        named = model or "the packaged reader"
        write_report(report, by_name(readings, adapters), about(reader, named, adapters, settings, problems))
    show(table(measured, normalize))
    report_left_out(problems)
    if problems:
        raise typer.Exit(LEFT_OUT)


def check_outputs(json_file: Path | None, report: Path | None, sources: Sequence[str]) -> None:
    """Check before the work that the files can be written, and replace neither an input nor each other.

    Raises:
        ValueError: if they cannot, or would.
    """
    for option, path in (("--json", json_file), ("--report", report)):
        options.check_parent(option, path)
        options.check_apart(option, path, sources)
    if json_file is not None and report is not None and json_file.absolute() == report.absolute():
        raise ValueError(f"`--json` and `--report` are both {report}. Give each a file of its own.")


def open_all(
    named: Mapping[str, str], open_one: "Callable[[str], LineDataset]"
) -> "tuple[dict[str, LineDataset], list[str]]":
    """Open sources by their names; return those that can be opened, and a message for each of the others.

    Raises:
        ValueError: if none can be opened.
    """
    opened: dict[str, LineDataset] = {}
    problems: list[str] = []
    for name, source in named.items():
        try:
            opened[name] = open_one(source)
        except (ValueError, OSError) as error:
            problems.append(" ".join(str(error).split()))
    if not opened:
        raise ValueError("; ".join(problems))
    return opened, problems


def readers(reader: "LineReader") -> "Iterator[tuple[str | None, LineReader]]":
    """Yield the reader without an adapter, then merged with each of its adapters."""
    yield None, reader
    for name in reader.adapters:
        yield name, reader.merged(name)


def as_json(
    measured: "Mapping[str | None, Sequence[SummaryRow]]", adapters: str | dict[str, str] | None
) -> dict[str, Any]:
    """Return `adapter` and `rows`; for named adapters, a list of these under `adapters`, the model alone first."""
    from trocr_gsa.checkpoints.results import recorded_name

    rows = {
        name: [asdict(row) | {"name": recorded_name(row.name)} for row in found] for name, found in measured.items()
    }
    if not isinstance(adapters, dict):
        return {"adapter": adapters and recorded_name(adapters), "rows": rows[None]}
    sources = {None: None} | {name: recorded_name(source) for name, source in adapters.items()}
    return {"adapters": [{"name": name, "adapter": sources[name], "rows": rows[name]} for name in rows]}


def by_name(
    readings: "Mapping[str | None, Sequence[SetReading]]", adapters: str | dict[str, str] | None
) -> "dict[str, Sequence[SetReading]]":
    """Return the readings by the names that the report uses for the readers."""
    alone = f"with {adapters}" if isinstance(adapters, str) else "the model alone"
    return {name or alone: each for name, each in readings.items()}


def about(
    reader: "LineReader",
    model: str,
    adapters: str | dict[str, str] | None,
    settings: dict[str, str],
    problems: Sequence[str],
) -> "About":
    """Return the head of the report."""
    from trocr_gsa.evaluation.report import About

    config, group = reader.model.config, reader.model.encoder.group
    return About(
        model=model,
        command=shlex.join(["trocr-gsa", *sys.argv[1:]]),
        group=group.name,
        poses=group.angles,
        temperature=config.confidence_temperature,
        adapters=adapters if isinstance(adapters, dict) else {"": adapters} if adapters else {},
        settings=settings | {"Device": str(reader.model.device)},
        left_out=problems,
    )


def readable_lines(
    dataset: "LineDataset", count: int | None, image_processor: Any
) -> tuple[list["LineSample"], list[str]]:
    """Return at most `count` lines of a dataset, the same ones each time, and messages about unusable lines."""
    import numpy as np

    from trocr_gsa.data.images import ImageError

    chosen = np.random.default_rng(0).permutation(len(dataset))[:count] if count else np.arange(len(dataset))
    samples, problems = [], list(dataset.problems)
    for index in chosen.tolist():
        try:
            sample = dataset[index]
        except ImageError as error:
            problems.append(str(error))
            continue
        if image_processor.num_patches(*sample.image.size) > image_processor.max_patches:
            problems.append(f"{sample.name}: the image is too long for this reader. Cut the line.")
        else:
            samples.append(sample)
    return samples, problems


def table(measured: "Mapping[str | None, Sequence[SummaryRow]]", normalize: str = "none") -> Table:
    """Return the rows as a table to print, adapters next to each other, with a rule between two sets."""
    rows = [pair for side in zip(*measured.values(), strict=True) for pair in zip(measured, side, strict=True)]
    translated, several = any(row.chrf is not None for _, row in rows), len(measured) > 1
    printed = Table("set", "angle", *["adapter"] * several, "lines", "CER %", "WER %", "way up %", "lines/s",
                  *(["chrF", "BLEU"] * translated),
                  caption=None if normalize == "none" else f"texts {NORMALIZATIONS[normalize]}")  # fmt: skip
    printed.columns[0].overflow = "fold"
    for (name, row), (_, following) in zip(rows, [*rows[1:], (None, None)], strict=True):
        printed.add_row(
            row.name,
            f"{row.angle:g}°",
            *[name or "none"] * several,
            str(row.lines),
            _with_interval(row.cer, row.cer_low, row.cer_high),
            _with_interval(row.wer, row.wer_low, row.wer_high),
            f"{100 * row.orientation_accuracy:.1f}",
            f"{row.lines_per_second:.1f}",
            *(f"{score:.1f}" for score in (row.chrf, row.bleu) if score is not None),
            end_section=following is None or following.name != row.name,
        )
    return printed


def _with_interval(rate: float, low: float, high: float) -> str:
    return f"{100 * rate:.2f} ({100 * low:.1f}–{100 * high:.1f})"
