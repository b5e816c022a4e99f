"""results.json: the file beside a checkpoint's weights with the training data, settings and error rates.

What is unusual: the base model is also recorded by the SHA-256 of its weights, so that an adapter recognises it under
any path.
"""

import hashlib
import os
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from trocr_gsa.atomic import write_json
from trocr_gsa.data.names import split_source
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.model.weight_files import find_file, read_json

from .typed_fields import check_types

RESULTS_FILE = "results.json"
SOURCES = ("train", "validation", "model", "pretrained_decoder", "warm_start")  # settings that may name a path
WEIGHTS_FILE = "model.safetensors"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Results:
    """Results of one checkpoint.

    Attributes:
        base: name or path of the checkpoint from which training started; None: random initialization.
        base_sha256: SHA-256 of the base's model.safetensors, in hexadecimal; None if there is no such file.
        train: the training sources, as given.
        settings: all training arguments.
        steps: number of training steps.
        minutes: duration of training.
        rows: error rates on the validation lines, one row per set and angle; may be empty.
    """

    base: str | None
    base_sha256: str | None
    train: list[str]
    settings: dict[str, Any]
    steps: int
    minutes: float
    rows: list[SummaryRow]

    def write(self, folder: Path) -> None:
        """Write results.json into the folder of a checkpoint."""
        write_json(folder / RESULTS_FILE, asdict(self))

    def with_absolute_paths(self) -> Self:
        """Return these results with absolute paths, which do not depend on the working directory."""
        named = {key: self.settings[key] for key in SOURCES if self.settings.get(key)}
        recorded = {
            key: [recorded_name(each) for each in value] if isinstance(value, list) else recorded_name(value)
            for key, value in named.items()
        }
        if "output" in self.settings:
            recorded["output"] = os.path.abspath(self.settings["output"])
        return replace(
            self,
            base=self.base and recorded_name(self.base),
            train=[recorded_name(source) for source in self.train],
            settings=self.settings | recorded,
            rows=[replace(row, name=recorded_name(row.name)) for row in self.rows],
        )

    @classmethod
    def read(cls, source: str) -> Self | None:
        """Read a checkpoint's results from its folder or the Hub; None if there are none.

        Raises:
            ValueError: if the file has other content.
        """
        path = _find(source)
        if path is None:
            return None
        values = _known(cls, read_json(path, "results"))
        try:
            rows = [_known(SummaryRow, row) for row in values["rows"]]
            for row in rows:
                check_types(SummaryRow, row, path, "results")
            values["rows"] = [SummaryRow(**row) for row in rows]
            check_types(cls, values, path, "results")
            return cls(**values)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"`results`: {path} was not written by a training. Delete it, or train again.") from error


def recorded_name(source: str) -> str:
    """Return a source with its path made absolute; other names, and a weight, are not changed.

    A relative path with two parts could be confused with a name on the Hub.
    """
    path, _ = split_source(source)
    return os.path.abspath(path) + source.removeprefix(path) if os.path.exists(path) else source


def weights_sha256(source: str | None, file: str = WEIGHTS_FILE) -> str | None:
    """Return the SHA-256 of a checkpoint's model.safetensors, in hexadecimal.

    Args:
        source: folder of a checkpoint, or Hub id of one in the cache.
        file: file name of its weights.

    Returns: None if there is no such file, or `source` is None.
    """
    if not source:
        return None
    path = Path(source) / file
    if not os.path.isfile(path):  # Path.is_file raises an error for names that are too long
        cached = None if os.path.isdir(source) else _in_cache(source, file)
        if cached is None:
            return None
        path = cached
    state = path.stat()
    return _sha256(path.resolve(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _sha256(path: Path, _modified: int, _size: int) -> str:
    """Hash a file, cached as long as it does not change."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_cache(name: str, file: str) -> Path | None:
    try:
        found = try_to_load_from_cache(name, file)
    except HFValidationError:  # not a valid name on the Hub
        return None
    return Path(found) if isinstance(found, str) else None


def _find(source: str) -> Path | None:
    try:
        return find_file(source, RESULTS_FILE)
    except OSError:  # no such repository, or no network
        return None


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that this version knows."""
    names = {spec.name for spec in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
