"""`trocr-gsa render`: lines of text drawn with fonts, as a folder that training and `datasets` read."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trocr_gsa.data.numbers import to_json

from .messages import user_errors

if TYPE_CHECKING:
    from trocr_gsa.data.samples import LineSample

METADATA = "metadata.jsonl"


@user_errors()
def render(
    folder: Annotated[Path, typer.Argument(help="Folder to write to; made if it is not there.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Number of lines.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the first line; line n is that of seed + n.")] = 0,
    fonts: Annotated[
        Path | None, typer.Option(help="Folder with .ttf, .otf or .woff files.", show_default="the system's fonts")
    ] = None,
    only: Annotated[
        str, typer.Option(help="Font families to draw with, separated by commas.", show_default="all found")
    ] = "",
    exclude: Annotated[str, typer.Option(help="Families to leave out, to test on them later.")] = "",
    text: Annotated[
        Path | None, typer.Option(help="UTF-8 file, one text a line.", show_default="words of several languages")
    ] = None,
    height: Annotated[int, typer.Option(help="Pixels of the pictures' height.")] = 48,
) -> None:
    """Draw lines of text, each fully determined by its seed, and write them with their texts."""
    from trocr_gsa.data.corpus import TextCorpus
    from trocr_gsa.data.fonts import find_fonts
    from trocr_gsa.data.render import LineRenderer, RenderedLines, RenderStyle

    corpus = TextCorpus.from_file(text) if text else None
    families = ([name.strip() for name in names.split(",") if name.strip()] for names in (only, exclude))
    renderer = LineRenderer(find_fonts(fonts, *families), corpus, RenderStyle(height=height))
    write_lines(RenderedLines(renderer, count, first_seed=seed), folder)
    typer.echo(f"{count} lines in {folder}")


def write_lines(lines: Iterable["LineSample"], folder: Path) -> None:
    """Write lines as an imagefolder: a PNG each, and their texts in metadata.jsonl, which comes last.

    Raises:
        ValueError: if the folder holds lines already.
    """
    from trocr_gsa.atomic import write_text

    if (folder / METADATA).exists():
        raise ValueError(f"`folder`: {folder} already holds lines. Choose another one.")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for line in lines:
        line.image.save(folder / f"{line.name}.png")
        rows.append({"file_name": f"{line.name}.png", "text": line.text, "document": line.document})
    content = "".join(to_json(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / METADATA, content)
