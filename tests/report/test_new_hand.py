"""What a new hand is cut into, what is learnt of it, and what is written."""

import json
import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import few_lines, new_hand
from trocr_gsa.data.compile import SCHEMA, encode
from trocr_gsa.data.line import Line
from trocr_gsa.data.sources import open_source
from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.train.arguments import TrainingArguments, read_config


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


def test_adapters_are_trained_on_no_more_lines_than_there_are(source, tmp_path, monkeypatch):
    monkeypatch.setattr(new_hand, "COUNTS", (5, 14, 50))
    assert new_hand.Hand.cut(source, "hand/a", tmp_path / "run").counts() == [5, 14]


def test_a_hand_is_not_called_data(source, tmp_path):
    table = pq.read_table(source)
    documents = pa.array(["set/data"] * len(table))
    place = table.schema.get_field_index("document")
    pq.write_table(table.set_column(place, "document", documents), tmp_path / "set.parquet")
    assert new_hand.Hand.cut(tmp_path / "set.parquet", "set/data", tmp_path / "run").name == "set"


def test_a_document_that_is_not_there_is_named(source, tmp_path):
    with pytest.raises(ValueError, match=r"`--hand`: .*lines\.parquet has no line of hand/c"):
        new_hand.Hand.cut(source, "hand/c", tmp_path / "run")


@pytest.fixture
def learnt(monkeypatch):
    """Training without a model: the more lines, the better an adapter reads, and the fewer minutes are left."""
    read = {5: "abd", 14: "abc"}  # by number of lines

    def learn(hand, count, folder, name="", settings=None):
        return contestant(f"{count} {name}", read.get(count, "abd")), count / 10

    for module in (new_hand, few_lines):
        monkeypatch.setattr(module, "learn", learn)
    monkeypatch.setattr(new_hand.Contestant, "of_model", lambda name: contestant(name, "xyz"))
    monkeypatch.setattr(new_hand, "COUNTS", (5, 14))


def run(monkeypatch, tmp_path, module, marker, source):
    page, out = tmp_path / "page.md", tmp_path / "results.json"
    program = module.__name__.replace(".", "/")
    page.write_text(f"<!-- {marker}: written by {program}.py -->\n<!-- /{marker} -->\n")
    words = [tmp_path / "run", page, "--hand", source, "hand/a", "--others", source, "--json", out]
    monkeypatch.setattr(sys, "argv", ["program", *map(str, words)])
    module.main()
    return page.read_text().splitlines(), json.loads(out.read_text())["rows"]


def test_a_hand_has_its_error_rates_by_number_of_lines_before_learning_first(source, tmp_path, monkeypatch, learnt):
    page, rows = run(monkeypatch, tmp_path, new_hand, "new-hand", source)
    assert page[3] == "| a | 6 | 100.0% (100.0%–100.0%) | 33.3% (33.3%–33.3%) | 0.0% (0.0%–0.0%) | 0.9 |"
    assert page[5] == (
        "On lines of other documents, the CER is 100.0% without an adapter, 33.3% with 5, 0.0% with 14 lines."
    )
    assert [row["lines"] for row in rows] == [0, 5, 14]


def test_settings_are_compared_after_the_reader_without_an_adapter(source, tmp_path, monkeypatch, learnt):
    page, rows = run(monkeypatch, tmp_path, few_lines, "few-lines", source)
    assert page[3] == "| without an adapter | 100.0% | 100.0% | 100.0% | – |"
    assert page[4] == f"| {few_lines.START} | 33.3% | 33.3% | 33.3% | 5.0 |"
    assert list(rows) == [few_lines.UNTRAINED, *few_lines.CHANGES]


def test_every_setting_is_one_of_a_training(source):
    packaged = read_config(new_hand.CONFIG)
    for changes in few_lines.CHANGES.values():
        assert TrainingArguments.from_dict(packaged | few_lines.STARTING | changes | {"train": [str(source)]})
