"""`trocr-gsa pages`: PAGE files as ALTO, ALTO files as PAGE, with the texts that they have."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .inputs import check_targets
from .messages import LEFT_OUT, interruptible, report_left_out, report_notes, user_errors
from .progress import progress

if TYPE_CHECKING:
    from trocr_gsa.data.pages import PageFile


@user_errors()
def pages(
    source: Annotated[Path, typer.Argument(help="A PAGE or ALTO file, or a folder of them.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder to write to.", show_default=False, file_okay=False)],
    to: Annotated[Literal["page", "alto"], typer.Option(help="Format of the new files.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Write pages in the other format: regions, lines and words with their places, texts and confidences."""
    from trocr_gsa.data.pages import find_pages
    from trocr_gsa.data.pages.page_files import are_companions

    if not source.exists():
        raise ValueError(f"`source`: there is no folder or file {source}. Check the path.")
    if out.resolve() == (source if source.is_dir() else source.parent).resolve():
        raise ValueError(f"`out`: {out} is the folder of the source. Choose another folder.")
    inside = [file for file in find_pages(source) if not file.path.resolve().is_relative_to(out.resolve())]
    targets = {file: out / Path(file.name).with_suffix(".xml") for file in inside}
    check_targets(((file, target) for file, target in targets.items() if not are_companions([file])), "out")
    todo = [file for file in inside if overwrite or not targets[file].exists()]
    problems: list[str] = []
    kept = f"the finished pages are in {out}. The same command continues."
    with interruptible(kept), progress("converting", len(todo), unit="pages") as meter:
        count = sum(_convert(file, targets[file], to.upper(), problems) for file in meter.track(todo))
    kept = len(inside) - len(todo)
    if not (count or kept or problems):
        raise ValueError(f"`source`: {source} contains no PAGE or ALTO file. Give such files, or a folder of them.")
    if kept:
        report_notes([f"{kept} files exist already and were not changed; --overwrite replaces them."])
    typer.echo(f"{out}: {count} pages")
    report_left_out(problems)
    if problems:
        raise typer.Exit(LEFT_OUT)


def _convert(file: "PageFile", target: Path, kind: str, problems: list[str]) -> bool:
    """Write a page in the other format; return whether it was written, and append errors to `problems`."""
    from trocr_gsa.atomic import remove_leftovers, write_bytes
    from trocr_gsa.data.pages import PageError
    from trocr_gsa.data.pages.conversion import convert_page, in_pixels
    from trocr_gsa.data.pages.page_files import named_errors

    try:
        page = in_pixels(file)
        if page is None:
            return False
        with named_errors(file.name):
            content, dropped = convert_page(page, kind)
    except PageError as error:
        problems.append(str(error))
        return False
    remove_leftovers(target.parent)
    write_bytes(target, content)
    if dropped:
        report_notes([f"{page.name}: {kind} has no place for {', '.join(dropped)}."])
    return True
