"""Checks of the arguments of `LineReader`, before a file is opened or an image is read."""

import os
from collections.abc import Iterable, Mapping
from numbers import Integral

from trocr_gsa.model.orientation import Orientation, orientation_bias

from .backend import Backend
from .decoding import check_abilities
from .language_model import LanguageModel
from .pictures import Picture


def check_count(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is not a whole number in a range.

    Raises:
        ValueError: naming the argument.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise ValueError(f"`{name}` must be a whole number in {low} … {high}, got {value!r}.")


def check_pictures(images: object) -> None:
    """Refuse a single picture, or what is no list.

    Raises:
        ValueError: naming `images`.
    """
    if isinstance(images, Picture):
        raise ValueError("`images` must be a list of pictures, got one. Write reader.read([picture])[0].")
    if not isinstance(images, Iterable):
        raise ValueError(f"`images` must be a list of pictures, got a {type(images).__name__}.")


def check_reading(
    model: Backend, orientation: Orientation, num_beams: int, with_words: bool, language_model: LanguageModel | None
) -> None:
    """Refuse arguments that do not fit the model, also where no image would be read.

    Raises:
        ValueError: naming the argument.
    """
    orientation_bias(orientation, model.encoder.group)
    if language_model is not None and not callable(getattr(language_model, "choose", None)):
        raise ValueError(
            f"`language_model` must have a method `choose`, as a `CharacterModel` has, got {language_model!r}."
        )
    check_abilities(model, num_beams, with_words, language_model)


def check_sources(path: object, adapter: object) -> None:
    """Refuse a model or adapters that are not given as paths or names.

    Raises:
        ValueError: naming the argument.
    """
    if path is not None and not _is_source(path):
        raise ValueError(f"`path` must be a folder or Hub id, or None for the packaged checkpoint, got {path!r}.")
    named = adapter if isinstance(adapter, Mapping) else {} if adapter is None else {"one": adapter}
    if not all(isinstance(name, str) and _is_source(source) for name, source in named.items()):
        raise ValueError(
            "`adapter` must be a folder, a Hub id or the name of a packaged adapter, or a dictionary "
            f'{{"name": "folder"}} of several, got {adapter!r}.'
        )


def _is_source(source: object) -> bool:
    return isinstance(source, str | os.PathLike)
