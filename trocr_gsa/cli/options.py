"""Options that several commands share, and the parsing of their values."""

import os
import re
import tempfile
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Annotated, Literal

import typer

from trocr_gsa.data.names import without_slash
from trocr_gsa.data.numbers import is_angle

Adapters = Annotated[
    list[str] | None,
    typer.Option(
        "--adapter",
        metavar="[NAME=]FOLDER",
        help="Folder or Hub id of a LoRA adapter for that model. Several adapters: each with a name.",
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …", show_default="cuda if available")]
Beams = Annotated[
    int,
    typer.Option(
        min=0, max=100, help="Beams of the beam search; 1 is greedy; 0 uses the CTC head alone, which is faster."
    ),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Allow Python code that comes with the model to run."),
]
Precision = Annotated[
    Literal["fp32", "bf16", "int8"],
    typer.Option(help="int8 is faster on CPUs, bf16 on hardware that supports it; a few letters may change."),
]
Split = Annotated[str, typer.Option(help="Split of a source, if it has several.")]
ImageColumn = Annotated[str, typer.Option(help="Column with the images.")]
TextColumn = Annotated[str, typer.Option(help="Column with the texts.")]


def strip_slash(word: str | None) -> str | None:
    """Remove a trailing slash, so that a folder has one name."""
    return None if word is None else without_slash(word)


Model = Annotated[
    str | None,
    typer.Option(help="A checkpoint's folder or Hub id.", show_default="the packaged checkpoint", callback=strip_slash),
]
Adapter = Annotated[
    str | None, typer.Option(help="Folder or Hub id of a LoRA adapter for that model.", callback=strip_slash)
]


def parse_orientation(words: str) -> str | dict[float, float]:
    """Parse `any`, `upright`, `90`, `0,180` or `0:0.9,180:0.1`; angles without probabilities are equally likely.

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
    """Parse degrees separated by commas.

    Raises:
        ValueError: if one is not a number from -360 to 360.
    """
    try:
        angles = [float(word) for word in words.split(",")]
    except ValueError:
        angles = []
    if not angles or not all(map(is_angle, angles)):
        raise ValueError(f"`--angles` must be degrees from -360 to 360, such as 0,90,180,270, got {words}.")
    return angles


def parse_adapters(words: Sequence[str] | None) -> str | dict[str, str] | None:
    """Parse `runs/fr`, one adapter for all files, or `fr=runs/fr` `de=runs/de`, adapters by name.

    The part before the first = is a name if it has no slash and the whole word is not a folder.

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
            "`--adapter`: several adapters must have different names, such as fr=runs/fr de=runs/de, "
            f"got {', '.join(words)}."
        )
    return adapters


def check_parent(option: str, path: Path | None) -> None:
    """Check before the work that a file can be written.

    Raises:
        ValueError: if its folder does not exist, or the file cannot be written there.
    """
    if path is None:
        return
    if not path.absolute().parent.is_dir():
        raise ValueError(f"`{option}`: there is no folder {path.parent}. Create it first.")
    try:
        if not path.exists():
            tempfile.TemporaryFile(dir=path.absolute().parent).close()
        elif not os.access(path, os.W_OK):
            raise PermissionError("it is write-protected")
    except OSError as error:
        raise ValueError(f"`{option}`: {path} cannot be written: {error.strerror or error}. Choose another.") from None


def check_apart(option: str, path: Path | None, inputs: Iterable[object]) -> None:
    """Check before the work that a file to be written replaces no input and no image.

    Args:
        option: the option that names the file.
        path: the file; None: there is none.
        inputs: names of input files, or objects with a `path`; others are ignored.

    Raises:
        ValueError: if it would.
    """
    from trocr_gsa.data.images import PICTURE_SUFFIXES

    if path is None or not path.is_file():
        return
    if path.suffix.lower() in PICTURE_SUFFIXES or any(_is_file(getattr(each, "path", each), path) for each in inputs):
        raise ValueError(f"`{option}`: {path} is an input or a picture, and would be overwritten. Choose another file.")


def _is_file(name: object, path: Path) -> bool:
    try:
        return isinstance(name, str | Path) and os.path.samefile(name, path)
    except (OSError, ValueError):  # there is no such file
        return False


def adapter_of_each(files: Sequence[str], uses: Sequence[str], names: Collection[str]) -> list[str | None]:
    """Return the adapter of each file, None for files that are read without one.

    Args:
        files: image files or page files.
        uses: `PATTERN=NAME`; if several match, the last one counts. * matches anything, / included, and a relative
            pattern may begin at any folder: letters/* are all files in folders named letters and their subfolders.
        names: of the adapters. Without `uses`, a single adapter reads every file.

    Raises:
        ValueError: if a use names no adapter or matches no file, or there are several adapters and no uses.
    """
    if not uses and len(names) < 2:
        return [next(iter(names), None)] * len(files)
    if not uses:
        example = f"--use 'letters/*={next(iter(names))}'"
        raise ValueError(f"`--use` must say which files each of {', '.join(names)} reads, for example {example}.")
    chosen: list[str | None] = [None] * len(files)
    for word in uses:
        pattern, _, name = word.rpartition("=")
        if not pattern or name not in names:
            known = ", ".join(names) or "there are none; name them, as in --adapter fr=runs/fr"
            raise ValueError(f"`--use` must be PATTERN=NAME with the name of an adapter ({known}), got {word}.")
        matching = [index for index, file in enumerate(files) if _matches(file, pattern)]
        if not matching:
            raise ValueError(f"`--use`: {pattern} matches none of the {len(files)} files, the first is {files[0]}.")
        for index in matching:
            chosen[index] = name
    return chosen


def _matches(file: str, pattern: str) -> bool:
    path = PurePath(file).as_posix()
    pattern = pattern.removeprefix("./")
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"*/{pattern}")
