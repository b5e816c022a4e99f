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
    passages: Annotated[
        list[Path] | None,
        typer.Option(help="UTF-8 file of running text, cut into lines; give it again for more.", show_default=False),
    ] = None,
    languages: Annotated[
        str,
        typer.Option(
            help="Whose words to string together, separated by commas.",
            show_default="german, german-old, french, english, italian, latin",
        ),
    ] = "",
    style: Annotated[str, typer.Option(help="What the lines look like: plain, hand, print or typescript.")] = "plain",
    height: Annotated[int, typer.Option(help="Pixels of the pictures' height.")] = 48,
) -> None:
    """Draw lines of text, each fully determined by its seed, and write them with their texts."""
    from trocr_gsa.data.synthetic.corpus import DEFAULT_LANGUAGES, Corpus, TextCorpus
    from trocr_gsa.data.synthetic.fonts import find_fonts
    from trocr_gsa.data.synthetic.passages import PassageCorpus
    from trocr_gsa.data.synthetic.render import LineRenderer, RenderedLines, render_style

    if bool(text) + bool(passages) + bool(languages) > 1:
        raise ValueError("`--text`, `--passages` and `--languages` each say what to write. Give one of them.")
    if passages:
        corpus = PassageCorpus.from_files(passages)
    elif text:
        corpus = TextCorpus.from_file(text)
    else:
        corpus = Corpus(tuple(_names(languages)) or DEFAULT_LANGUAGES)
    renderer = LineRenderer(find_fonts(fonts, _names(only), _names(exclude)), corpus, render_style(style, height))
    write_lines(RenderedLines(renderer, count, first_seed=seed), folder)
    typer.echo(f"{count} lines in {folder}")


def _names(words: str) -> list[str]:
    """What a list with commas names."""
    return [name.strip() for name in words.split(",") if name.strip()]


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
