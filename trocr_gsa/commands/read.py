"""`trocr-gsa read`: text out of pictures."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import track

from . import options
from .choices import adapter_of_each
from .messages import LEFT_OUT, say, silence_libraries, user_errors

if TYPE_CHECKING:
    from trocr_gsa.reader import Line

WINDOW = 256  # files between two outputs; inside it, lines of like length are read together


@user_errors()
def read(
    pictures: Annotated[
        list[str], typer.Argument(help="Files, folders, or patterns such as 'scans/**/*.png'.", show_default=False)
    ],
    format: Annotated[
        Literal["text", "jsonl"],
        typer.Option(help="Bare text, or also source, confidence, orientation and adapter."),
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
) -> None:
    """Read pictures of one line each, whichever way up; one line of output a picture, in the order given."""
    from trocr_gsa.reader import LineReader

    silence_libraries()
    prior = options.parse_orientation(orientation)
    options.check_parent("--output", output)
    adapters = options.parse_adapters(adapter)
    files = list(find_pictures(pictures))
    chosen = adapter_of_each(files, use or (), adapters if isinstance(adapters, dict) else ())
    reader = LineReader.from_pretrained(model, adapters, device)
    left_out = 0
    with output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as stream:
        windows = range(0, len(files), WINDOW)
        screen = Console(stderr=True)
        for start in track(windows, "reading", console=screen, disable=output is None or not screen.is_terminal):
            window = slice(start, start + WINDOW)
            for line in reader.read(files[window], prior, beams, adapter=chosen[window]):
                if line.error is None:
                    typer.echo(as_json(line) if format == "jsonl" else line.text, file=stream)
                else:
                    left_out += 1
                    say(f"left out: {line.error}")
    if left_out:
        raise typer.Exit(LEFT_OUT)


def as_json(line: "Line") -> str:
    """Return a line as one JSON object."""
    fields = {
        "source": line.source,
        "text": line.text,
        "confidence": round(line.confidence, 4),
        "orientation": line.orientation,
        "adapter": line.adapter,
    }
    return json.dumps(fields, ensure_ascii=False)


def find_pictures(words: Sequence[str]) -> Iterator[str]:
    """Yield the files that the words mean: a file itself, a folder's pictures, what matches a pattern.

    Raises:
        ValueError: if a folder holds no picture, or a pattern matches nothing.
    """
    for word in words:
        path = Path(word)
        if path.is_dir():
            found = sorted(_pictures_in(path))
        elif any(sign in word for sign in "*?[") and not path.exists():
            found = sorted(name for name in glob(word, recursive=True) if not Path(name).is_dir())
        else:
            found = [word]
        if not found:
            raise ValueError(f"`pictures`: {word} holds no picture. Give files, folders of pictures, or patterns.")
        yield from found


def _pictures_in(folder: Path) -> Iterator[str]:
    from trocr_gsa.data.sources import PICTURE_SUFFIXES

    return (str(path) for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
