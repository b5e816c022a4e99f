"""`trocr-gsa evaluate`: how well a reader reads, on which set, at which angle."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from . import options
from .messages import LEFT_OUT, report_left_out, show, silence_libraries, user_errors

if TYPE_CHECKING:
    from trocr_gsa.data.samples import LineDataset, LineSample
    from trocr_gsa.train.evaluation import SummaryRow


@user_errors()
def evaluate(
    sources: Annotated[
        list[str], typer.Argument(help="Folders of lines, .parquet files, datasets on the Hub.", show_default=False)
    ],
    split: options.Split = "test",
    angles: Annotated[str, typer.Option(help="Degrees counter-clockwise by which every line is turned.")] = (
        "0,90,180,270"
    ),
    lines: Annotated[
        int | None, typer.Option(min=1, help="Lines of each source, drawn by chance.", show_default="all")
    ] = None,
    model: options.Model = None,
    adapter: options.Adapter = None,
    device: options.Device = None,
    beams: options.Beams = 1,
    translation: Annotated[bool, typer.Option("--translation", help="The texts are translations: add chrF, BLEU.")] = (
        False
    ),
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the numbers, unrounded.", dir_okay=False)
    ] = None,
    image_column: options.ImageColumn = "image",
    text_column: options.TextColumn = "text",
) -> None:
    """Read labelled lines at several angles: error rates with 95 % intervals, orientation, speed."""
    from trocr_gsa.data.sources import open_source
    from trocr_gsa.reader import LineReader
    from trocr_gsa.train.evaluation import evaluate

    silence_libraries()
    turns = options.parse_angles(angles)
    options.check_parent("--json", json_file)
    opened = {source: open_source(source, split, image_column, text_column) for source in sources}
    reader = LineReader.from_pretrained(model, adapter, device)
    rows: list[SummaryRow] = []
    problems: list[str] = []
    with Console(stderr=True).status("") as status:
        for source, dataset in opened.items():
            samples, unusable = readable_lines(dataset, lines, reader.processor.image_processor)
            problems += [f"{source}: {problem}" for problem in unusable]
            status.update(f"reading {source}")
            for row, _ in evaluate(reader.model, reader.processor, source, samples, turns, beams, translation):
                rows.append(row)
    show(table(rows))
    if json_file:
        numbers = {"model": reader.model.name_or_path, "adapter": adapter, "rows": [asdict(row) for row in rows]}
        json_file.write_text(json.dumps(numbers, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    report_left_out(problems)
    if problems:
        raise typer.Exit(LEFT_OUT)


def readable_lines(
    dataset: "LineDataset", count: int | None, image_processor: Any
) -> tuple[list["LineSample"], list[str]]:
    """Return at most `count` of a dataset's lines, the same ones each time, and why others had to be left out."""
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
            problems.append(f"{sample.name}: the picture is too long for this reader. Cut the line.")
        else:
            samples.append(sample)
    return samples, problems


def table(rows: Iterable["SummaryRow"]) -> Table:
    """Return the rows as a table for people; a line of its own between two sets."""
    rows = list(rows)
    translated = any(row.chrf is not None for row in rows)
    drawn = Table("set", "angle", "lines", "CER %", "WER %", "way up %", "lines/s", *(["chrF", "BLEU"] * translated))
    drawn.columns[0].overflow = "fold"
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        drawn.add_row(
            row.name,
            f"{row.angle:g}°",
            str(row.lines),
            _with_interval(row.cer, row.cer_low, row.cer_high),
            _with_interval(row.wer, row.wer_low, row.wer_high),
            f"{100 * row.orientation_accuracy:.1f}",
            f"{row.lines_per_second:.1f}",
            *(f"{score:.1f}" for score in (row.chrf, row.bleu) if score is not None),
            end_section=following is None or following.name != row.name,
        )
    return drawn


def _with_interval(rate: float, low: float, high: float) -> str:
    return f"{100 * rate:.2f} ({100 * low:.1f}–{100 * high:.1f})"
