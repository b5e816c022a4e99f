"""`trocr-gsa doctor`: shows what is installed, and checks that packaged lines are read as at release time.

What is unusual: it must work when nothing else does. Versions come from the packages' metadata, so a library that
cannot be imported is listed too; any exception while reading becomes the one line at the end.
"""

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from . import options
from .messages import LEFT_OUT, silence_libraries

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from trocr_gsa.reader import LineReader

DISTRIBUTION = "trocr-gsa"
SHOWN_PACKAGES = ("torch", "transformers", "tokenizers", "peft", "accelerate", "datasets", "huggingface_hub")
SHOWN_PACKAGES += ("safetensors", "numpy", "Pillow")
LINES = Path(__file__).parent / "doctor_lines"  # images and expected.json, written by scripts/doctor_lines.py
ANGLES = (0, 90, 180, 270)
BEAMS = (1, 2)  # drafts, and transformers' `generate`: they use the decoder's cache differently
TOLERANCE = 0.01  # of a confidence; processors differ by 1e-4, other weights by far more


@dataclass(frozen=True)
class KnownLine:
    """A line with its expected reading.

    Attributes:
        file: the name of its image, upright.
        text: expected at every angle.
        confidence: expected at every angle, in [0, 1].
    """

    file: str
    text: str
    confidence: float


@dataclass(frozen=True)
class KnownLines:
    """The expected readings of the packaged reader.

    Attributes:
        weights: SHA-256 of its model.safetensors.
        lines: images with their expected readings.
    """

    weights: str
    lines: list[KnownLine]

    @classmethod
    def read(cls, folder: Path) -> "KnownLines":
        """Read a folder's expected.json."""
        values = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        return cls(values["weights"], [KnownLine(**line) for line in values["lines"]])


def doctor(device: options.Device = None) -> None:
    """Show what is installed, and read a few packaged lines at four angles; exit code 1 if anything is wrong."""
    untested = dict(_untested())
    for name, value in _installed(untested):
        _print_row(name, value)
    problem = _missing() or _reading_problem(device)
    if problem is None:
        typer.echo(f"well: all lines are read as expected at {', '.join(f'{angle}°' for angle in ANGLES)}")
        return
    hints = [f"{name} {remark}" for name, remark in untested.items()]
    typer.echo(" | ".join([f"broken: {' '.join(problem.split())}", *hints]))
    raise typer.Exit(LEFT_OUT)


def _print_row(name: str, value: str) -> None:
    typer.echo(f"{name:<18}{value}")


def _installed(untested: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield names and versions without importing the packages."""
    yield DISTRIBUTION, f"{_version(DISTRIBUTION) or 'not installed'}, in {Path(__file__).parents[1]}"
    yield "Python", f"{platform.python_version()}, {platform.platform()}"
    for name in SHOWN_PACKAGES:
        yield name, ", ".join(filter(None, (_version(name) or "not installed", untested.get(name))))
    extras = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or [] if _version(DISTRIBUTION) else []
    here = [extra for extra in extras if all(_version(each.name) for each in _requirements(extra))]
    yield "extras", ", ".join(here) or "none"
    yield "extras not here", ", ".join(extra for extra in extras if extra not in here) or "none"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _requirements(extra: str = "") -> "list[Requirement]":
    """Return the requirements of the package, or of one of its extras; none if the package is not installed."""
    from packaging.requirements import Requirement

    try:
        found = [Requirement(line) for line in metadata.requires(DISTRIBUTION) or []]
    except metadata.PackageNotFoundError:
        return []
    plain = {each.name for each in found if each.marker is None or each.marker.evaluate({"extra": ""})}
    if not extra:
        return [each for each in found if each.name in plain]
    return [each for each in found if each.name not in plain and each.marker and each.marker.evaluate({"extra": extra})]


def _missing() -> str | None:
    """Return a message about required libraries that are not installed; None if there are none."""
    names = [each.name for each in _requirements() if _version(each.name) is None]
    return f"{', '.join(names)} not installed; install trocr-gsa again" if names else None


def _untested() -> Iterator[tuple[str, str]]:
    """Yield libraries in a version that the package was not tested with, and how to install a tested one."""
    for each in _requirements():
        version = _version(each.name)
        if version is not None and not each.specifier.contains(version, prereleases=True):
            yield each.name, f"{version} was not tested: pip install '{each.name}{each.specifier}'"


def _reading_problem(device: str | None) -> str | None:
    """Read the packaged lines; return what is wrong, or None."""
    try:
        from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
        from trocr_gsa.checkpoints.results import weights_sha256

        silence_libraries()
        known = KnownLines.read(LINES)
        found = weights_sha256(str(PACKAGED_CHECKPOINT))
        if found != known.weights:
            return (
                f"the weights in {PACKAGED_CHECKPOINT} are not those of this release (SHA-256 {found}, expected "
                f"{known.weights}); install trocr-gsa again"
            )
        reader = _load(device)
        mistakes = list(find_mistakes(reader, known.lines))
    except Exception as error:  # any exception is a finding
        return f"reading ended with {type(error).__name__}: {error}"
    if not mistakes:
        return None
    read = len(known.lines) * len(ANGLES) * len(BEAMS)
    return f"{len(mistakes)} of {read} readings are not as expected; the first: {mistakes[0]}"


def _load(device: str | None) -> "LineReader":
    """Load the packaged reader, and print its device and threads."""
    import torch

    from trocr_gsa.reader import LineReader

    reader = LineReader.from_pretrained(device=device)
    used = reader.model.device
    name = f", {torch.cuda.get_device_name(used)}" if used.type == "cuda" else ""
    _print_row("device", f"{used}{name}")
    _print_row("threads", f"{torch.get_num_threads()} of {os.cpu_count()} processors")
    return reader


def find_mistakes(reader: "LineReader", lines: list[KnownLine]) -> Iterator[str]:
    """Read lines at four angles, greedily and with beams; yield a message for each unexpected reading."""
    from PIL import Image

    from trocr_gsa.evaluation.evaluate import rotate_image

    turned = [(line, angle) for line in lines for angle in ANGLES]
    images = {line.file: Image.open(LINES / line.file) for line in lines}
    for beams in BEAMS:
        readings = reader.read([rotate_image(images[line.file], angle) for line, angle in turned], num_beams=beams)
        for (line, angle), found in zip(turned, readings, strict=True):
            is_close = abs(found.confidence - line.confidence) <= TOLERANCE
            if found.error or not is_close or (found.text, found.orientation) != (line.text, angle):
                what = found.error or f"{found.text!r} at {found.orientation:g}° with confidence {found.confidence:.3f}"
                yield (
                    f"{line.file} turned by {angle}°, with {beams} beams, is {what}, expected {line.text!r} with "
                    f"confidence {line.confidence:.3f}"
                )
