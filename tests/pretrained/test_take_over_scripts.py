"""The programs that measure taking a TrOCR over, at toy size: each runs, and says what it should."""

import json
import re
import sys
from functools import partial
from pathlib import Path

import pytest
from transformers import AutoProcessor, VisionEncoderDecoderModel
from typer.main import get_command

from benchmarks import take_over_cost
from benchmarks.marked_tables import write_between_markers
from benchmarks.memory import in_new_process
from benchmarks.stock_reader import Shape, build_stock
from experiments import take_over
from experiments.rendered_words import SEEN_FAMILIES, find_families, rendered_words
from experiments.train_stock_trocr import Lines, Recipe, Training, train
from trocr_gsa.cli.app import app

ROOT = Path(__file__).parents[2]
TOY = {"image_size": 32, "patch_size": 8, "hidden_size": 32, "heads": 2, "layers": 3, "longest": 40}


@pytest.fixture(scope="module")
def shape():
    return Shape(**TOY, decoder_size=32, decoder_layers=1, decoder_heads=2)


@pytest.fixture(scope="module")
def stock(shape, tmp_path_factory):
    """A stock reader that was trained for a second."""
    folder = tmp_path_factory.mktemp("runs") / "toy"
    recipe = Recipe(shape, lines=8, validation_lines=3, batch_size=4, eval_every=5, max_minutes=0.01)
    assert train(recipe, folder) < float("inf")
    return folder


def test_a_stock_reader_is_trained_and_saved_as_transformers_own(stock):
    model = VisionEncoderDecoderModel.from_pretrained(stock)
    assert (model.config.encoder.model_type, model.config.decoder.model_type) == ("vit", "trocr")
    assert type(AutoProcessor.from_pretrained(stock)).__name__ == "TrOCRProcessor"


def test_training_finds_the_text_of_a_few_lines(shape):
    model, processor = build_stock(shape, attn_implementation="eager")
    rendered = rendered_words(SEEN_FAMILIES, 4, first_seed=0)
    lines = Lines.of([rendered[index] for index in range(4)], processor)
    training = Training(Recipe(shape), model.train())
    losses = [training.step(lines.pixels(slice(None)), lines.labels, factor=1.0) for _ in range(40)]
    assert losses[-1][0] < 0.75 * losses[0][0]
    assert losses[-1][1] < 0.75 * losses[0][1]


def test_fonts_that_the_system_lacks_are_replaced_by_the_one_inside_pillow():
    (font,) = find_families(["no family of this name"])
    assert font.path == ""


@pytest.mark.slow
def test_the_report_reads_stock_and_converted_alike_when_told_upright(stock, tmp_path, monkeypatch, capsys):
    briefly = partial(take_over.teach_orientation, max_steps=3)
    monkeypatch.setattr(take_over, "teach_orientation", briefly)
    page = tmp_path / "page.md"
    page.write_text("<!-- reading: written by experiments/take_over.py -->\n<!-- /reading -->\nend\n")
    words = [str(stock), str(page), "--lines", "3", "--orientation-lines", "4", "--json", str(tmp_path / "rows.json")]
    monkeypatch.setattr(sys, "argv", ["take_over.py", *words])
    take_over.main()
    variants = json.loads((tmp_path / "rows.json").read_text())
    by_name = {(variant["name"], variant["fonts"]): variant for variant in variants}
    for fonts in ("seen", "unseen"):
        before = [row["cer"] for row in by_name["stock", fonts]["rows"]]
        told_upright = [row["cer"] for row in by_name["taken over, told upright", fonts]["rows"]]
        taught = by_name["orientation taught on 4 lines, K = 1 of 2", fonts]
        assert told_upright == before
        assert taught["same_text"] == 1
        assert len({row["cer"] for row in taught["rows"]}) == 1
        assert taught["orientation_minutes"] > 0
    assert "| orientation taught on 4 lines, K = 1 of 2 | unseen |" in page.read_text()
    assert "| stock | seen |" in capsys.readouterr().out


def test_the_bench_puts_every_reader_beside_the_stock_one(stock, monkeypatch):
    monkeypatch.setattr(take_over_cost, "in_new_process", lambda *_: 1000)  # one takes seconds to start
    rows = take_over_cost.bench(str(stock), batch_size=2, repeats=1, shapes=False)
    assert rows[0].name == "stock"
    assert {row.name for row in rows} >= {'K = 1 of 2, "upright"', 'K = 2 of 2, "any"', 'K = 2 of 2, "any", gates open'}
    patches = (TOY["image_size"] // TOY["patch_size"]) ** 2
    assert rows[0].tokens == patches + 1
    assert all(row.encoder_seconds < row.reading_seconds for row in rows)
    lines = take_over_cost.table(rows).splitlines()
    assert "ms" in lines[2]
    assert all("× 1.00" in line for line in lines[3:])  # the memory as faked


@pytest.mark.slow
def test_memory_is_that_of_a_process_of_its_own(stock):
    variant = take_over_cost.Variant(str(stock), take_over_cost.STOCK)
    assert 0 < in_new_process(take_over_cost.peak_bytes, variant, batch_size=1) < 1e9


def test_a_page_without_the_comments_of_a_table_is_named(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match=r"page\.md must contain .* '<!-- cost: written by benchmarks/x\.py -->'"):
        write_between_markers(page, "cost", str(ROOT / "benchmarks" / "x.py"), "table")


def test_the_page_shows_commands_that_exist_and_holds_both_tables():
    page = (ROOT / "docs" / "from_trocr.md").read_text(encoding="utf-8")
    for name, script in (("reading", "experiments/take_over"), ("cost", "benchmarks/take_over_cost")):
        assert f"<!-- {name}: written by {script}.py -->\n| " in page
        assert f"\n<!-- /{name} -->" in page
    for words in re.findall(r"^trocr-gsa (.*?)(?: +#.*)?$", page, flags=re.MULTILINE):
        command = get_command(app).commands[words.split()[0]]  # pyright: ignore[reportAttributeAccessIssue]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words.split() if word.startswith("--")} <= options
