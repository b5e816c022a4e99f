"""The programs behind the model card's tables: what they count, what they keep, and what they refuse to make up."""

import json
from dataclasses import replace

import pytest
from tiny_checkpoint import draw_line

from experiments import tesseract_peer
from experiments.accuracy import write_all
from experiments.accuracy_readings import Contestant, Readings
from experiments.accuracy_tables import Trained, base_table, conditions_table, forgetting_table
from experiments.line_conditions import AS_CUT, CONDITIONS
from experiments.train_adapters import ADAPTERS, RUNS
from trocr_gsa.data.line import Line
from trocr_gsa.evaluation.scored_line import ScoredLine


@pytest.fixture
def readings(lines, tmp_path):
    return Readings(tmp_path / "cache", {"ours": str(lines), "theirs": str(lines)})


def contestant(name, read, orientation=lambda angle: angle):
    """Return somebody who reads a text as `read` says, and counts how often they were asked."""
    asked = []

    def load():
        def reads(lines, angle):
            asked.append(angle)
            return [
                ScoredLine(replace(line, document="book"), angle, Line(read(line.text, angle), 0.5, orientation(angle)))
                for line in lines
            ]

        return reads

    return Contestant(name, f"fingerprint-{name}", load), asked


def trained(who, sets=("ours",), lines=3, **changes):
    return replace(Trained("hand", "LoRA, rank 8", sets, lines, 1000, 2.0, who), **changes)


def test_a_reading_is_made_once_and_kept(readings):
    who, asked = contestant("good", lambda text, angle: text)
    first = readings.of(who, "ours", 90.0)
    again, other_asked = contestant("good", lambda text, angle: "never")
    assert readings.of(again, "ours", 90.0) == first
    assert (asked, other_asked) == ([90.0], [])
    assert [record.prediction for record in first] == [record.reference for record in first]


def test_texts_are_kept_as_they_are_and_folded_when_they_are_compared(readings):
    who, asked = contestant("old", lambda text, angle: text + "¬")
    assert readings.of(who, "ours")[0].character_errors.errors == 1
    dashes, _ = contestant("old", lambda text, angle: "never")
    (first, *_) = replace(readings, normalize="policy").of(dashes, "ours")
    assert first.line.text.endswith("¬")
    assert first.prediction.endswith("-")
    assert asked == [0.0]


def test_a_model_and_its_adapter_are_told_apart_by_their_weights(checkpoint, tmp_path):
    from tiny_adapters import save_adapter

    adapters = [save_adapter(checkpoint, tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    prints = [Contestant.of_model("m", checkpoint, adapter).fingerprint for adapter in (None, *adapters)]
    assert len(set(prints)) == 3
    assert Contestant.of_model("other name", checkpoint).fingerprint == prints[0]


def test_the_main_table_holds_what_was_read(readings):
    base, _ = contestant("base", lambda text, angle: text[:-1])
    peer, _ = contestant("peer", lambda text, angle: text if angle == 0 else "")
    adapted, _ = contestant("adapted", lambda text, angle: text)
    head, ours, theirs = base_table(readings, base, {"ours": peer}, [trained(adapted)])
    by_name = dict(zip(head, ours, strict=True))
    assert by_name["Tesseract upright / turned by 180°"] == "0.0% / 100.0%"
    assert by_name["CER at 0, 90, 180, 270°"].startswith("20.0% (")  # 3 of the 15 letters
    assert by_name["CER with its adapter"].startswith("0.0% (")
    assert by_name["same text at all"] == by_name["way up right"] == "100.0%"
    assert dict(zip(head, theirs, strict=True))["CER with its adapter"] == "–"


def test_a_text_that_changes_with_the_angle_is_not_hidden(readings):
    base, _ = contestant("base", lambda text, angle: text if angle < 200 else "", lambda angle: 0.0)
    head, ours, _ = base_table(readings, base, {}, [])
    by_name = dict(zip(head, ours, strict=True))
    assert by_name["CER at 0, 90, 180, 270°"] == "0.0%, 0.0%, 0.0%, 100.0%"
    assert by_name["same text at all"] == "0.0%"
    assert by_name["way up right"] == "25.0%"


def test_forgetting_is_shown_beside_what_was_there_before(readings):
    base, _ = contestant("base", lambda text, angle: text)
    after, _ = contestant("after", lambda text, angle: "")
    head, before, forgotten = forgetting_table(readings, base, [trained(after)])
    assert head[2:] == ["ours", "theirs"]
    assert before[2:] == ["0.0%", "0.0%"]
    assert forgotten[2:] == ["(100.0%)", "100.0%"]


def test_tesseract_is_left_out_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(tesseract_peer.shutil, "which", lambda program: None)
    assert tesseract_peer.tesseract("frk") is None


def test_a_table_goes_only_where_its_markers_are(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- tilt: written by experiments/accuracy.py -->\nold\n<!-- /tilt -->\nb\n")
    report = {"tilt": [["set"], ["ours"]], "curve": [["lines"], ["50"]]}
    write_all(report, {"n": 1}, [page], tmp_path / "numbers.json")
    assert "| ours |" in page.read_text()
    assert "old" not in page.read_text()
    assert "| 50 |" not in page.read_text()
    assert json.loads((tmp_path / "numbers.json").read_text()) == {"n": 1, "tables": report}


def test_every_adapter_run_says_what_it_learns_from_and_how_long(tmp_path):
    assert len({run.name for run in RUNS}) == len(RUNS)
    assert {run.name for run in RUNS} >= set(ADAPTERS) | {f"{name}-full" for name in ADAPTERS} | {"peraire-50"}
    for run in RUNS:
        arguments = run.arguments(tmp_path, tmp_path / "runs")
        assert arguments.max_minutes == run.minutes
        assert arguments.method == run.method
        assert arguments.train_lines == run.lines
        assert len(arguments.train) == len(ADAPTERS[run.adapter])


def test_the_same_lines_are_read_in_every_condition_and_kept_apart(readings):
    sizes = []
    base, _ = contestant("base", lambda text, angle: text)
    read = base.load()
    base.load = lambda: lambda lines, angle: sizes.append([line.image.size for line in lines]) or read(lines, angle)
    roomy = replace(readings, condition="100 %", lines={})
    head, as_cut, in_room = conditions_table([readings, roomy], base)
    assert head == ["condition", "ours", "theirs"]
    assert (as_cut, in_room) == (["as cut", "0.0%", "0.0%"], ["100 %", "0.0%", "0.0%"])
    assert sizes[2] == [(width + 2 * height, 3 * height) for width, height in sizes[0]]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_condition_changes_a_line_and_leaves_it_a_line(mode):
    image = draw_line("abc", 60).convert(mode)
    for name, change in CONDITIONS.items():
        changed = change(image)
        assert changed.mode == mode
        assert (changed.tobytes() == image.tobytes()) == (name == AS_CUT), name
        assert changed.width > changed.height
