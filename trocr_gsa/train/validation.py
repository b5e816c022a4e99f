"""What a run measures between its steps: the validation lines, read at the angles asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from trocr_gsa.data.samples import LineSample
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.train import metrics
from trocr_gsa.train.evaluation import LineRecord, read_lines


class Validation:
    """Reads validation lines, shared out over all processes.

    Args:
        processor: of the reader.
        sets: lines by the name of their set.
        angles: degrees counter-clockwise at which every line is read.
    """

    def __init__(self, processor: Any, sets: Mapping[str, Sequence[LineSample]], angles: Sequence[float]) -> None:
        self.processor, self.sets, self.angles = processor, sets, angles

    def measure(self, model: TrOCRGSAModel, accelerator: Accelerator) -> dict[str, float]:
        """Return the numbers to log, all fractions.

        `cer` and `wer` over everything, `cer/<set>` for each of several sets, `orientation_accuracy`, and
        `cer_columns`, what the CTC head reads, which falls long before the decoder's error does.
        """
        training = model.training
        model.eval()
        with torch.autocast(accelerator.device.type, torch.bfloat16, accelerator.mixed_precision == "bf16"):
            records = {name: self._read(model, lines, accelerator) for name, lines in self.sets.items()}
        model.train(training)
        everything = [record for found in records.values() for record in found]
        scores = {"cer": _cer(everything), "wer": _wer(everything)}
        if len(records) > 1:
            scores |= {f"cer/{name}": _cer(found) for name, found in records.items()}
        right = sum(record.orientation == record.angle for record in everything)
        scores["orientation_accuracy"] = right / len(everything)
        columns = [record.column_prediction for record in everything if record.column_prediction is not None]
        if columns:
            scores["cer_columns"] = metrics.cer([record.text for record in everything], columns)
        return scores

    def _read(self, model: TrOCRGSAModel, lines: Sequence[LineSample], accelerator: Accelerator) -> list[LineRecord]:
        share = lines[accelerator.process_index :: accelerator.num_processes]
        records = [
            record for angle in self.angles for record in read_lines(model, self.processor, share, angle, columns=True)
        ]
        return gather_object(records)


def _cer(records: Sequence[LineRecord]) -> float:
    return metrics.cer([record.text for record in records], [record.prediction for record in records])


def _wer(records: Sequence[LineRecord]) -> float:
    return metrics.wer([record.text for record in records], [record.prediction for record in records])
