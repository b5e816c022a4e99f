"""Readings of lines by several readers at several angles, cached on disk."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from experiments.line_conditions import AS_CUT, CONDITIONS
from trocr_gsa.atomic import write_json
from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
from trocr_gsa.checkpoints.results import weights_sha256
from trocr_gsa.data.line import Line
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.sources import open_source
from trocr_gsa.data.transcription import Normalization
from trocr_gsa.evaluation.evaluate import read_lines
from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.reader import LineReader

Reads = Callable[[Sequence[LineSample], float], list[ScoredLine]]


@dataclass
class Contestant:
    """A reader in a comparison.

    Attributes:
        name: name to show.
        fingerprint: identifies everything that the readings depend on; part of the cache's file names.
        load: loads the reader; called only if there is something to read.
    """

    name: str
    fingerprint: str
    load: Callable[[], Reads]
    _reads: Reads | None = field(default=None, repr=False)

    def read(self, lines: Sequence[LineSample], angle: float) -> list[ScoredLine]:
        """Turn the lines by `angle` degrees counter-clockwise, and read them."""
        if self._reads is None:
            self._reads = self.load()
        return self._reads(lines, angle)

    @classmethod
    def of_model(cls, name: str, folder: Path = PACKAGED_CHECKPOINT, adapter: Path | None = None) -> "Contestant":
        """Return the reader in a checkpoint folder, with an adapter if one is given."""

        def load() -> Reads:
            reader = LineReader.from_pretrained(folder, adapter)
            reader.model.config.confidence_temperature = 1.0  # the temperature is fitted to these readings
            return lambda lines, angle: read_lines(reader.model, reader.processor, lines, angle)

        parts = [weights_sha256(str(folder)) or str(folder)]
        if adapter is not None:
            parts.append(hashlib.sha256((adapter / "adapter_model.safetensors").read_bytes()).hexdigest())
        return cls(name, "-".join(part[:12] for part in parts), load)


@dataclass(frozen=True)
class Readings:
    """The test lines of several sets, and their readings.

    Args:
        cache: folder for the readings.
        sources: sources by the name of the set, as for `trocr-gsa evaluate`.
        split: split of the sources.
        most: maximum number of lines per set, spread evenly over it; None: all.
        condition: condition that is applied to the lines, a key of `CONDITIONS`.
        normalize: normalization of transcriptions and readings before they are compared; the cache is not normalized.
        lines: lines that were loaded, by the name of the set.
    """

    cache: Path
    sources: dict[str, str]
    split: str = "test"
    most: int | None = None
    condition: str = AS_CUT
    normalize: Normalization = "none"
    lines: dict[str, list[LineSample]] = field(default_factory=dict)

    def of(self, contestant: Contestant, name: str, angle: float = 0.0) -> list[ScoredLine]:
        """Return the readings of a set that is turned by `angle` degrees counter-clockwise."""
        file_part = _as_word(name)
        part = self.split if self.most is None else f"{self.split}-{self.most}"
        part += "" if self.condition == AS_CUT else f"-{_as_word(self.condition)}"
        path = self.cache / f"{contestant.fingerprint}_{file_part}_{part}_{angle:g}.json"
        if path.is_file():
            records = json.loads(path.read_text(encoding="utf-8"))
            return [_from_file(fields, self.normalize) for fields in records]
        if name not in self.lines:
            dataset = open_source(self.sources[name], self.split)
            count = min(len(dataset), self.most or len(dataset))
            lines = (dataset[place * len(dataset) // count] for place in range(count))
            change = CONDITIONS[self.condition]
            self.lines[name] = [replace(line, image=change(line.image)) for line in lines]
        records = [_for_file(line) for line in contestant.read(self.lines[name], angle)]
        write_json(path, records)
        print(f"{contestant.name} read {name} at {angle:g}°", flush=True)
        return [_from_file(fields, self.normalize) for fields in records]


def _for_file(scored: ScoredLine) -> dict[str, Any]:
    return {
        "name": scored.sample.name, "document": scored.document, "text": scored.sample.text,
        "prediction": scored.line.text, "angle": scored.angle, "orientation": scored.line.orientation,
        "confidence": scored.line.confidence,
    }  # fmt: skip


def _from_file(fields: dict[str, Any], normalize: Normalization) -> ScoredLine:
    """Return a line without its image, which no table needs."""
    sample = LineSample(Image.new("L", (1, 1)), fields["text"], fields["name"], fields["document"])
    line = Line(fields["prediction"], fields["confidence"], fields["orientation"])
    return ScoredLine(sample, fields["angle"], line, normalize)


def _as_word(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
