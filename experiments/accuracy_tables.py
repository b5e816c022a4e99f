"""The tables of the accuracy report: one function per table returns its rows, the head first."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from benchmarks.marked_tables import markdown
from experiments.accuracy_readings import Contestant, Readings
from trocr_gsa.evaluation.evaluate import summarise
from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.metrics.confidence import cer_of_surest, confidence_bins, expected_calibration_error
from trocr_gsa.metrics.error_rates import ErrorCount, error_rate
from trocr_gsa.metrics.summary_row import SummaryRow

QUARTERS = (0.0, 90.0, 180.0, 270.0)
TILTS = (-15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 45.0)
LONG = 10  # minimum number of characters of a line whose orientation should be evident
ALL_WEIGHTS = "all weights"
KEPT = 0.9  # share of lines that is left without the least certain ones


@dataclass(frozen=True)
class Trained:
    """The packaged reader after further training.

    Attributes:
        adapter: name of the packaged adapter whose training sets were used.
        method: "LoRA, rank 8" or `ALL_WEIGHTS`.
        sets: names of the training sets.
        lines: number of training lines.
        parameters: number of trained parameters.
        minutes: training time in minutes.
        contestant: the trained reader.
    """

    adapter: str
    method: str
    sets: tuple[str, ...]
    lines: int
    parameters: int
    minutes: float
    contestant: Contestant


def summary(readings: Readings, contestant: Contestant, name: str, angle: float = 0.0) -> SummaryRow:
    """Return the error rates and intervals of one set at one angle; the speed in it is meaningless."""
    return summarise(name, readings.of(contestant, name, angle), seconds=1.0)


def base_table(
    readings: Readings, base: Contestant, peers: dict[str, Contestant], adapted: Sequence[Trained]
) -> list[list[str]]:
    """Per set: the CER of a peer, upright and turned by 180°, of the packaged reader, and with the set's adapter."""
    head = [
        "set", "lines", "Tesseract upright / turned by 180°", "CER at 0, 90, 180, 270°", "WER", "CER with its adapter",
        "same text at all", "way up right", f"in lines of {LONG} letters or more",
    ]  # fmt: skip
    rows = [head]
    for name in readings.sources:
        at_each = [summary(readings, base, name, angle) for angle in QUARTERS]
        row = at_each[0]
        own = next((each for each in adapted if name in each.sets), None)
        at_angles = [readings.of(base, name, angle) for angle in QUARTERS]
        records = [record for records in at_angles for record in records]
        rows.append(
            [
                name,
                str(row.lines),
                _peer(readings, peers.get(name), name),
                at_four_angles(at_each),
                percent(row.wer),
                "–" if own is None else with_interval(summary(readings, own.contestant, name)),
                percent(same_text(at_angles)),
                percent(way_up(records)),
                percent(way_up([record for record in records if len(record.reference) >= LONG])),
            ]
        )
    return rows


def tilt_table(readings: Readings, base: Contestant) -> list[list[str]]:
    """Per set: CER of tilted lines."""
    rows = [["set", "lines", *(f"{tilt:+g}°" if tilt else "0°" for tilt in TILTS)]]
    for name in readings.sources:
        rows.append(
            [
                name,
                str(len(readings.of(base, name))),
                *(percent(summary(readings, base, name, tilt).cer) for tilt in TILTS),
            ]
        )
    return rows


def conditions_table(readings: Sequence[Readings], base: Contestant) -> list[list[str]]:
    """Per condition: CER of the same lines of each set."""
    names = list(readings[0].sources)
    rows = [["condition", *names]]
    for each in readings:
        rows.append([each.condition, *(percent(summary(each, base, name).cer) for name in names)])
    return rows


def document_table(readings: Readings, base: Contestant, name: str) -> list[list[str]]:
    """Per document of one set: its number of lines, and its CER."""
    records = readings.of(base, name)
    rows = [["document", "lines", "CER"]]
    for document in sorted({record.document for record in records}):
        counts = _counts([record for record in records if record.document == document])
        rows.append([document, str(len(counts)), percent(error_rate(counts))])
    return rows


def training_table(readings: Readings, base: Contestant, trained: Sequence[Trained]) -> list[list[str]]:
    """Per run: its cost, and the CER on its training sets before and after."""
    rows = [["learnt from", "trained", "parameters", "MB in float16", "minutes", "set", "CER before", "CER after"]]
    for each in trained:
        for name in each.sets:
            before, after = (summary(readings, reader, name) for reader in (base, each.contestant))
            rows.append(
                [
                    f"{each.adapter}, {each.lines:,} lines",
                    each.method,
                    f"{each.parameters:,}",
                    f"{2 * each.parameters / 1e6:.2f}",
                    f"{each.minutes:.0f}",
                    name,
                    percent(before.cer),
                    with_interval(after),
                ]
            )
    return rows


def forgetting_table(readings: Readings, base: Contestant, trained: Sequence[Trained]) -> list[list[str]]:
    """Per run: CER of upright lines on every set; training sets are in brackets. The first row is the base."""
    rows = [["after learning", "trained", *readings.sources]]
    rows.append(["(nothing)", "", *(percent(summary(readings, base, name).cer) for name in readings.sources)])
    for each in trained:
        cells = [(name, percent(summary(readings, each.contestant, name).cer)) for name in readings.sources]
        shown = [f"({cer})" if name in each.sets else cer for name, cer in cells]
        rows.append([each.adapter, each.method, *shown])
    return rows


def curve_table(readings: Readings, base: Contestant, trained: Sequence[Trained]) -> list[list[str]]:
    """CER by the number of training lines of an adapter."""
    (name,) = trained[0].sets
    rows = [["lines", "minutes", "CER", "WER"]]
    row = summary(readings, base, name)
    rows.append(["0", "0", with_interval(row), percent(row.wer)])
    for each in sorted(trained, key=lambda each: each.lines):
        row = summary(readings, each.contestant, name)
        rows.append([f"{each.lines:,}", f"{each.minutes:.0f}", with_interval(row), percent(row.wer)])
    return rows


def confidence_table(readings: Readings, base: Contestant, temperature: float) -> list[list[str]]:
    """Per set: calibration errors without and with the temperature, and the CER of the most certain lines."""
    rows = [["set", "calibration error, T = 1", f"T = {temperature:.3f}", "CER", f"CER of the surest {KEPT:.0%}"]]
    for name in readings.sources:
        records = readings.of(base, name)
        counts, raw = _counts(records), [record.line.confidence for record in records]
        errors = [
            expected_calibration_error(confidence_bins([each ** (1 / by) for each in raw], counts))
            for by in (1.0, temperature)
        ]
        surest = cer_of_surest(raw, counts, KEPT)
        rows.append([name, *(f"{error:.3f}" for error in errors), percent(error_rate(counts)), percent(surest)])
    return rows


def at_four_angles(rows: Sequence[SummaryRow]) -> str:
    """Return the CERs as text: one with its interval if they agree to a tenth of a percent, otherwise all."""
    rates = [percent(row.cer) for row in rows]
    return with_interval(rows[0]) if len(set(rates)) == 1 else ", ".join(rates)


def same_text(at_angles: Sequence[Sequence[ScoredLine]]) -> float:
    """Return the share of lines with the same text at all angles."""
    texts = list(zip(*([record.prediction for record in records] for records in at_angles), strict=True))
    return sum(len(set(line)) == 1 for line in texts) / len(texts)


def way_up(records: Sequence[ScoredLine]) -> float:
    """Return the share of lines with a correct orientation."""
    return sum(record.is_orientation_correct for record in records) / max(1, len(records))


def percent(rate: float) -> str:
    """Return a rate as a percentage."""
    return f"{rate:.1%}"


def with_interval(row: SummaryRow) -> str:
    """Return the character error rate and its interval as text."""
    return f"{row.cer:.1%} ({row.cer_low:.1%}–{row.cer_high:.1%})"


def as_markdown(rows: list[list[str]]) -> str:
    """Return rows, the head first, as a Markdown table."""
    return markdown(rows[0], islice(rows, 1, None))


def _peer(readings: Readings, peer: Contestant | None, name: str) -> str:
    if peer is None:
        return "–"
    return " / ".join(percent(summary(readings, peer, name, angle).cer) for angle in (0.0, 180.0))


def _counts(records: Sequence[ScoredLine]) -> list[ErrorCount]:
    return [record.character_errors for record in records]
