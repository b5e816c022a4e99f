"""Which adapter reads which file."""

import os
import re
import tempfile
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Annotated, Literal

import typer

from trocr_gsa.data.names import without_slash

Adapters = Annotated[
    list[str] | None,
    typer.Option(
        "--adapter",
        metavar="[NAME=]FOLDER",
        help="A LoRA adapter's folder or Hub id, trained on that model. Several at once: each with a name.",
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …", show_default="cuda where there is some")]
Beams = Annotated[
    int,
    typer.Option(min=0, help="Texts followed side by side; 1 reads greedily, 0 does without the decoder: faster."),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run Python code that comes with the model; never without this word."),
]
Precision = Annotated[
    Literal["fp32", "bf16", "int8"],
    typer.Option(help="int8 is faster on a CPU, bf16 on machines that multiply in it; a few letters may change."),
]
Split = Annotated[str, typer.Option(help="Part of a source that has parts.")]
ImageColumn = Annotated[str, typer.Option(help="Column that holds the pictures.")]
TextColumn = Annotated[str, typer.Option(help="Column that holds the texts.")]


def one_name(word: str | None) -> str | None:
    """Return a folder's name by which it is known with and without a slash behind it."""
    return None if word is None else without_slash(word)


Model = Annotated[
    str | None,
    typer.Option(help="A checkpoint's folder or Hub id.", show_default="the packaged checkpoint", callback=one_name),
]
Adapter = Annotated[
    str | None, typer.Option(help="A LoRA adapter's folder or Hub id, trained on that model.", callback=one_name)
]


def parse_orientation(words: str) -> str | dict[float, float]:
    """Understand `any`, `upright`, `90`, `0,180` or `0:0.9,180:0.1`; angles without a probability are as likely.

    Raises:
        ValueError: if it is none of these.
    """
    if words in ("any", "upright"):
        return words
    try:
        pairs = [word.partition(":") for word in words.split(",")]
        return {float(angle): float(probability or 1) for angle, _, probability in pairs}
    except ValueError:
        raise ValueError(
            f"`--orientation` must be any, upright, degrees such as 0,180, or 0:0.9,180:0.1, got {words}."
        ) from None


def parse_angles(words: str) -> list[float]:
    """Understand degrees separated by commas.

    Raises:
        ValueError: if one is no number.
    """
    try:
        return [float(word) for word in words.split(",")]
    except ValueError:
        raise ValueError(f"`--angles` must be degrees such as 0,90,180,270, got {words}.") from None


def parse_adapters(words: Sequence[str] | None) -> str | dict[str, str] | None:
    """Understand `runs/fr`, one adapter for everything, or `fr=runs/fr` `de=runs/de`, adapters by name.

    What stands before the first = is a name if it could be one and the whole is no folder.

    Raises:
        ValueError: if one of several has no name, or two have the same.
    """
    if not words:
        return None
    words = list(map(without_slash, words))
    parts = [re.fullmatch(r"([^=/\\]*)=(.*)", word) for word in words]
    named = [part for word, part in zip(words, parts, strict=True) if part and not Path(word).is_dir()]
    if len(words) == 1 and not named:
        return words[0]
    adapters = {part[1]: part[2] for part in named}
    if len(adapters) < len(words):
        raise ValueError(
            "`--adapter`: several adapters need a name each, such as fr=runs/fr, no two the same; "
            f"got {', '.join(words)}."
        )
    return adapters


def check_parent(option: str, path: Path | None) -> None:
    """Refuse a file that could not be written, before the work rather than after it.

    Raises:
        ValueError: if its folder does not exist, or the file cannot be written there.
    """
    if path is None:
        return
    if not path.absolute().parent.is_dir():
        raise ValueError(f"`{option}`: there is no folder {path.parent}. Make it first.")
    try:
        if not path.exists():
            tempfile.TemporaryFile(dir=path.absolute().parent).close()
        elif not os.access(path, os.W_OK):
            raise PermissionError("it may not be changed")
    except OSError as error:
        raise ValueError(f"`{option}`: {path} cannot be written: {error.strerror or error}. Choose another.") from None


def adapter_of_each(files: Sequence[str], uses: Sequence[str], names: Collection[str]) -> list[str | None]:
    """Return the adapter of each file, None where it is read without.

    Args:
        files: the pictures.
        uses: `PATTERN=NAME`, a later one overruling those before. * stands for anything, / included, and a pattern that
            is no absolute path may begin at any folder: letters/* are the files below every folder named letters.
        names: of the adapters. One alone, and no `uses`: it reads every file.

    Raises:
        ValueError: if a word names no adapter or matches no file, or several adapters are left without a word.
    """
    if not uses and len(names) < 2:
        return [next(iter(names), None)] * len(files)
    if not uses:
        example = f"--use 'letters/*={next(iter(names))}'"
        raise ValueError(f"`--use` must say which files each of {', '.join(names)} reads, such as {example}.")
    chosen: list[str | None] = [None] * len(files)
    for word in uses:
        pattern, _, name = word.rpartition("=")
        if not pattern or name not in names:
            known = ", ".join(names) or "none: name them, --adapter fr=runs/fr"
            raise ValueError(f"`--use` must be PATTERN=NAME with the name of an adapter ({known}), got {word}.")
        matching = [index for index, file in enumerate(files) if _matches(file, pattern)]
        if not matching:
            raise ValueError(f"`--use`: {pattern} matches none of the {len(files)} pictures, such as {files[0]}.")
        for index in matching:
            chosen[index] = name
    return chosen


def _matches(file: str, pattern: str) -> bool:
    path = PurePath(file).as_posix()
    pattern = pattern.removeprefix("./")
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"*/{pattern}")
