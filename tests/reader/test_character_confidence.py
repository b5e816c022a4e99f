"""Confidence by character beside that of the line, whatever reads; and numbers that are none are told."""

import json
import math

import pytest
import torch
from lxml import etree
from tiny_checkpoint import draw_line, save_checkpoint
from typer.testing import CliRunner

from trocr_gsa import LineReader
from trocr_gsa.cli.app import app
from trocr_gsa.reader import Line

PICTURES = [draw_line(text, width) for text, width in {"abc": 40, "defghijk": 90, "a longer line": 120}.items()]
PAGE = """<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Page imageFilename="page.png" imageWidth="90" imageHeight="20"><TextRegion id="r"><Coords points="0,0 90,0 90,20"/>
<TextLine id="l"><Coords points="0,0 90,0 90,20 0,20"/><TextEquiv><Unicode>kept</Unicode></TextEquiv></TextLine>
</TextRegion></Page></PcGts>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("columns"), torch.float64, ctc_steps_per_patch=2)


@pytest.fixture(scope="module")
def reader(folder):
    return LineReader.from_pretrained(folder, device="cpu")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A reader whose decoder computes NaN."""
    place = save_checkpoint(tmp_path_factory.mktemp("damaged"))
    reader = LineReader.from_pretrained(place, device="cpu")
    with torch.no_grad():
        reader.model.decoder.get_input_embeddings().weight.fill_(math.nan)
    return reader


@pytest.mark.parametrize("beams", [0, 1, 3])
def test_there_is_one_for_every_character_whatever_reads(reader, beams):
    lines = reader.read(PICTURES, num_beams=beams)
    assert len({line.text for line in lines}) == 3
    for line in lines:
        assert len(line.character_confidences) == len(line.text)
        assert all(0 < each < 1 for each in line.character_confidences)
        logs = [math.log(each) for each in line.character_confidences]
        assert line.character_confidence == pytest.approx(math.exp(sum(logs) / len(logs)))
    assert len({each for line in lines for each in line.character_confidences}) > 2


@pytest.mark.parametrize("beams", [0, 1])
def test_they_are_the_same_at_every_quarter_turn(reader, beams):
    upright = reader.read(PICTURES, num_beams=beams)
    turned = reader.read([picture.rotate(90, expand=True) for picture in PICTURES], num_beams=beams)
    for one, other in zip(upright, turned, strict=True):
        assert other.character_confidences == pytest.approx(one.character_confidences, rel=1e-6)


@pytest.mark.parametrize("beams", [0, 1])
def test_a_temperature_leaves_them_as_they_are(reader, monkeypatch, beams):
    before = reader.read(PICTURES, num_beams=beams)
    monkeypatch.setattr(reader.model.config, "confidence_temperature", 0.1)
    for cold, line in zip(reader.read(PICTURES, num_beams=beams), before, strict=True):
        assert cold.character_confidences == line.character_confidences
        assert cold.confidence == pytest.approx(line.confidence**10)


def test_lines_of_a_hard_hand_can_be_sorted_by_what_is_written():
    lines = [Line("x", confidence, 0.0, "") for confidence in (2.5e-12, 2.6e-12, 7e-5, 0.4)]
    written = [line.as_fields()["confidence"] for line in lines]
    assert written == sorted(set(written))


def test_an_empty_line_has_none():
    line = Line("", 0.25, 0.0, "")
    assert line.as_fields()["character_confidences"] == []
    assert line.character_confidence == 0.25


@pytest.mark.parametrize("format", ["text", "jsonl", "csv"])
def test_a_reader_that_computes_no_numbers_writes_none(damaged, monkeypatch, tmp_path, format):
    monkeypatch.setattr(LineReader, "from_pretrained", lambda *_, **__: damaged)
    PICTURES[0].save(tmp_path / "a.png")
    result = CliRunner().invoke(app, ["read", str(tmp_path / "a.png"), "--format", format])
    assert result.exit_code == 1
    assert f"{tmp_path / 'a.png'}: the reader computed no finite number" in result.stderr
    assert "nan" not in result.stdout.lower()
    assert len(result.stdout.splitlines()) == (format == "csv")


def test_a_reader_that_computes_no_numbers_is_not_evaluated(damaged, monkeypatch, tmp_path):
    monkeypatch.setattr(LineReader, "from_pretrained", lambda *_, **__: damaged)
    PICTURES[0].save(tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_text("abc")
    output = tmp_path / "numbers.json"
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--angles", "0", "--json", str(output)])
    assert result.exit_code == 2
    assert "error: `model`: its output is not finite for 1 of 1 lines" in result.stderr
    assert not output.exists()


@pytest.mark.parametrize("words", [[], ["--min-confidence", "0.5"]])
def test_nan_passes_no_least_confidence(damaged, monkeypatch, tmp_path, words):
    monkeypatch.setattr(LineReader, "from_pretrained", lambda *_, **__: damaged)
    draw_line("defghijk", 90).save(tmp_path / "page.png")
    (tmp_path / "page.xml").write_text(PAGE)
    command = ["read", str(tmp_path / "page.xml"), "--format", "page", "--output-dir", str(tmp_path / "out"), *words]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "page.xml: line l: the reader computed no finite number" in result.stderr
    (line,) = etree.parse(tmp_path / "out" / "page.xml").iter("{*}TextLine")
    assert line.findtext("{*}TextEquiv/{*}Unicode") == "kept"
    assert not line.xpath(".//@conf | @custom")


def test_a_stopped_readings_parts_keep_them(folder, monkeypatch, tmp_path):
    reader = LineReader.from_pretrained(folder, device="cpu")
    monkeypatch.setattr(LineReader, "from_pretrained", lambda *_, **__: reader)
    PICTURES[1].save(tmp_path / "a.png")
    output = tmp_path / "out.jsonl"
    words = ["read", str(tmp_path / "a.png"), "--format", "jsonl", "--output", str(output)]
    assert CliRunner().invoke(app, words).exit_code == 0
    (line,) = reader.read([tmp_path / "a.png"])
    assert json.loads(output.read_text()) == line.as_fields()
