"""Word error rate as an `evaluate` metric that needs no network: `evaluate.load("…/evaluate_modules/wer")`."""

import datasets
import evaluate

from trocr_gsa.metrics import error_rates as metrics


class WordErrorRate(evaluate.Metric):
    """Σ edits / Σ reference length over a corpus, as `trocr_gsa.metrics.error_rates.wer` counts them."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Word error rate of a corpus; an empty reference has no length.",
            citation="",
            inputs_description="predictions and references: lists of str of the same length.",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, *, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"wer": metrics.wer(references, predictions)}
