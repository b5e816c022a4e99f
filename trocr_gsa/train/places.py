"""The folders that a run is told of: one name for each, and all of them there before anything is loaded."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trocr_gsa.data.names import may_be_on_hub, shown, without_slash
from trocr_gsa.train.checks import split_source

if TYPE_CHECKING:
    from trocr_gsa.train.arguments import TrainingArguments

FOLDERS = ("model", "pretrained_decoder", "output")
FOLDER_LISTS = ("warm_start",)
SOURCES = ("train", "validation")


def plain_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that name folders, each by one name."""
    plain: dict[str, Any] = {}
    for key in FOLDERS:
        if isinstance(values.get(key), str):
            plain[key] = without_slash(values[key])
    for key in (*FOLDER_LISTS, *SOURCES):
        if isinstance(values.get(key), list):
            plainly = _plain_source if key in SOURCES else without_slash
            plain[key] = [plainly(word) if isinstance(word, str) else word for word in values[key]]
    return plain


def _plain_source(source: str) -> str:
    path, weight = split_source(source)
    return without_slash(path) if weight is None else without_slash(path) + source[len(path) :]


def check_places(arguments: "TrainingArguments") -> None:
    """Refuse folders that are not there.

    Raises:
        ValueError: for the first; the message names the field.
    """
    from trocr_gsa.data.sources import check_source  # whoever reads needs no tables

    for key in SOURCES:
        for source in getattr(arguments, key):
            try:
                check_source(split_source(source)[0], key)
            except ValueError:  # what looks like a weight may be part of the name: 12:30
                check_source(source, key)
    for key in ("model", "pretrained_decoder"):
        check_folder(key, getattr(arguments, key), "a checkpoint's folder")
    for key in FOLDER_LISTS:
        for word in getattr(arguments, key):
            check_folder(key, Path(word), "a checkpoint's folder")


def check_folder(field: str, path: str | Path | None, else_give: str) -> None:
    """Refuse what can only be meant as a folder and is none; any other name may be one on the Hub.

    Raises:
        ValueError: if there is no such folder; the message says what else to give.
    """
    if path is None or os.path.isdir(path):
        return
    if isinstance(path, Path) or not may_be_on_hub(path):
        raise ValueError(
            f"`{field}`: there is no folder {shown(str(path))}. Give {else_give}, or owner/name on the Hub."
        )
