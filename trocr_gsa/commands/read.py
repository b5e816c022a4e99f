"""`trocr-gsa read`: text out of pictures."""

import csv
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import track

from . import options
from .choices import adapter_of_each
from .inputs import find_pictures
from .messages import LEFT_OUT, say, silence_libraries, user_errors
from .read_pages import PageOptions, find_page_files, read_pages
from .segment_pages import find_scan_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from trocr_gsa.reader import Line, LineReader

FIELDS = ("source", "text", "confidence", "orientation", "adapter")
WINDOW = 256  # files between two outputs; inside it, lines of like length are read together


@user_errors()
def read(
    pictures: Annotated[
        list[str],
        typer.Argument(
            help="Pictures of lines, or pages (PAGE, ALTO; with --segment also pictures and PDFs): files, folders, "
            "patterns such as 'scans/**/*.png'.",
            show_default=False,
        ),
    ],
    format: Annotated[
        Literal["text", "jsonl", "csv", "page", "alto", "hocr"],
        typer.Option(
            help="Bare text; or also source, confidence, orientation and adapter; of pages, the file itself, filled in."
        ),
    ] = "text",
    output: Annotated[
        Path | None, typer.Option(help="File to write to.", dir_okay=False, show_default="standard output")
    ] = None,
    model: options.Model = None,
    adapter: options.Adapters = None,
    use: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN=NAME",
            help="Files that a named adapter reads, such as 'letters/*=fr'; of several that match, the last. Other "
            "files are read without. Not needed with one adapter: it reads all.",
        ),
    ] = None,
    orientation: Annotated[
        str,
        typer.Option(help="any; upright; the angles that occur, 0,180; with their odds, 0:0.9,180:0.1."),
    ] = "any",
    device: options.Device = None,
    beams: options.Beams = 1,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            help="Of pages: folder for a file a page. Pages that have theirs already are passed over.",
            file_okay=False,
        ),
    ] = None,
    suffix: Annotated[
        str | None, typer.Option(help="Ending of these files, such as .read.xml.", show_default="the format's")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Read pages again that were read before.")] = False,
    segment: Annotated[
        bool, typer.Option("--segment", help="Pictures are of pages: find their lines first, with kraken.")
    ] = False,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Of pages: lines less sure keep what they had, and are listed.")
    ] = 0.0,
) -> None:
    """Read pictures of one line each, or whole pages line by line, whichever way up, in the order given."""
    from trocr_gsa.exported import open_reader

    silence_libraries()
    prior = options.parse_orientation(orientation)
    options.check_parent("--output", output)
    adapters = options.parse_adapters(adapter)
    page_options = PageOptions(format, output, output_dir, suffix, overwrite, min_confidence)
    page_options.check()
    pages, problems = find_scan_files(pictures) if segment else (find_page_files(pictures), [])
    if pages is not None:

        def load() -> "LineReader":
            return open_reader(model, adapters, device)

        read_pages(pages, page_options, use or (), adapters, load, prior, beams, problems)
        return
    page_options.refuse()
    files = list(find_pictures(pictures))
    chosen = adapter_of_each(files, use or (), adapters if isinstance(adapters, dict) else ())
    reader = open_reader(model, adapters, device)
    left_out = 0
    with output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as stream:
        windows = range(0, len(files), WINDOW)
        screen = Console(stderr=True)
        write = writer(format, stream)
        for start in track(windows, "reading", console=screen, disable=output is None or not screen.is_terminal):
            window = slice(start, start + WINDOW)
            for line in reader.read(files[window], prior, beams, adapter=chosen[window]):
                if line.error is None:
                    write(line)
                else:
                    left_out += 1
                    say(f"left out: {line.error}")
    if left_out:
        raise typer.Exit(LEFT_OUT)


def writer(format: str, stream: Any) -> "Callable[[Line], object]":
    """Return what writes a line in a format, once it has written what stands above all lines."""
    if format == "text":
        return lambda line: typer.echo(line.text, file=stream)
    if format == "jsonl":
        return lambda line: typer.echo(json.dumps(as_fields(line), ensure_ascii=False), file=stream)
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(FIELDS)
    return lambda line: table.writerow(as_fields(line).values())


def as_fields(line: "Line") -> dict[str, Any]:
    """Return what is told of a line."""
    values = (line.source, line.text, round(line.confidence, 4), line.orientation, line.adapter)
    return dict(zip(FIELDS, values, strict=True))
