"""What a run measures between its steps: the validation lines, read at the angles asked for."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.evaluate import LineRecord, read_lines, summarise
from trocr_gsa.metrics import error_rates as metrics
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel


@dataclass(frozen=True)
class Measurement:
    """What was measured.

    Attributes:
        scores: the numbers to log, all fractions. `cer` and `wer` over everything, `cer/<set>` for each of several
            sets, `orientation_accuracy`, and `cer_columns`, what the CTC head reads, which falls long before the
            decoder's error does.
        rows: a row for each set and angle, with intervals.
    """

    scores: dict[str, float]
    rows: list[SummaryRow]


class Validation:
    """Reads validation lines, shared out over all processes.

    Args:
        processor: of the reader.
        sets: lines by the name of their set.
        angles: degrees counter-clockwise at which every line is read.
    """

    def __init__(self, processor: Any, sets: Mapping[str, Sequence[LineSample]], angles: Sequence[float]) -> None:
        self.processor, self.sets, self.angles = processor, sets, angles

    def measure(self, model: TrOCRGSAModel, accelerator: Accelerator) -> Measurement:
        """Read every set at every angle."""
        training = model.training
        model.eval()
        records: dict[str, list[LineRecord]] = {name: [] for name in self.sets}
        rows = []
        with torch.autocast(accelerator.device.type, torch.bfloat16, accelerator.mixed_precision == "bf16"):
            for name, lines in self.sets.items():
                for angle in self.angles:
                    start = time.perf_counter()
                    found = self._read(model, lines, angle, accelerator)
                    rows.append(summarise(name, found, time.perf_counter() - start))
                    records[name] += found
        model.train(training)
        return Measurement(_scores(records), rows)

    def _read(
        self, model: TrOCRGSAModel, lines: Sequence[LineSample], angle: float, accelerator: Accelerator
    ) -> list[LineRecord]:
        share = lines[accelerator.process_index :: accelerator.num_processes]
        return gather_object(read_lines(model, self.processor, share, angle, columns=True))


def _scores(records: Mapping[str, Sequence[LineRecord]]) -> dict[str, float]:
    everything = [record for found in records.values() for record in found]
    scores = {"cer": _cer(everything), "wer": _wer(everything)}
    if len(records) > 1:
        scores |= {f"cer/{name}": _cer(found) for name, found in records.items()}
    right = sum(record.is_way_up_right for record in everything)
    scores["orientation_accuracy"] = right / len(everything)
    columns = [record.column_prediction for record in everything if record.column_prediction is not None]
    if columns:
        scores["cer_columns"] = metrics.cer([record.text for record in everything], columns)
    return scores


def _cer(records: Sequence[LineRecord]) -> float:
    return metrics.cer([record.text for record in records], [record.prediction for record in records])


def _wer(records: Sequence[LineRecord]) -> float:
    return metrics.wer([record.text for record in records], [record.prediction for record in records])
