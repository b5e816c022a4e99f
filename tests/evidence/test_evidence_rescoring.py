"""What the experiment on language models counts, on candidates for which the right choice is known."""

import json
import math

import pytest

from experiments import rescoring
from experiments.rescoring import Candidates, Recorder, best_weight, errors, interval, nearest, row_of
from trocr_gsa.reader.language_model import CharacterModel

TEXT = "the cat the hat the cab that cat"
HELPED = Candidates("the cat", [("tne cat", -0.1), ("the cat", -0.8)])
HARMED = Candidates("tne cat", HELPED.texts)


def test_errors_are_those_of_the_chosen_candidate():
    assert errors([HELPED, HARMED], None) == [1, 0]
    assert errors([HELPED, HARMED], CharacterModel(TEXT, weight=0.4)) == [0, 1]
    assert [nearest(HELPED), nearest(HARMED)] == [0, 0]


def test_the_weight_is_the_best_of_the_sets_that_are_not_shown():
    models = {name: CharacterModel(TEXT) for name in "ab"}
    helped = best_weight({"a": [HELPED]}, models)
    assert helped[0.0] == pytest.approx(1 / 7)
    assert helped[max(helped)] == 0
    balanced = best_weight({"a": [HELPED], "b": [HARMED]}, models)
    assert len({round(rate, 6) for rate in balanced.values()}) == 1  # what helps one harms the other
    assert not set(rescoring.SETS) & set(rescoring.TUNED_ON)


def test_a_row_has_the_change_with_its_interval():
    row = row_of("a", [HELPED] * 3, CharacterModel(TEXT), CharacterModel("xyz"), 0.4)
    assert row["reader"] == row["most probable"] == pytest.approx(1 / 7)
    assert row["with text of the set"] == row["nearest"] == 0
    assert row["change"] == pytest.approx([-1 / 7] * 2)
    low, high = interval([1, 0, 1, 0], [0, 1, 0, 0], 28)
    assert low < -1 / 28 < high


def test_the_recorder_changes_nothing_and_forgets_what_is_ruled_out():
    recorder = Recorder()
    assert recorder.choose([("a", -1.0), ("b", -0.5), ("c", -math.inf)]) == 0
    assert recorder.seen == [[("a", -1.0), ("b", -0.5)]]


def test_the_table_follows_from_the_kept_candidates(monkeypatch, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    kept = [{"reference": line.reference, "texts": line.texts} for line in (HELPED, HELPED)]
    for name in (*rescoring.SETS, *rescoring.TUNED_ON):
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
    assert "| fraktur-19 | 2 | 14.29 % | 14.29 % | 0.00 % | -14.29 (-14.29 to -14.29) |" in page.read_text()
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["weight"] == float(next(weight for weight, rate in found["tuned"].items() if rate == 0))
    assert str(found["weight"]) in capsys.readouterr().out
