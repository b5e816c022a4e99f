"""The script that fits the temperature: what it writes, and what it leaves alone."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from trocr_gsa.data.sources import open_source
from trocr_gsa.reader import LineReader
from trocr_gsa.train.evaluation import read_lines

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import calibrate_confidence

    return calibrate_confidence


@pytest.fixture
def model(checkpoint, tmp_path):
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


@pytest.fixture
def half_read(model, lines):
    """The lines with the texts that the model reads there, but for one."""
    reader = LineReader.from_pretrained(model)
    path = lines / "validation" / "metadata.jsonl"
    records = read_lines(reader.model, reader.processor, list(open_source(lines, "validation")), 0.0)
    rows = [{"file_name": Path(record.name).name, "text": record.prediction} for record in records]
    rows[0]["text"] = "something else"
    assert all(row["text"].strip() for row in rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return lines


def run(script, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["calibrate_confidence.py", *map(str, words)])
    script.main()


def test_the_temperature_is_written_and_nothing_else_changes(script, monkeypatch, model, half_read, capsys):
    before = json.loads((model / "config.json").read_text())
    run(script, monkeypatch, model, half_read)
    after = json.loads((model / "config.json").read_text())
    assert after.pop("confidence_temperature") != before.pop("confidence_temperature") == 1.0
    assert after == before
    assert "3 lines, 66.7% read without an error" in capsys.readouterr().out
    reader = LineReader.from_pretrained(model)
    records = read_lines(reader.model, reader.processor, list(open_source(half_read, "validation")), 0.0)
    said = reader.read([line.image for line in open_source(half_read, "validation")])
    assert [line.confidence for line in said] == pytest.approx([record.confidence for record in records], rel=1e-4)
    assert [record.prediction for record in records] == [line.text for line in said]


def test_fitting_again_gives_the_same_temperature(script, monkeypatch, model, half_read):
    for _ in range(2):
        run(script, monkeypatch, model, half_read)
    twice = json.loads((model / "config.json").read_text())["confidence_temperature"]
    found = script.fit(LineReader.from_pretrained(model), str(half_read), "validation")
    assert found.temperature == pytest.approx(twice, rel=1e-3)
    assert found.error_before == pytest.approx(found.error_after, abs=1e-3)


def test_a_dry_run_writes_nothing(script, monkeypatch, model, half_read):
    before = (model / "config.json").read_bytes()
    run(script, monkeypatch, model, half_read, "--dry-run")
    assert (model / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["/nowhere", "LINES"], "`model`: /nowhere"), (["MODEL", "LINES"], "none of 3 lines were read right")],
)
def test_what_cannot_be_fitted_is_one_line(script, monkeypatch, model, lines, words, complaint):
    before = (model / "config.json").read_bytes()
    with pytest.raises(SystemExit, match=complaint):
        run(script, monkeypatch, *(word.replace("MODEL", str(model)).replace("LINES", str(lines)) for word in words))
    assert (model / "config.json").read_bytes() == before
