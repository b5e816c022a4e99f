"""`trocr-gsa render`: draws lines of text with fonts, as an image folder for training and `datasets`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trocr_gsa.data.numbers import to_json

from .messages import interruptible, user_errors
from .progress import progress

if TYPE_CHECKING:
    from trocr_gsa.data.samples import LineSample

METADATA = "metadata.jsonl"


@user_errors()
def render(
    folder: Annotated[Path, typer.Argument(help="Folder to write to; created if missing.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Number of lines.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first line; line n has seed + n.")] = 0,
    fonts: Annotated[
        Path | None, typer.Option(help="Folder with .ttf, .otf or .woff files.", show_default="the system's fonts")
    ] = None,
    only: Annotated[
        str, typer.Option(help="Font families to draw with, separated by commas.", show_default="all found")
    ] = "",
    exclude: Annotated[str, typer.Option(help="Font families to leave out, for example for later tests.")] = "",
    text: Annotated[
        Path | None, typer.Option(help="UTF-8 file with one text per line.", show_default="words of several languages")
    ] = None,
    passages: Annotated[
        list[Path] | None,
        typer.Option(help="UTF-8 file of running text, cut into lines; once for each file.", show_default=False),
    ] = None,
    languages: Annotated[
        str,
        typer.Option(
            help="Languages of the random words, separated by commas.",
            show_default="german, german-old, french, english, italian, latin",
        ),
    ] = "",
    style: Annotated[str, typer.Option(help="Appearance of the lines: plain, hand, print or typescript.")] = "plain",
    height: Annotated[int, typer.Option(help="Height of the images in pixels.")] = 48,
) -> None:
    """Draw lines of text, each determined by its seed, and write the images with their texts."""
    from trocr_gsa.data.synthetic.corpus import DEFAULT_LANGUAGES, Corpus, TextCorpus
    from trocr_gsa.data.synthetic.fonts import find_fonts
    from trocr_gsa.data.synthetic.passages import PassageCorpus
    from trocr_gsa.data.synthetic.render import LineRenderer, RenderedLines, render_style

    if bool(text) + bool(passages) + bool(languages) > 1:
        raise ValueError("`--text`, `--passages` and `--languages` exclude each other. Give one of them.")
    if passages:
        corpus = PassageCorpus.from_files(passages)
    elif text:
        corpus = TextCorpus.from_file(text)
    else:
        corpus = Corpus(tuple(_names(languages)) or DEFAULT_LANGUAGES)
    renderer = LineRenderer(find_fonts(fonts, _names(only), _names(exclude)), corpus, render_style(style, height))
    lines = RenderedLines(renderer, count, first_seed=seed)
    kept = f"{folder} holds a part of the images, and no list of their texts. The same command draws all of them again."
    with interruptible(kept), progress("drawing", count) as meter:
        write_lines(meter.track(lines), folder)
    typer.echo(f"{count} lines in {folder}")


def _names(words: str) -> list[str]:
    """Split a list at its commas."""
    return [name.strip() for name in words.split(",") if name.strip()]


def write_lines(lines: Iterable["LineSample"], folder: Path) -> None:
    """Write lines as an image folder: one PNG per line, and last metadata.jsonl with their texts.

    Raises:
        ValueError: if the folder already contains lines.
    """
    from trocr_gsa.atomic import write_text
    from trocr_gsa.data.sources import find_truths

    if (folder / METADATA).exists() or find_truths(folder):
        raise ValueError(f"`folder`: {folder} already contains lines. Choose another one.")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for line in lines:
        line.image.save(folder / f"{line.name}.png")
        rows.append({"file_name": f"{line.name}.png", "text": line.text, "document": line.document})
    content = "".join(to_json(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / METADATA, content)
