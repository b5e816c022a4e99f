"""Writes the report: one HTML file that contains its figures and images.

What is unusual: the page has no scripts and forbids them, so that nothing in a text or name can run when it is opened.
"""

import platform
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from trocr_gsa.atomic import write_text
from trocr_gsa.metrics.error_rates import Edit

from . import figures, statistics
from .aligned import SetReading
from .confusions import count_confusions
from .statistics import KEPT, LONG, Rate
from .svg import round_up
from .worst import PictureBudget, worst_lines

PACKAGES = ("trocr-gsa", "torch", "transformers", "peft", "jiwer")
MAX_TEXT = 600  # characters of a line that are shown


@dataclass(frozen=True)
class About:
    """Information about the evaluation, for the head of the page.

    Attributes:
        model: name or folder of the model.
        adapters: folder of each adapter, by the name used in the report.
        command: the command that made the page.
        group: name of the model's group.
        poses: orientations in degrees that the model can predict.
        temperature: temperature of its confidence.
        settings: other settings, by name.
        left_out: messages about lines that could not be read.
        written: date of the page.
    """

    model: str
    command: str
    group: str
    poses: Sequence[float]
    temperature: float
    adapters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    written: datetime = field(default_factory=lambda: datetime.now().astimezone())


def write_report(path: Path, readings: Mapping[str, Sequence[SetReading]], about: About) -> None:
    """Write the page.

    Args:
        path: path of the HTML file.
        readings: the sets of each reader, by its name; sets and angles are the same and in the same order for all. The
            other readers are compared with the first one.
        about: information about the evaluation.

    Raises:
        ValueError: if there is no reading.
        OSError: if the file cannot be written.
    """
    # a file name may contain bytes that are not UTF-8, which are written as escapes
    write_text(path, render_report(readings, about), errors="backslashreplace")


def render_report(readings: Mapping[str, Sequence[SetReading]], about: About) -> str:
    """Return the page as text; see `write_report`."""
    if not readings or not all(readings.values()):
        raise ValueError("`readings` are empty: there is nothing to report.")
    environment = Environment(
        loader=PackageLoader("trocr_gsa.evaluation.report", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"percent": percent, "interval": interval, "letter": letter, "letter_name": letter_name,
                            "count": count}  # fmt: skip
    environment.globals |= {"axis": figures.axis, "bar": figures.bar, "shown": shown}
    budget = PictureBudget()
    versions = {"Python": platform.python_version()} | {package: _version(package) for package in PACKAGES}
    return environment.get_template("report.html.jinja").render(
        about=about,
        versions=versions,
        readers=[_reader(name, sets, about.poses, budget) for name, sets in readings.items()],
        comparison=_comparison(readings) if len(readings) > 1 else None,
        kept=KEPT,
        long=LONG,
    )


def percent(value: float | None, digits: int = 1) -> str:
    """Format a fraction in per cent; a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def interval(rate: Rate, signed: bool = False) -> str:
    """Format an interval in per cent; empty if there is none."""
    if rate.low is None or rate.high is None:
        return ""
    sign = "+" if signed else ""
    return f"{100 * rate.low:{sign}.1f} … {100 * rate.high:{sign}.1f}"


def count(value: float) -> str:
    """Format a mean number of errors; one decimal where it is no whole number."""
    return f"{value:,.1f}".removesuffix(".0")


def letter(text: str) -> str:
    """Return a visible form of a character: ␣ for a space, ◌ with a combining mark, U+… for an invisible character."""
    if text == " ":
        return "␣"
    kind = unicodedata.category(text) if text else ""
    if kind.startswith("M"):
        return "◌" + text
    return f"U+{ord(text):04X}" if kind[:1] in ("C", "Z") else text


def letter_name(text: str) -> str:
    """Return the Unicode name of a character."""
    return unicodedata.name(text, f"U+{ord(text):04X}").lower() if text else ""


def shown(edits: Sequence[Edit], side: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of one side of an alignment, reference or prediction, at most `MAX_TEXT` characters.

    Args:
        edits: the alignment.
        side: "reference" or "prediction".
    """
    room = MAX_TEXT
    for edit in edits:
        text = getattr(edit, side)
        changed = "sub" if edit.reference and edit.prediction else "del" if edit.reference else "ins"
        if text and room > 0:
            yield "same" if edit.agrees else changed, text[:room]
        room -= len(text)
    if room < 0:
        yield "more", f" … {-room} more"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _reader(name: str, sets: Sequence[SetReading], poses: Sequence[float], budget: PictureBudget) -> dict[str, Any]:
    """Return the template's data for one reader."""
    described = [_set(each, poses) for each in sets]
    rates = [rate for each in described for rate in (each["all"], *(summary for _, summary in each["angles"]))]
    curves = [
        figures.Curve(each["name"], [(row.angle, rate.cer) for row, rate in each["angles"]]) for each in described
    ]
    return {
        "name": name,
        "sets": described,
        "polar": figures.polar("CER over the angle of the line", curves),
        "aside": figures.set_aside("CER when lines are set aside", [(e["name"], e["trust"]) for e in described]),
        "confusions": count_confusions(sets),
        "lines": sum(each["all"].lines for each in described),
        "worst": worst_lines(sets, budget),
        "highest": _scale(rate.cer for rate in rates),
        "highest_wer": _scale(rate.wer for rate in rates),
    }


def _set(reading: SetReading, poses: Sequence[float]) -> dict[str, Any]:
    """Return the template's data for one set of one reader."""
    trust = statistics.trust(reading.readings)
    angles = [
        (row, statistics.summarise_readings([lines], poses))
        for (row, _), lines in zip(reading.runs, reading.by_angle, strict=True)
    ]
    documents = statistics.summarise_documents(reading, poses) if reading.names_documents else []
    return {
        "name": reading.name,
        "all": statistics.summarise_readings(reading.by_angle, poses),
        "angles": angles,
        "trust": trust,
        "calibration": figures.calibration(f"Confidence on {reading.name}", trust),
        "documents": documents,
        "worst_document": _scale(summary.cer for _, summary in documents),
        "units": len(set(reading.documents)) if reading.names_documents else None,
    }


def _scale(rates: Iterable[Rate]) -> float:
    """Return a round end of an axis on which these rates and their intervals have room."""
    return round_up(max((rate.top for rate in rates), default=0.0))


def _comparison(readings: Mapping[str, Sequence[SetReading]]) -> list[dict[str, Any]]:
    """Return, for each set, the comparison of every reader with the first one."""
    found = []
    for sides in zip(*readings.values(), strict=True):
        named = dict(zip(readings, sides, strict=True))
        base = sides[0]
        rows = []
        for name, each in named.items():
            cer = statistics.summarise_readings(each.by_angle, ()).cer
            rows.append((name, cer, None if each is base else statistics.difference(base.by_angle, each.by_angle)))
        curves = [
            figures.Curve(
                name,
                [
                    (row.angle, Rate(row.cer, row.cer_low, row.cer_high) if row.lines > 1 else Rate(row.cer))
                    for row, _ in each.runs
                ],
            )
            for name, each in named.items()
        ]
        largest = (Rate(max(abs(d.value), abs(d.low or 0), abs(d.high or 0))) for _, _, d in rows if d)
        span, highest = _scale(largest), _scale(cer for _, cer, _ in rows)
        polar = figures.polar(f"CER on {base.name} over the angle of the line", curves)
        found.append({"name": base.name, "rows": rows, "span": span, "highest": highest, "polar": polar})
    return found
