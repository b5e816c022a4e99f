"""The programs that measure speed, at toy size: each runs, and says what it should."""

import json
import sys
from pathlib import Path

import pytest
from tiny_checkpoint import draw_line

from benchmarks import aims, cuda, finetuning, history, loading, reading, start, training_step
from benchmarks.aims import Aim

ROOT = Path(__file__).parents[2]
TEXTS = ("one", "two and", "three")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    for number, text in enumerate(TEXTS):
        draw_line(text).save(folder / f"{number}.png")
        (folder / f"{number}.gt.txt").write_text(text)
    return folder


def page_for(folder: Path, name: str, script: str) -> Path:
    page = folder / "page.md"
    page.write_text(f"before\n<!-- {name}: written by benchmarks/{script} -->\n<!-- /{name} -->\nafter\n")
    return page


def run(patch, module, *words: object) -> None:
    patch.setattr(sys, "argv", ["script", *map(str, words)])
    module.main()


def test_reading_is_measured_beside_a_stock_reader(lines, tmp_path, monkeypatch):
    monkeypatch.setattr(reading.Tesseract, "version", staticmethod(lambda: None))
    monkeypatch.setattr(reading, "STOCK", reading.Shape(image_size=32, layers=1, decoder_layers=1))
    page, out = page_for(tmp_path, "reading", "reading.py"), tmp_path / "speed.json"
    run(monkeypatch, reading, lines, "--rounds", 1, "--threads", 1, "--page", page, "--json", out)
    rows = {row["reader"]: row for row in json.loads(out.read_text())["rows"]}
    assert rows["trocr-gsa"]["ratio"] == 1
    ours = ("trocr-gsa", "trocr-gsa, upright", "trocr-gsa, without decoder", "trocr-gsa, upright, without decoder")
    assert all(rows[name]["cer"] is not None for name in ours)
    assert all(rows[f"stock, {times}"]["cer"] is None for times in ("one orientation", "four orientations"))
    assert "stock, four orientations" in page.read_text()


def test_every_part_of_a_training_step_is_measured_for_both_encoders(lines, tmp_path, monkeypatch):
    page, out = page_for(tmp_path, "training_step", "training_step.py"), tmp_path / "step.json"
    run(monkeypatch, training_step, lines, "--repeats", 1, "--page", page, "--json", out)
    before, now = json.loads(out.read_text())["rows"]
    assert before["encoder"] == training_step.BEFORE
    for row in (before, now):
        assert list(row["seconds_per_line"]) == list(training_step.PARTS)
        assert row["lines_per_second"] == pytest.approx(1 / sum(row["seconds_per_line"].values()))
    assert training_step.BEFORE in page.read_text()


def test_a_stock_reader_of_any_orientation_reads_every_line_four_times(lines, monkeypatch):
    monkeypatch.setattr(reading, "STOCK", reading.Shape(image_size=32, layers=1, decoder_layers=1))
    squashed, seen = reading.squashed, []
    monkeypatch.setattr(reading, "squashed", lambda *given: seen.append(len(given[1])) or squashed(*given))
    (chosen,) = reading.choose_lines([str(lines)], "test", 3).values()
    for angles in (reading.QUARTERS[:1], reading.QUARTERS):
        read, _ = reading.stock(64, angles)
        read(chosen)
    assert seen == [3, 3, 3, 3, 3]


def test_the_lines_to_be_read_are_spread_over_all_sets(lines):
    chosen = reading.choose_lines([str(lines), f"{lines}/"], "test", 4)
    assert [len(each) for each in chosen.values()] == [2, 2]


def speed_files(kind: str) -> tuple[list, list]:
    """Rows of a benchmark before and after a change."""
    reading = [[{"reader": "Tesseract", "lines_per_second": 9.0}, {"reader": "trocr-gsa", "lines_per_second": speed}]
               for speed in (2.0, 3.0)]  # fmt: skip
    steps = [[{"reader": "trocr-gsa", "ratio": ratio, "step_seconds": 1}] for ratio in (3.0, 2.0)]
    layers = [[{"name": "layer", "seconds": [time, 1.0]}, {"name": "memory", "seconds": None}] for time in (3.0, 2.0)]
    before, after = {"reading": reading, "step": steps, "layer": layers}[kind]
    return before, after


@pytest.mark.parametrize(("kind", "named"), [("reading", "trocr-gsa"), ("step", "step, trocr-gsa"), ("layer", "layer")])
def test_what_a_change_brought_is_kept(tmp_path, monkeypatch, kind, named):
    files = [tmp_path / "before.json", tmp_path / "after.json"]
    for file, rows in zip(files, speed_files(kind), strict=True):
        file.write_text(json.dumps({"rows": rows}))
    page, out = page_for(tmp_path, "history", "history.py"), tmp_path / "history.json"
    for note in ("a change", "another"):
        run(monkeypatch, history, *files, page, "--note", note, "--json", out)
    kept = json.loads(out.read_text())
    assert [each["note"] for each in kept] == ["a change", "another"]
    assert list(kept[0]["rows"]) == [named]
    assert f"| a change | {named} |" in page.read_text()
    assert page.read_text().count("× 1.50") == 2


def test_a_change_is_one_between_files_of_one_benchmark():
    reading, step = ({"rows": speed_files(kind)[0]} for kind in ("reading", "step"))
    with pytest.raises(ValueError, match="`before` and `after` must be of one benchmark"):
        history.change(reading, step, "a change")
    with pytest.raises(ValueError, match="`rows` must be those of the programs reading"):
        history.figures({"rows": [{"waiting": 1}]})


def test_tesseracts_texts_come_back_to_their_lines(lines, tmp_path):
    if reading.Tesseract.version() is None:
        pytest.skip("Tesseract is not installed")
    sets = reading.choose_lines([str(lines)], "test", 3)
    (found,) = sets.values()
    read = reading.Tesseract(tmp_path, sets, processes=2)(found)
    assert len(read) == len(TEXTS)


@pytest.mark.slow
def test_fine_tuning_steps_are_measured_beside_a_stock_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(finetuning, "in_new_process", lambda *_: 0)
    page, out = page_for(tmp_path, "finetuning", "finetuning.py"), tmp_path / "speed.json"
    run(monkeypatch, finetuning, page, "--lines", 2, "--letters", 4, "--repeats", 1, "--json", out)
    stock, ours, behind = json.loads(out.read_text())["rows"]
    assert stock["trained"] == ours["trained"] > behind["trained"]
    assert stock["ratio"] == 1
    assert ours["giga_operations"] > behind["giga_operations"] > stock["giga_operations"]
    assert abs(stock["parameters"] / ours["parameters"] - 1) < 0.1


def test_the_share_of_a_step_that_waits_for_lines_is_measured(lines, tmp_path, monkeypatch):
    page, out = page_for(tmp_path, "loading", "loading.py"), tmp_path / "loading.json"
    toy = ["--lines", 2, "--height", 20, "--workers", 0, "--steps", 1, "--rounds", 1]
    run(monkeypatch, loading, lines, page, *toy, "--json", out)
    compiled, jpegs = json.loads(out.read_text())["rows"]
    for row in (compiled, jpegs):
        assert 0 < row["waiting"] < 1
        assert row["preparing"] <= row["processor"]
    assert "20 px high" in page.read_text()


def test_starts_are_measured_in_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "PROCESSES", {start.ALONE: ["1"], start.CLASS: ["2"]})
    page, out = page_for(tmp_path, "start", "start.py"), tmp_path / "speed.json"
    run(monkeypatch, start, page, "--rounds", 1, "--json", out)
    alone, _ = json.loads(out.read_text())["rows"]
    assert alone["to_alone"] == 1
    with pytest.raises(RuntimeError, match="ended with 3"):
        start.run(["import sys; sys.exit(3)"])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_bench_for_cards_runs_without_one(tmp_path, monkeypatch):
    toy = ["--sizes", "toy:32:2:2:1", "--ways", "eager", "--lines", 2, "--columns", 6, "--letters", 5]
    out = tmp_path / "speed.json"
    run(monkeypatch, cuda, "--device", "cpu", *toy, "--matrix", 32, "--seconds", 0.01, "--json", out)
    learnt, read = json.loads(out.read_text())["rows"]
    assert learnt["error"] is None
    assert read["error"] is None
    assert learnt["share_of_peak"] > 0
    assert any("flash" in name for name in learnt["attention_kernels"])


def test_a_row_that_fails_says_why():
    def fail() -> None:
        raise RuntimeError("no such card\nat all")

    row = cuda.Row("reading", "toy", compiled=True, parameters=1)
    work = cuda.Work(lines=1, columns=1, letters=1, seconds=0.0, device="cpu")
    assert cuda.measured(row, fail, work, None, 1.0).error == "RuntimeError: no such card"


def test_what_was_aimed_at_stands_on_the_page_as_it_was_measured_last(tmp_path, monkeypatch):
    written = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    page = tmp_path / "speed.md"
    page.write_text(written, encoding="utf-8")
    run(monkeypatch, aims, page, "--folder", ROOT / "benchmarks" / "results")
    assert page.read_text(encoding="utf-8") == written


def test_an_aim_is_reached_where_all_sizes_reach_it():
    assert Aim("layer", "ViT", 1.2, False, [1.0, 1.2]).row() == ["layer", "ViT", "≤ 1.2 ×", "1.00 to 1.20 ×", "yes"]
    assert Aim("layer", "ViT", 1.2, False, [1.0, 1.21]).row()[-1] == "no"
    assert Aim("layer", "sums", 50, True, [49.0, 60.0]).row()[-2:] == ["49.00 to 60.00 ×", "no"]
    assert Aim("layer", "sums", 50, True, []).row()[-2:] == ["not measured", "–"]
