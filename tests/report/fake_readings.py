"""Made-up lines and readings, for which all numbers of the report can be computed by hand."""

from collections.abc import Sequence

from PIL import Image

from trocr_gsa.data.line import Line
from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.evaluate import summarise
from trocr_gsa.evaluation.report import About, SetReading
from trocr_gsa.evaluation.scored_line import ScoredLine

ABOUT = About("my_model", "trocr-gsa evaluate lines", "C4", (0.0, 90.0, 180.0, 270.0), 1.0)


def make_reading(
    pairs: Sequence[tuple[str, str]],
    angles: Sequence[float] = (0.0,),
    documents: Sequence[str | None] | None = None,
    confidences: Sequence[float] | None = None,
    orientations: Sequence[float] | None = None,
    name: str = "lines",
    size: tuple[int, int] = (64, 20),
) -> SetReading:
    """Return a set with the (transcription, reading) `pairs`, the same at each angle."""
    documents = documents or ["book"] * len(pairs)
    confidences = confidences or [0.5] * len(pairs)
    samples = [
        LineSample(Image.new("L", size, 230), text, f"line {number}.png", document)
        for number, ((text, _), document) in enumerate(zip(pairs, documents, strict=True))
    ]
    runs = []
    for angle in angles:
        said = orientations or [angle] * len(pairs)
        lines = [
            ScoredLine(sample, angle, Line(read, sure, way))
            for sample, (_, read), way, sure in zip(samples, pairs, said, confidences, strict=True)
        ]
        runs.append((summarise(name, lines, 1.0), lines))
    return SetReading(name, runs)
