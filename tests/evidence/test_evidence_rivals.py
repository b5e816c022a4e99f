"""The comparison with other readers."""

import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from experiments import rapidocr_peer
from experiments.rapidocr_peer import pp_ocr
from experiments.rivals import Rate, table
from trocr_gsa.data.samples import LineSample


def rate(reader, name, *cer):
    return Rate(reader, name, 10, cer)


def test_a_kind_has_the_mean_of_its_sets_for_every_reader_that_read_them_all():
    rows = table(
        [
            rate("packaged", "ehri", 0.02, 0.02, 0.02),
            rate("packaged", "tapus", 0.04, 0.04, 0.04),
            rate("packaged", "fraktur-19", 0.01, 0.01, 0.01),
            rate("Tesseract 5 `frk`", "fraktur-19", 0.05, 0.9, 0.8),
            rate("other", "ehri", 0.5, 0.5, 0.5),
        ]
    ).splitlines()
    assert (
        rows[0]
        == "| kind | lines | packaged, at 0 / 180 / 90° | Tesseract 5, at 0 / 180 / 90° | other, at 0 / 180 / 90° |"
    )
    assert rows[2:] == [
        "| German print, 19th c. | 10 | 1.0% / 1.0% / 1.0% | 5.0% / 90.0% / 80.0% | – |",
        "| typescript | 20 | 3.0% / 3.0% / 3.0% | – | – |",
    ]


@pytest.mark.parametrize(
    ("texts", "scores", "text"), [(("two  words",), (0.9,), "two words"), (None, None, ""), ((), (), "")]
)
def test_pp_ocr_reads_lines_without_detection_and_may_find_nothing(texts, scores, text, monkeypatch):
    seen = []

    def engine(picture, **settings):
        seen.append((picture.shape, picture[0, 0].tolist(), settings))
        return SimpleNamespace(txts=texts, scores=scores)

    monkeypatch.setitem(sys.modules, "rapidocr", SimpleNamespace(RapidOCR=lambda params: engine))
    monkeypatch.setattr(rapidocr_peer, "version", lambda name: "1.2.3")
    peer = pp_ocr()
    (found,) = peer.read([LineSample(Image.new("RGB", (30, 10), "red"), "two words", "a")], 90.0)
    assert (found.line.text, found.angle, peer.fingerprint) == (text, 90.0, "rapidocr-1.2.3")
    assert seen == [((30, 10, 3), [0, 0, 255], {"use_det": False, "use_cls": True, "use_rec": True})]


def test_a_machine_without_rapidocr_has_no_such_reader(monkeypatch):
    def missing(name):
        raise rapidocr_peer.PackageNotFoundError(name)

    monkeypatch.setattr(rapidocr_peer, "version", missing)
    assert pp_ocr() is None
