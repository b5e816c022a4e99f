"""What the experiment on language models counts, on candidates for which the right choice is known."""

import json
import math

import pytest

from experiments import rescoring
from experiments.rescoring import Candidates, Recorder, errors, interval, nearest, row_of
from trocr_gsa.reader.language_model import CharacterModel

TEXT = "the cat the hat the cab that cat"
HELPED = Candidates("the cat", [("tne cat", -0.1), ("the cat", -0.8)])
HARMED = Candidates("tne cat", HELPED.texts)


def test_errors_are_those_of_the_chosen_candidate():
    assert errors([HELPED, HARMED], None) == [1, 0]
    assert errors([HELPED, HARMED], CharacterModel(TEXT, weight=0.4)) == [0, 1]
    assert [nearest(HELPED), nearest(HARMED)] == [0, 0]


def test_a_row_has_every_weight_and_the_change_with_its_interval(monkeypatch):
    monkeypatch.setattr(rescoring, "WEIGHT", 0.4)
    row = row_of("a", [HELPED] * 3, CharacterModel(TEXT), CharacterModel("xyz", weight=0.4))
    assert row["reader"] == row["λ = 0"] == pytest.approx(1 / 7)
    assert row["λ = 0.4"] == row["nearest"] == 0
    assert row["other text"] > 0
    assert row["change"] == pytest.approx([-1 / 7] * 2)


def test_an_interval_is_of_the_change_over_resampled_lines():
    low, high = interval([1, 0, 1, 0], [0, 1, 0, 0], 28)
    assert low < -1 / 28 < high


def test_the_recorder_changes_nothing_and_forgets_what_is_ruled_out():
    recorder = Recorder()
    assert recorder.choose([("a", -1.0), ("b", -0.5), ("c", -math.inf)]) == 0
    assert recorder.seen == [[("a", -1.0), ("b", -0.5)]]


def test_the_table_follows_from_the_kept_candidates(monkeypatch, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    kept = [{"reference": line.reference, "texts": line.texts} for line in (HELPED, HELPED)]
    for name in rescoring.SETS:
        (tmp_path / "run" / f"{name}.json").write_text(json.dumps(kept))
    page = tmp_path / "page.md"
    page.write_text("<!-- rescoring: written by experiments/rescoring.py -->\n<!-- /rescoring -->\n")
    monkeypatch.setattr(rescoring, "PAGE", page)
    monkeypatch.setattr(rescoring, "RESULTS", tmp_path / "results.json")

    class Source:
        def texts(self):
            return ["the cat the hat", "the cab that cat"]

    monkeypatch.setattr(rescoring, "open_source", lambda _: Source())
    monkeypatch.setattr("sys.argv", ["rescoring", str(tmp_path / "run"), str(tmp_path), "--write"])
    rescoring.main()
    written = page.read_text()
    assert "| fraktur-19 | 2 | 32 | 14.29 % |" in written
    assert "change with 0.1, points" in written
    assert capsys.readouterr().out.strip() in written
    found = json.loads((tmp_path / "results.json").read_text())
    assert [row["set"] for row in found] == list(rescoring.SETS)
