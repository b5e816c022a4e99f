"""Reads error rates from files, and formats them as a table and as metadata for the Hub."""

import filecmp
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult

from trocr_gsa.checkpoints.results import Results
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.model.weight_files import read_json

from .folder import Source
from .statement import public_name

TASK = "image-to-text"
HEAD = ("set", "turned by", "lines", "CER % (95 % interval)", "WER % (95 % interval)", "way up right %")
NOT_IN_A_DATASET_ID = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Measurement:
    """The error rates of one evaluation.

    Attributes:
        occasion: description of the evaluation.
        split: split of the sets, if it is known.
        rows: error rates, one row per set and angle.
    """

    occasion: str
    split: str | None
    rows: list[SummaryRow]

    def to_markdown(self) -> str:
        """Return the rows as a table."""
        lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
        for row in self.rows:
            cells = (
                row.name,
                f"{row.angle:g}°",
                row.lines,
                f"{100 * row.cer:.2f} ({100 * row.cer_low:.2f}–{100 * row.cer_high:.2f})",
                f"{100 * row.wer:.2f} ({100 * row.wer_low:.2f}–{100 * row.wer_high:.2f})",
                f"{100 * row.orientation_accuracy:.1f}",
            )
            lines.append("| " + " | ".join(map(str, cells)) + " |")
        return f"{self.occasion}:\n\n" + "\n".join(lines)

    def to_eval_results(self) -> list[EvalResult]:
        """Return the rows as the Hub's metadata; rates are fractions, and the angle is the set's configuration."""
        return [
            EvalResult(
                task_type=TASK,
                task_name="Text line recognition",
                dataset_type=NOT_IN_A_DATASET_ID.sub("-", row.name),
                dataset_name=row.name,
                dataset_config=f"turned by {row.angle:g} degrees{_folded([row])}",
                dataset_split=self.split,
                metric_type=metric,
                metric_name=metric.upper(),
                metric_value=round(getattr(row, metric), 4),
            )
            for row in self.rows
            for metric in ("cer", "wer")
        ]


def read_measurements(source: Source, results: Results | None, evaluations: Sequence[Path]) -> list[Measurement]:
    """Return the error rates from training and from files of `trocr-gsa evaluate --json`.

    Raises:
        ValueError: if a file has another content, or belongs to another model.
    """
    found = []
    if results is not None and results.rows:
        rows = [replace(row, name=public_name(row.name)) for row in results.rows]
        found.append(Measurement("On validation lines, while training", "validation", rows))
    for path in evaluations:
        try:
            names = {spec.name for spec in fields(SummaryRow)}
            part = _choose(path, _read(path), source)
            rows = [SummaryRow(**{key: row[key] for key in row.keys() & names}) for row in part["rows"]]
            rows = [replace(row, name=public_name(row.name)) for row in rows]
        except (KeyError, TypeError, AttributeError) as error:
            raise _not_an_evaluation(path) from error
        found.append(Measurement(f"By `trocr-gsa evaluate` ({path.name}{_folded(rows)})", None, rows))
    return found


def _folded(rows: Sequence[SummaryRow]) -> str:
    """Return the normalization of the texts before they were compared, if there was one."""
    ways = sorted({row.normalize for row in rows} - {"none"})
    return f", `--normalize {' '.join(ways)}`" if ways else ""


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"`evaluation`: there is no file {path}. `trocr-gsa evaluate --json` writes one.")
    try:
        return read_json(path, "evaluation")
    except ValueError as error:
        raise _not_an_evaluation(path) from error


def _not_an_evaluation(path: Path) -> ValueError:
    return ValueError(f"`evaluation`: {path} is not what `trocr-gsa evaluate --json` writes. Evaluate again.")


def _choose(path: Path, numbers: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return the numbers of this source, for example those of one of several adapters.

    Numbers that certainly belong to another model are an error. If this cannot be checked, because a folder no longer
    exists or is not named, the author is trusted.
    """
    parts = numbers.get("adapters") or [numbers]
    complaints = [_complaint(numbers.get("model"), part, source) for part in parts]
    fitting = [part for part, complaint in zip(parts, complaints, strict=True) if complaint is None]
    if not fitting:
        raise ValueError(f"`evaluation`: {path} measured {complaints[-1]}. Evaluate {source.path}.")
    if len(fitting) > 1:
        raise ValueError(
            f"`evaluation`: {path} measured several adapters, whose folders no longer exist. Evaluate only one."
        )
    return fitting[0]


def _complaint(model: Any, part: dict[str, Any], source: Source) -> str | None:
    """Return why numbers certainly do not belong to this source; None if they may."""
    if "adapter" in part and (part["adapter"] is None) != (source.kind == "model"):
        return "a model without the adapter" if source.kind == "adapter" else "an adapter with its model, not the model"
    measured = model if source.kind == "model" else part.get("adapter")
    weights = Path(str(measured)) / source.weights[-1]
    if weights.is_file() and not filecmp.cmp(weights, source.path / source.weights[-1], shallow=False):
        return f"{measured}, which has other weights"
    return None
