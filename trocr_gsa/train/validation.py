"""Validation during training: reads the validation lines at the given angles."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.evaluate import read_lines, summarise
from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.metrics import error_rates as metrics
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor


@dataclass(frozen=True)
class Measurement:
    """Results of a validation.

    Attributes:
        scores: the numbers to log, all fractions: `cer` and `wer` over all lines, `cer/<set>` for each of several sets,
            `orientation_accuracy`, and `cer_columns`, the CER of the CTC head, which falls much earlier in training
            than the decoder's.
        rows: one row per set and angle, with intervals.
    """

    scores: dict[str, float]
    rows: list[SummaryRow]


class Validation:
    """Reads validation lines, distributed over all processes.

    Args:
        processor: processor of the reader.
        sets: lines by the name of their set.
        angles: angles in degrees counter-clockwise at which every line is read.
    """

    def __init__(
        self, processor: TrOCRGSAProcessor, sets: Mapping[str, Sequence[LineSample]], angles: Sequence[float]
    ) -> None:
        self.processor, self.sets, self.angles = processor, sets, angles

    def measure(self, model: TrOCRGSAModel, accelerator: Accelerator) -> Measurement:
        """Read every set at every angle."""
        training = model.training
        model.eval()
        scored: dict[str, list[ScoredLine]] = {name: [] for name in self.sets}
        rows = []
        with torch.autocast(accelerator.device.type, torch.bfloat16, accelerator.mixed_precision == "bf16"):
            for name, lines in self.sets.items():
                for angle in self.angles:
                    start = time.perf_counter()
                    found = self._read(model, lines, angle, accelerator)
                    rows.append(summarise(name, found, time.perf_counter() - start))
                    scored[name] += found
        model.train(training)
        return Measurement(_scores(scored), rows)

    def _read(
        self, model: TrOCRGSAModel, lines: Sequence[LineSample], angle: float, accelerator: Accelerator
    ) -> list[ScoredLine]:
        shares = [lines[process :: accelerator.num_processes] for process in range(accelerator.num_processes)]
        read = read_lines(model, self.processor, shares[accelerator.process_index], angle, with_ctc_text=True)
        # only the readings are sent between processes, not the images
        gathered = gather_object([(scored.angle, scored.line) for scored in read])
        samples = [sample for share in shares for sample in share]
        return [ScoredLine(sample, *found) for sample, found in zip(samples, gathered, strict=True)]


def _scores(sets: Mapping[str, Sequence[ScoredLine]]) -> dict[str, float]:
    everything = [line for lines in sets.values() for line in lines]
    scores = {"cer": _cer(everything), "wer": metrics.error_rate([line.word_errors for line in everything])}
    if len(sets) > 1:
        scores |= {f"cer/{name}": _cer(lines) for name, lines in sets.items()}
    right = sum(line.is_orientation_correct for line in everything)
    scores["orientation_accuracy"] = right / len(everything)
    ctc_texts = [line.line.ctc_text for line in everything if line.line.ctc_text is not None]
    if ctc_texts:
        scores["cer_columns"] = metrics.cer([line.reference for line in everything], ctc_texts)
    return scores


def _cer(lines: Sequence[ScoredLine]) -> float:
    return metrics.error_rate([line.character_errors for line in lines])
