"""What a new hand is cut into, what is learnt of it, and what is written."""

import json
import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import new_hand
from trocr_gsa.data.compile import SCHEMA, encode
from trocr_gsa.data.line import Line
from trocr_gsa.data.sources import open_source
from trocr_gsa.evaluation.scored_line import ScoredLine

WRITTEN = "<!-- new-hand: written by experiments/new_hand.py -->"


@pytest.fixture
def source(line_picture, tmp_path):
    """Forty lines, every other one of hand/a."""
    picture = encode(line_picture)
    rows = [
        {"image": picture, "text": "abc", "document": f"hand/{'ab'[i % 2]}", "name": f"{i}.png", "angle": 0.0}
        for i in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / "lines.parquet")
    return tmp_path / "lines.parquet"


def contestant(name, prediction):
    def reads(lines, angle):
        return [ScoredLine(replace(line, document="a"), angle, Line(prediction, 0.5, 0.0)) for line in lines]

    return new_hand.Contestant(name, name, lambda: reads)


def names(path):
    return [line.name for line in open_source(str(path))]


def test_the_lines_read_are_the_last_of_the_hand_and_none_of_those_learnt(source, tmp_path):
    hand = new_hand.Hand.cut(source, "hand/a", tmp_path / "run")
    assert names(hand.learn) == [f"{i}.png" for i in range(0, 28, 2)]
    assert names(hand.read) == [f"{i}.png" for i in range(28, 40, 2)]
    assert hand.available == 14


def test_only_where_lines_are_drawn_they_are_drawn_several_times(source, tmp_path, monkeypatch):
    monkeypatch.setattr(new_hand, "COUNTS", (5, 10, 14, 50))
    hand = new_hand.Hand.cut(source, "hand/a", tmp_path / "run")
    assert hand.trainings() == [(5, 0), (5, 1), (5, 2), (10, 0), (10, 1), (10, 2), (14, 0)]


def test_a_document_that_is_not_there_is_named(source, tmp_path):
    with pytest.raises(ValueError, match=r"`--hand`: .*lines\.parquet has no line of hand/c"):
        new_hand.Hand.cut(source, "hand/c", tmp_path / "run")


def test_the_table_has_a_row_for_every_number_of_lines_before_learning_first(source, tmp_path, monkeypatch):
    monkeypatch.setattr(new_hand, "COUNTS", (5,))
    read = {0: "abd", 1: "abc", 2: "abc"}  # by draw

    def learnt(hand, count, draw, folder):
        return contestant(f"{count}-{draw}", read[draw])

    monkeypatch.setattr(new_hand, "learn", learnt)
    monkeypatch.setattr(new_hand.Contestant, "of_model", lambda name: contestant(name, "xyz"))
    page, out = tmp_path / "page.md", tmp_path / "new_hand.json"
    page.write_text(f"{WRITTEN}\n<!-- /new-hand -->\n")
    words = [tmp_path / "run", page, "--hand", source, "hand/a", "--json", out]
    monkeypatch.setattr(sys, "argv", ["new_hand.py", *map(str, words)])
    new_hand.main()
    assert page.read_text().splitlines()[3:6] == [
        "| a | 6 | 0 | 100.0% | 100.0% |",
        "| a | 6 | 5 | 11.1% (0.0%–33.3%) | 33.3% (0.0%–100.0%) |",
        "| a | 6 | 14 | 33.3% | 100.0% |",
    ]
    assert [row["lines"] for row in json.loads(out.read_text())["rows"]] == [0, 5, 14]
