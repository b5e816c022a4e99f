"""`trocr-gsa compile`: writes the lines of any source into one Parquet file, which training reads faster."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .messages import LEFT_OUT, interruptible, report_left_out, report_notes, silence_libraries, user_errors
from .progress import progress


@user_errors()
def compile(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of lines or pages (PAGE, ALTO), a .parquet file, or a dataset on the Hub.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Argument(help="The .parquet file to write.", show_default=False)],
    split: options.Split = "train",
    line_height: Annotated[int, typer.Option(help="Height of the line images in pixels.")] = 48,
    image_column: options.ImageColumn = "image",
    text_column: options.TextColumn = "text",
) -> None:
    """Write the lines of a source into one file, with images at training height."""
    from trocr_gsa.data.compile import compile_lines
    from trocr_gsa.data.sources import open_source

    silence_libraries()
    options.check_apart("out", out, [source])
    lines = open_source(source, split, image_column, text_column)
    with interruptible(f"{out} was not written. The same command starts again."):
        with progress("compiling", len(lines)) as meter:
            report = compile_lines(lines, out, line_height, advance=meter.advance)
    typer.echo(f"{report.lines} lines in {report.path}")
    report_notes(lines.notes)
    report_left_out(report.problems)
    if report.problems:
        raise typer.Exit(LEFT_OUT)
