"""`trocr-gsa convert`: from a stock TrOCR to a folder that reads."""

import pytest
from stock_processors import make_stock_processor
from stock_trocr import make_stock_model
from tiny_checkpoint import draw_line
from transformers import AutoProcessor
from typer.testing import CliRunner

from trocr_gsa import TrOCRGSAModel
from trocr_gsa.cli.app import app


@pytest.fixture
def stock(tmp_path) -> str:
    make_stock_processor(make_stock_model(tmp_path / "stock", "base-printed"), "base-printed")
    return str(tmp_path / "stock")


@pytest.fixture
def pictures(tmp_path) -> str:
    (tmp_path / "pictures").mkdir()
    for index, text in enumerate(["bdhk", "ltfb", "kkhd", "dlbt"]):
        draw_line(text, 64).save(tmp_path / "pictures" / f"{index}.png")
    return str(tmp_path / "pictures")


def run(*words: object):
    return CliRunner().invoke(app, ["convert", *map(str, words)])


def test_the_folder_it_writes_reads_pictures(stock, pictures, tmp_path):
    result = run(stock, tmp_path / "out", "--group", "D2", "--pose-layers", 2)
    assert result.exit_code == 0, result.stderr
    assert "--orientation upright" in result.stdout
    model = TrOCRGSAModel.from_pretrained(tmp_path / "out")
    assert (model.config.encoder.group, model.config.encoder.pose_layers) == ("D2", 2)
    assert AutoProcessor.from_pretrained(tmp_path / "out").image_processor.size == {"height": 64, "width": 64}
    read = CliRunner().invoke(app, ["read", pictures, "--model", str(tmp_path / "out"), "--format", "jsonl"])
    assert read.exit_code == 0, read.stderr
    assert len(read.stdout.splitlines()) == 4


@pytest.mark.parametrize("option", ["--teach-orientation", "--calibrate"])
def test_teaching_the_orientation_says_how_it_went(option, stock, pictures, tmp_path):
    result = run(stock, tmp_path / "out", option, pictures, "--minutes", 0.02)
    assert result.exit_code == 0, result.stderr
    assert "orientation: " in result.stdout
    assert "--orientation upright" not in result.stdout


def test_a_bad_picture_is_named_and_the_model_is_written(stock, pictures, tmp_path):
    (tmp_path / "pictures" / "empty.png").touch()
    result = run(stock, tmp_path / "out", "--teach-orientation", pictures, "--minutes", 0.01)
    assert result.exit_code == 1
    assert "left out:" in result.stderr
    assert "empty.png" in result.stderr
    TrOCRGSAModel.from_pretrained(tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["{stock}", "{pictures}"], "`out`"),
        (["{pictures}", "{out}"], "`path_or_hub_id`"),
        (["{stock}", "{out}", "--group", "C8"], "`group`"),
        (["{stock}", "{out}", "--group", "C5"], "`group`"),
        (["{stock}", "{out}", "--pose-layers", "9"], "`pose_layers`"),
        (["{stock}", "{out}", "--teach-orientation", "{stock}"], "contains no picture"),
        (["nobody/nothing", "{out}"], "nobody/nothing"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(words, named, stock, pictures, tmp_path):
    places = {"stock": stock, "pictures": pictures, "out": str(tmp_path / "out")}
    result = run(*(word.format(**places) for word in words))
    assert result.exit_code == 2
    assert named in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
