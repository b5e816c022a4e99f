"""What only its author can say of a model, and which names the public is shown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

LANGUAGE = re.compile(r"[a-z]{2,3}|multilingual")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Statement:
    """What is said of a model, or an adapter, beside what can be measured.

    Attributes:
        repo_id: OWNER/NAME on the Hub.
        data: what it learnt from, one phrase a source, with its licence.
        license: of the weights, as the Hub abbreviates it: apache-2.0, cc-by-4.0 …
        languages: ISO 639 codes.
        base: OWNER/NAME of the model that it was trained on.
        evaluations: files that `trocr-gsa evaluate --json` wrote.

    Raises:
        ValueError: if a name is none, or a language is no code.
    """

    repo_id: str
    data: Sequence[str] = ()
    license: str | None = None
    languages: Sequence[str] = ()
    base: str | None = None
    evaluations: Sequence[Path] = ()

    def __post_init__(self) -> None:
        """Check the names."""
        check_repo_id("repo_id", self.repo_id)
        if self.base is not None:
            check_repo_id("base", self.base)
            if self.base == self.repo_id:
                raise ValueError(f"`repo_id` must be another repository than the base's, got {self.base} for both.")
        for language in self.languages:
            if not LANGUAGE.fullmatch(language):
                raise ValueError(f"`language` must be an ISO 639 code such as de, got {language}. Give one at a time.")


def check_repo_id(field: str, name: str) -> None:
    """Refuse what cannot be a repository on the Hub.

    Raises:
        ValueError: naming the field.
    """
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ValueError(f"`{field}` must be OWNER/NAME as on the Hub, got {name}. {error}") from error
    if name.count("/") != 1:
        raise ValueError(f"`{field}` must be OWNER/NAME as on the Hub, got {name}. Whose is it?")


def is_hub_id(name: str) -> bool:
    """Whether a source is named as on the Hub, and no folder here."""
    try:
        check_repo_id("name", name)
    except ValueError:
        return False
    return not Path(name).exists()


def public_name(source: str) -> str:
    """Return OWNER/NAME as it is, and of a path no more than tells it from others."""
    if is_hub_id(source):
        return source
    path = Path(source)
    name = path.name.removesuffix(".parquet")
    return f"{path.parent.name}/{name}" if name in SPLITS and path.parent.name else name
