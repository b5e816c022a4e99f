"""Provenance of a text: the software, the model and adapter with checksums of their weights, the date and the settings.

What is unusual: if SOURCE_DATE_EPOCH is set, it gives the date, so that the same inputs give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

SOFTWARE = "trocr-gsa"
EPOCH = "SOURCE_DATE_EPOCH"  # https://reproducible-builds.org/specs/source-date-epoch/


@dataclass(frozen=True)
class Weights:
    """A model or an adapter.

    Attributes:
        name: the name that the user gave.
        sha256: SHA-256 of its weights, in hexadecimal; None if they are not in a local file.
    """

    name: str
    sha256: str | None = None


@dataclass(frozen=True)
class Provenance:
    """Provenance of a text.

    Attributes:
        version: version of this software.
        model: the model.
        adapter: the adapter, or None.
        date: date in UTC, such as 2026-11-28T12:00:00Z.
        settings: settings of the reading, by name.
        also: adapters that read every line too, by name.

    Example:
        >>> made = Provenance("0.2.0", Weights("packaged", "ab12"), None, "2026-11-28T12:00:00Z", {"beams": "1"})
        >>> made.facts
        {'model': 'packaged', 'model SHA-256': 'ab12', 'beams': '1'}
        >>> str(made)
        'trocr-gsa 0.2.0; model: packaged; model SHA-256: ab12; beams: 1'
    """

    version: str
    model: Weights
    adapter: Weights | None
    date: str
    settings: Mapping[str, str]
    also: Mapping[str, Weights] = field(default_factory=dict)

    @property
    def software(self) -> str:
        """Name and version of the software."""
        return f"{SOFTWARE} {self.version}"

    @property
    def facts(self) -> dict[str, str]:
        """All facts except software and date, by name."""
        others = {f"also {name}": each for name, each in self.also.items()}
        named = {"model": self.model, "adapter": self.adapter} | others
        weights = {name: each for name, each in named.items() if each is not None}
        found: dict[str, str] = {}
        for name, each in weights.items():
            found[name] = each.name
            if each.sha256 is not None:
                found[f"{name} SHA-256"] = each.sha256
        return found | dict(self.settings)

    def __str__(self) -> str:
        """Return the provenance in one line, without the date."""
        return "; ".join([self.software, *(f"{name}: {value}" for name, value in self.facts.items())])


def own_version() -> str:
    """Return the version of this software, or "unknown" if it is not installed."""
    try:
        return version(SOFTWARE)
    except PackageNotFoundError:
        return "unknown"


def current_date() -> str:
    """Return the date for output files: now, or the date given by SOURCE_DATE_EPOCH.

    Raises:
        ValueError: if SOURCE_DATE_EPOCH is not a number of seconds.
    """
    seconds = os.environ.get(EPOCH)
    try:
        moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"`{EPOCH}` must be a number of seconds since 1970, got {seconds!r}. Unset it.") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
