"""Tables that scripts write into Markdown pages, between two comments that name the table and the script."""

from collections.abc import Iterable, Sequence
from pathlib import Path


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def has_markers(page: Path, name: str, script: str) -> bool:
    """Whether a Markdown file has a place for table `name` of a script."""
    written = page.read_text(encoding="utf-8")
    return all(marker in written for marker in _markers(name, script))


def write_between_markers(page: Path, name: str, script: str, text: str) -> None:
    """Replace what stands between the two comments of table `name` in a Markdown file.

    Args:
        page: the file.
        name: of the table.
        script: path of the script that writes it.
        text: what goes between.

    Raises:
        ValueError: if the file lacks a comment.
    """
    begin, end = _markers(name, script)
    written = page.read_text(encoding="utf-8")
    if begin not in written or end not in written:
        raise ValueError(f"`files`: {page} must hold the lines {begin!r} and {end!r}, which the table goes between.")
    before, rest = written.split(begin, 1)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def _markers(name: str, script: str) -> tuple[str, str]:
    place = Path(script).resolve()
    folders = [folder.name for folder in place.parents]
    inside = reversed(folders[: folders.index("scripts")]) if "scripts" in folders else ()
    return f"<!-- {name}: written by {'/'.join(('scripts', *inside, place.name))} -->", f"<!-- /{name} -->"
