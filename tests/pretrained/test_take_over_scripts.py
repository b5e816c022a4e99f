"""The scripts that measure taking a TrOCR over, at toy size: each runs, and says what it should."""

import json
import re
import sys
from functools import partial
from pathlib import Path

import pytest
from transformers import AutoProcessor, VisionEncoderDecoderModel
from typer.main import get_command

from trocr_gsa.cli.app import app

SCRIPTS = Path(__file__).parents[2] / "scripts"
TOY = {"image_size": 32, "patch_size": 8, "hidden_size": 32, "heads": 2, "layers": 3, "longest": 40}


@pytest.fixture(scope="module", autouse=True)
def _scripts():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield


@pytest.fixture(scope="module")
def shape(_scripts):
    from stock_reader import Shape

    return Shape(**TOY, decoder_size=32, decoder_layers=1, decoder_heads=2)


@pytest.fixture(scope="module")
def stock(shape, tmp_path_factory):
    """A stock reader that was trained for a second."""
    from train_stock_trocr import Recipe, train

    folder = tmp_path_factory.mktemp("runs") / "toy"
    recipe = Recipe(shape, lines=8, validation_lines=3, batch_size=4, eval_every=5, max_minutes=0.01)
    assert train(recipe, folder) < float("inf")
    return folder


def test_a_stock_reader_is_trained_and_saved_as_transformers_own(stock):
    model = VisionEncoderDecoderModel.from_pretrained(stock)
    assert (model.config.encoder.model_type, model.config.decoder.model_type) == ("vit", "trocr")
    assert type(AutoProcessor.from_pretrained(stock)).__name__ == "TrOCRProcessor"


def test_training_finds_the_text_of_a_few_lines(shape):
    from rendered_words import SEEN_FAMILIES, rendered_words
    from stock_reader import build_stock
    from train_stock_trocr import Lines, Recipe, Training

    model, processor = build_stock(shape, attn_implementation="eager")
    rendered = rendered_words(SEEN_FAMILIES, 4, first_seed=0)
    lines = Lines.of([rendered[index] for index in range(4)], processor)
    training = Training(Recipe(shape), model.train())
    losses = [training.step(lines.pixels(slice(None)), lines.labels, factor=1.0) for _ in range(40)]
    assert losses[-1][0] < 0.75 * losses[0][0]
    assert losses[-1][1] < 0.75 * losses[0][1]


def test_fonts_that_the_system_lacks_are_replaced_by_the_one_inside_pillow():
    from rendered_words import find_families

    (font,) = find_families(["no family of this name"])
    assert font.path == ""


def test_the_report_reads_stock_and_converted_alike_when_told_upright(stock, tmp_path, monkeypatch, capsys):
    import report_take_over

    briefly = partial(report_take_over.calibrate, max_steps=3)
    monkeypatch.setattr(report_take_over, "calibrate", briefly)
    page = tmp_path / "page.md"
    page.write_text("<!-- reading: written by scripts/report_take_over.py -->\n<!-- /reading -->\nend\n")
    words = [str(stock), str(page), "--lines", "3", "--calibration-lines", "4", "--json", str(tmp_path / "rows.json")]
    monkeypatch.setattr(sys, "argv", ["report_take_over.py", *words])
    report_take_over.main()
    variants = json.loads((tmp_path / "rows.json").read_text())
    by_name = {(variant["name"], variant["fonts"]): variant for variant in variants}
    for fonts in ("seen", "unseen"):
        before = [row["cer"] for row in by_name["stock", fonts]["rows"]]
        told_upright = [row["cer"] for row in by_name["taken over, told upright", fonts]["rows"]]
        calibrated = by_name["calibrated on 4 lines, K = 1 of 2", fonts]
        assert told_upright == before
        assert calibrated["same_text"] == 1
        assert len({row["cer"] for row in calibrated["rows"]}) == 1
        assert calibrated["calibration_minutes"] > 0
    assert "| calibrated on 4 lines, K = 1 of 2 | unseen |" in page.read_text()
    assert "| stock | seen |" in capsys.readouterr().out


def test_the_bench_puts_every_reader_beside_the_stock_one(stock, monkeypatch):
    import bench_take_over

    monkeypatch.setattr(bench_take_over, "peak_alone", lambda *_: 1000)  # a process of its own takes seconds to start
    rows = bench_take_over.bench(str(stock), batch_size=2, repeats=1, shapes=False)
    assert rows[0].name == "stock"
    assert {row.name for row in rows} >= {'K = 1 of 2, "upright"', 'K = 2 of 2, "any"', 'K = 2 of 2, "any", gates open'}
    patches = (TOY["image_size"] // TOY["patch_size"]) ** 2
    assert rows[0].tokens == patches + 1
    assert all(row.encoder_seconds < row.reading_seconds for row in rows)
    lines = bench_take_over.table(rows).splitlines()
    assert "ms" in lines[2]
    assert all("× 1.00" in line for line in lines[3:])  # the memory as faked


def test_memory_is_that_of_a_process_of_its_own(stock):
    import bench_take_over

    variant = bench_take_over.Variant(str(stock), bench_take_over.STOCK)
    assert 0 < bench_take_over.peak_alone(variant, batch_size=1) < 1e9


def test_a_page_without_the_comments_of_a_table_is_named(tmp_path):
    from marked_tables import write_between_markers

    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match=r"page\.md must hold the lines '<!-- cost: written by scripts/bench\.py -->'"):
        write_between_markers(page, "cost", "scripts/bench.py", "table")


def test_the_page_shows_commands_that_exist_and_holds_both_tables():
    page = (SCRIPTS.parent / "docs" / "from_trocr.md").read_text(encoding="utf-8")
    for name, script in (("reading", "report_take_over"), ("cost", "bench_take_over")):
        assert f"<!-- {name}: written by scripts/{script}.py -->\n| " in page
        assert f"\n<!-- /{name} -->" in page
    for words in re.findall(r"^trocr-gsa (.*?)(?: +#.*)?$", page, flags=re.MULTILINE):
        command = get_command(app).commands[words.split()[0]]  # pyright: ignore[reportAttributeAccessIssue]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words.split() if word.startswith("--")} <= options
