"""The author's statements about a model, and the names that are shown to the public."""

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
    """The author's statements about a model or an adapter, which cannot be measured.

    Attributes:
        repo_id: OWNER/NAME on the Hub.
        data: training data, one phrase per source, with its licence.
        license: licence of the weights, with the Hub's abbreviation: apache-2.0, cc-by-4.0 …
        languages: ISO 639 codes.
        base: OWNER/NAME of the base model.
        evaluations: files written by `trocr-gsa evaluate --json`.

    Raises:
        ValueError: if a name or a language code is not valid.
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
    """Check that a name can be a repository on the Hub.

    Raises:
        ValueError: if it cannot; the field is named.
    """
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ValueError(f"`{field}` must be OWNER/NAME as on the Hub, got {name}. {error}") from error
    if name.count("/") != 1:
        raise ValueError(f"`{field}` must be OWNER/NAME as on the Hub, got {name}. Add the owner.")


def is_hub_id(name: str) -> bool:
    """Whether a source has the form of a name on the Hub and is not a local folder."""
    try:
        check_repo_id("name", name)
    except ValueError:
        return False
    return not Path(name).exists()


def public_name(source: str) -> str:
    """Return OWNER/NAME unchanged, and of a path only the last part, or the last two for a split."""
    if is_hub_id(source):
        return source
    path = Path(source)
    name = path.name.removesuffix(".parquet")
    return f"{path.parent.name}/{name}" if name in SPLITS and path.parent.name else name
