"""The program that fits the temperature: what it writes, and what it leaves alone."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import calibrate_confidence
from trocr_gsa.data.sources import open_source
from trocr_gsa.evaluation.evaluate import read_lines
from trocr_gsa.reader import LineReader

CONFIDENCES = {"one": 0.9, "two": 0.8, "three": 0.7}  # at temperature 1


@pytest.fixture
def model(checkpoint, tmp_path):
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


@pytest.fixture
def half_read(monkeypatch):
    """Make the reader read two of three lines right, with known confidences."""

    def read(model, processor, lines, angle):
        temperature = model.config.confidence_temperature
        found = []
        for scored in read_lines(model, processor, lines, angle):
            text = "wrong" if scored.reference == "noon" else scored.reference
            sure = CONFIDENCES[Path(scored.sample.name).stem] ** (1 / temperature)
            found.append(replace(scored, line=replace(scored.line, text=text, confidence=sure)))
        return found

    monkeypatch.setattr(calibrate_confidence, "read_lines", read)


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["calibrate_confidence.py", *map(str, words)])
    calibrate_confidence.main()


@pytest.mark.usefixtures("half_read")
def test_the_temperature_is_written_and_nothing_else_changes(monkeypatch, model, lines, capsys):
    before = json.loads((model / "config.json").read_text())
    run(monkeypatch, model, lines)
    after = json.loads((model / "config.json").read_text())
    expected = calibrate_confidence.fit_temperature(list(CONFIDENCES.values()), [True, True, False])
    assert after.pop("confidence_temperature") == pytest.approx(expected, rel=1e-5)
    assert before.pop("confidence_temperature") == 1.0
    assert after == before
    assert "3 lines, 66.7% read without an error" in capsys.readouterr().out
    run(monkeypatch, model, lines)  # again, from a model that has a temperature
    assert json.loads((model / "config.json").read_text())["confidence_temperature"] == pytest.approx(expected, 1e-5)


@pytest.mark.usefixtures("half_read")
def test_a_dry_run_writes_nothing(monkeypatch, model, lines):
    before = (model / "config.json").read_bytes()
    run(monkeypatch, model, lines, "--dry-run")
    assert (model / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["/nowhere", "LINES"], "`model`: /nowhere"), (["MODEL", "LINES"], "none of 3 lines were read without an error")],
)
def test_what_cannot_be_fitted_is_one_line(monkeypatch, model, lines, words, complaint):
    before = (model / "config.json").read_bytes()
    with pytest.raises(SystemExit, match=complaint):
        run(monkeypatch, *(word.replace("MODEL", str(model)).replace("LINES", str(lines)) for word in words))
    assert (model / "config.json").read_bytes() == before


def test_evaluation_says_the_confidence_that_the_reader_says(model, lines):
    samples = list(open_source(lines, "validation"))
    reader = LineReader.from_pretrained(model)
    plain = read_lines(reader.model, reader.processor, samples, 0.0)
    reader.model.config.confidence_temperature = 0.5
    measured = read_lines(reader.model, reader.processor, samples, 0.0)
    said = reader.read([sample.image for sample in samples])
    for before, after, line in zip(plain, measured, said, strict=True):
        assert after.line.confidence == pytest.approx(before.line.confidence**2, rel=1e-3)
        assert after.line.confidence == pytest.approx(line.confidence, rel=1e-3)
