"""What is said about training lines before the training."""

from xml.etree import ElementTree

import pytest
from PIL import Image

from trocr_gsa.data.line import Line
from trocr_gsa.data.samples import LineDataset, LineSample
from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.train import ground_truth
from trocr_gsa.train.ground_truth import check_ground_truth, describe, find_disagreements, find_oddities
from trocr_gsa.train.learning_curve import write_learning_curve

USUAL = [f"the {number}th line of a letter" for number in range(8)]


class Lines(LineDataset):
    """Lines with these texts, ten pixels a character unless a size is given."""

    def __init__(self, texts, sizes=None):
        self.all, self.widths = texts, sizes or {}

    def __len__(self):
        return len(self.all)

    def text(self, index):
        return self.all[index]

    def size(self, index):
        return self.widths.get(index, (10 * len(self.all[index]), 30))

    def __getitem__(self, index):
        return LineSample(Image.new("L", self.size(index), 255), self.all[index], f"{index}.png")


def test_lines_are_counted():
    assert describe("a/", Lines(["abc", "abd", "a"])) == (
        "a/: 3 lines, 7 characters, 4 different ones (2 occur once), 3 in the median line"
    )


def test_usual_lines_are_not_remarked_on():
    assert list(find_oddities("a/", Lines(USUAL), ["another text altogether"])) == []


def test_repeated_texts_are_named_if_they_are_long():
    (found,) = find_oddities("a/", Lines([*USUAL, "and so on", "and so on", USUAL[2]]))
    assert found == "a/: 2 lines have the text of another line: 2.png, 10.png"


def test_texts_of_validation_lines_among_the_training_lines_are_told():
    (found,) = find_oddities("a/", Lines(USUAL), [USUAL[3], "short", "another text altogether"])
    assert found.startswith("a/: 1 validation lines have a text that is also learnt")
    assert USUAL[3] in found


@pytest.mark.parametrize("sign", ["\u200b", "\ufffd", "\ue000", "\u0007", "\u00ad"])
def test_odd_characters_are_named(sign):
    (found,) = find_oddities("a/", Lines([*USUAL, f"od{sign}d line of a letter"]))
    assert f"U+{ord(sign):04X}" in found
    assert found.endswith(": 8.png")


@pytest.mark.parametrize("sign", ["ſ", "ꝑ", "é", "ß", "§", "—"])
def test_letters_of_old_texts_are_not_odd(sign):
    assert list(find_oddities("a/", Lines([*USUAL, f"od{sign}d line of a letter"]))) == []


@pytest.mark.parametrize("size", [(1500, 30), (40, 30), (30, 1500)])
def test_images_of_extreme_shapes_are_named(size):
    (found,) = find_oddities("a/", Lines([*USUAL, "one more line of it"], {8: size}))
    assert "far too wide or too narrow" in found
    assert found.endswith("8.png")


def test_of_many_findings_a_few_are_named():
    (found,) = find_oddities("a/", Lines(["the same text every time"] * 9))
    assert found.endswith("0.png, 1.png, 2.png, …")


@pytest.fixture
def readings(monkeypatch):
    """Have the reader read given texts; return the images that it was given."""
    asked = []

    def prepare(read_as):
        def read(reader, processor, samples, angle):
            asked.extend(samples)
            assert not reader.training
            return [ScoredLine(each, 0.0, Line(read_as(each), 0.9, 0.0)) for each in samples]

        monkeypatch.setattr(ground_truth, "read_lines", read)
        return asked

    return prepare


def test_a_line_that_is_read_quite_differently_is_named(readings, tiny):
    readings(lambda sample: "something else" if sample.name == "5.png" else sample.text)
    rate, wrong = find_disagreements("a/", Lines(USUAL), *tiny)
    assert "8 sampled lines are read at a median CER of 0.0%" in rate
    assert "5.png: read as 'something else', transcribed as 'the 5th line of a letter'" in wrong


def test_a_reader_that_does_not_know_the_hand_accuses_nobody(readings, tiny):
    readings(lambda sample: "something else")
    (rate,) = find_disagreements("a/", Lines(USUAL), *tiny)
    assert "median CER" in rate


def test_a_small_sample_of_many_lines_is_read(readings, tiny):
    asked = readings(lambda sample: sample.text)
    list(find_disagreements("a/", Lines([f"line {number} of many" for number in range(500)]), *tiny))
    assert len(asked) == ground_truth.SAMPLE


def test_reading_ends_in_time(readings, tiny):
    asked = readings(lambda sample: sample.text)
    list(find_disagreements("a/", Lines(USUAL), *tiny, seconds=0))
    assert len(asked) == ground_truth.READ_AT_ONCE


def test_the_reader_is_left_in_its_mode(tiny):
    model, processor = tiny
    model.train()
    list(find_disagreements("a/", Lines(USUAL), model, processor))
    assert model.training


def test_a_new_reader_is_not_asked(readings, tiny):
    asked = readings(lambda sample: sample.text)
    found = list(check_ground_truth({"a/": Lines(USUAL)}, {"b/": [Lines(USUAL)[0]]}, None, tiny[1]))
    assert (len(found), asked) == (3, [])
    assert found[-1] == "validation: 1 lines of b/"


def test_the_learning_curve_has_losses_and_rates(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"step": 10, "text_loss": 2.0}\n{"step": 20, "text_loss": 1.0}\n'
        '{"step": 20, "cer": 0.5, "cer/a<b": 0.25}\n{"step": 30, "ce'
    )
    write_learning_curve(log)
    written = (tmp_path / "learning_curve.svg").read_text()
    root = ElementTree.fromstring(written)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "text_loss: 1 at the end, 1 at best" in texts
    assert "cer: 50 at the end, 50 at best" in texts
    assert "cer/a<b: 25 at the end, 25 at best" in texts


@pytest.mark.parametrize("content", ["", '{"step": 1, "minutes": 2}\n'])
def test_a_log_without_numbers_has_no_curve(tmp_path, content):
    (tmp_path / "log.jsonl").write_text(content)
    write_learning_curve(tmp_path / "log.jsonl")
    assert not (tmp_path / "learning_curve.svg").exists()
