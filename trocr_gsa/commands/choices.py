"""Which adapter reads which file."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePath


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
