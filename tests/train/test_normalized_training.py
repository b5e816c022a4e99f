"""Texts are learned, and readings judged while training, as `normalize` says."""

import json
from pathlib import Path

import pytest

from trocr_gsa.data.fit import LineFit
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.training_data import TrainingSources, validation_sets


@pytest.fixture
def habits(source):
    """The lines with signs of an editor's; of one nothing is left."""
    for split in ("train", "validation"):
        path = Path(source) / split / "metadata.jsonl"
        rows = [json.loads(row) for row in path.read_text().splitlines()]
        for row in rows:
            row["text"] = f"ſ^{row['text']}¬"
        rows[0]["text"] = "^"
        path.write_text("\n".join(map(json.dumps, rows)))
    return source


def texts_of(habits, tiny, **values):
    arguments = TrainingArguments.from_dict({"train": habits, "validation": habits} | values)
    lines = TrainingSources(arguments, LineFit(tiny[1], 32)).lines(arguments.train)
    (validation,) = validation_sets(arguments).values()
    assert [line.text for line in lines] == lines.texts()
    return sorted(lines.texts()), sorted(line.text for line in validation)


def test_texts_are_as_they_are_where_nothing_is_said(habits, tiny, lines):
    learned, judged = texts_of(habits, tiny)
    assert learned == sorted(["^", *(f"ſ^{line.text}¬" for line in lines[1:])])
    assert judged == sorted(["^", *(f"ſ^{line.text}¬" for line in lines[1:3])])


def test_texts_follow_the_policy_and_what_it_leaves_empty_is_left_out(habits, tiny, lines, caplog):
    learned, judged = texts_of(habits, tiny, normalize="policy")
    assert learned == sorted(f"ſ{line.text}-" for line in lines[1:])
    assert judged == sorted(f"ſ{line.text}-" for line in lines[1:3])
    assert "1 lines left out, 7 kept. First: line 1: the text is empty after normalization" in caplog.text


def test_another_word_is_refused():
    with pytest.raises(ValueError, match="`normalize` must be one of none, policy, letters, got 'case'"):
        TrainingArguments.from_dict({"train": "lines", "normalize": "case"})
