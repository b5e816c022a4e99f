"""PP-OCR as a reader of single lines, for comparison: the small models that the package `rapidocr` carries."""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from experiments.accuracy_readings import Contestant, Reads
from trocr_gsa.data.line import Line
from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.evaluation.scored_line import ScoredLine


def pp_ocr() -> Contestant | None:
    """Return PP-OCR's recogniser behind its classifier of 0 and 180 degrees; None if `rapidocr` is not installed.

    Lines are given without text detection. It knows no quarter turns.
    """
    try:
        release = version("rapidocr")
    except PackageNotFoundError:
        return None

    def load() -> Reads:
        one_thread = {"Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
        engine = import_module("rapidocr").RapidOCR(params=one_thread)

        def read_one(line: LineSample, angle: float) -> ScoredLine:
            blue_green_red = np.array(rotate_image(line.image, angle).convert("RGB"))[:, :, ::-1]
            found = engine(blue_green_red, use_det=False, use_cls=True, use_rec=True)
            text, score = ((found.txts or ("",))[0], (found.scores or (0.0,))[0])
            return ScoredLine(line, angle, Line(" ".join(text.split()), float(score), 0.0))

        def read(lines: Sequence[LineSample], angle: float) -> list[ScoredLine]:
            return [read_one(line, angle) for line in lines]

        return read

    return Contestant("PP-OCRv6 small", f"rapidocr-{release}", load)
