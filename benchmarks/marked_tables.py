"""Tables that programs write into Markdown files, between two comments that name the table and the program."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trocr_gsa.atomic import write_json

ROOT = Path(__file__).parents[1]


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write_results(numbers: Any, file: Path, table: str, pages: Iterable[Path | None], name: str, script: str) -> None:
    """Print a table, and write it into Markdown files and its numbers to a JSON file.

    Args:
        numbers: what was measured, and its conditions.
        file: JSON file.
        table: the table, or other text.
        pages: Markdown files with the two comments of the table; None: no file.
        name: name of the table.
        script: `__file__` of the program.
    """
    print(table)
    write_json(file, numbers, indent=1)
    for page in pages:
        if page is not None:
            write_between_markers(page, name, script, table)


def has_markers(page: Path, name: str, script: str) -> bool:
    """Return whether a Markdown file has the two comments of table `name` of a program."""
    written = page.read_text(encoding="utf-8")
    return all(marker in written for marker in _markers(name, script))


def write_between_markers(page: Path, name: str, script: str, text: str) -> None:
    """Replace the text between the two comments of table `name` in a Markdown file.

    Args:
        page: path of the Markdown file.
        name: name of the table.
        script: `__file__` of the program that writes the table.
        text: text to write between the comments.

    Raises:
        ValueError: if the file lacks a comment.
    """
    begin, end = _markers(name, script)
    written = page.read_text(encoding="utf-8")
    if begin not in written or end not in written:
        raise ValueError(
            f"`files`: {page} must contain the lines {begin!r} and {end!r}, between which the table is written."
        )
    before, rest = written.split(begin, 1)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def _markers(name: str, script: str) -> tuple[str, str]:
    return f"<!-- {name}: written by {Path(script).relative_to(ROOT).as_posix()} -->", f"<!-- /{name} -->"
