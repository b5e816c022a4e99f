"""Every kind of reader can be exported, and reads as before."""

from dataclasses import replace

import pytest
import torch
from stock_processors import make_stock_processor
from stock_trocr import make_stock_model
from tiny_checkpoint import NARROW, save_checkpoint

from trocr_gsa import TrOCRGSAModel, TrOCRGSAProcessor
from trocr_gsa.model.attention import HeadGate
from trocr_gsa.onnx import export_reader
from trocr_gsa.reader import LineReader

pytestmark = pytest.mark.slow

BUILT = {
    "D4, all poses to the decoder": {"encoder_group": "D4", "encoder_pose_layers": 2, "encoder_pose_sum": "query"},
    "C8, neighbours, sinusoids": {
        "encoder_group": "C8",
        "encoder_pose_sum": "encoding",
        "encoder_neighbourhood": 2.0,
        "decoder_use_learned_position_embeddings": False,
        "ctc_steps_per_patch": 2,
    },
    "narrow pose stage, convolutions": NARROW | {"ctc_steps_per_patch": 2},
}


def assert_reads_as_before(reader, folder, pictures):
    assert export_reader(reader, folder) < 1e-4
    wanted, found = reader.read(pictures), LineReader.from_pretrained(folder).read(pictures)
    for a, b in zip(wanted, found, strict=True):
        probabilities = {"confidence": 0.0, "character_confidences": ()}
        assert replace(b, **probabilities) == replace(a, **probabilities)
        assert b.character_confidences == pytest.approx(a.character_confidences, abs=1e-3)
        assert b.confidence == pytest.approx(a.confidence, abs=1e-3)
    assert len({(line.text, round(line.confidence, 4)) for line in found}) > 1


@pytest.mark.parametrize("sizes", BUILT.values(), ids=BUILT)
def test_what_is_built_here_reads_as_before(onnx, sizes, pictures, tmp_path):
    reader = LineReader.from_pretrained(save_checkpoint(tmp_path / "model", **sizes), device="cpu")
    assert_reads_as_before(reader, tmp_path / "out", pictures)


@pytest.mark.parametrize("gate", [0.0, 0.5], ids=["closed", "open"])
def test_what_is_taken_over_reads_as_before(onnx, gate, pictures, tmp_path):
    stock = make_stock_processor(make_stock_model(tmp_path / "stock", "base-printed"), "base-printed")
    model = TrOCRGSAModel.from_trocr(stock).eval()
    for module in model.modules():
        if isinstance(module, HeadGate):
            torch.nn.init.constant_(module.weight, gate)
    reader = LineReader(model, TrOCRGSAProcessor.from_trocr(stock))
    assert_reads_as_before(reader, tmp_path / "out", pictures)
