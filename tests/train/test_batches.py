"""Batches are dealt to processes without loss, and skipped to resume."""

from itertools import islice
from pathlib import Path

import pytest

from trocr_gsa.data import open_source
from trocr_gsa.data.fit import LineFit, UsableLines
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune
from trocr_gsa.train.training_data import DealtBatches


class Batches:
    """Two batches an epoch, of unlike sizes."""

    def __init__(self, sizes=(4, 3)):
        self.sizes, self.epoch = sizes, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        start = 100 * self.epoch
        for size in self.sizes:
            yield list(range(start, start + size))
            start += size


def test_processes_share_every_batch_without_overlap():
    shares = [list(islice(DealtBatches(Batches(), rank, 2), 4)) for rank in (0, 1)]
    dealt = [sorted(first + second) for first, second in zip(*shares, strict=True)]
    assert dealt == list(islice(DealtBatches(Batches(), 0, 1), 4))


def test_a_resumed_run_goes_on_where_it_stopped():
    whole = list(islice(DealtBatches(Batches(), 0, 2), 7))
    assert list(islice(DealtBatches(Batches(), 0, 2, start=3), 4)) == whole[3:]


def test_too_small_batches_are_an_error_and_not_an_endless_search():
    with pytest.raises(ValueError, match="`batch_patches`"):
        next(iter(DealtBatches(Batches((1, 1)), 0, 2)))


@pytest.fixture
def damaged(source):
    """The folder of lines, in which one image is cut off behind its header."""
    path = sorted((Path(source) / "train").glob("*.png"))[1]
    path.write_bytes(path.read_bytes()[:60])
    return path


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_image_that_is_a_batch_alone_and_damaged_does_not_end_a_training(
    source, checkpoint, damaged, tmp_path, num_workers
):
    values = {"train": source, "model": checkpoint, "batch_patches": 1, "max_steps": 30, "device": "cpu"}
    left_out = []
    arguments = TrainingArguments.from_dict(values | {"output": str(tmp_path / "run"), "num_workers": num_workers})
    assert finetune(arguments, left_out).step == 30
    assert len(left_out) == 1
    assert damaged.name in left_out[0]


def test_a_line_that_does_not_fit_when_it_is_loaded_is_replaced_by_the_next_that_does(tiny, source):
    lines = open_source(source, "train")  # texts of 3 to 10 characters
    found = UsableLines(lines, LineFit(tiny[1], max_label_length=5)).__getitems__([7])
    assert [line.text for line in found.lines] == [lines.text(0)]
    assert "more than `max_label_length` = 5" in found.problems[0]


def test_lines_of_which_none_can_be_used_are_an_error(tiny, source):
    lines = UsableLines(open_source(source, "train"), LineFit(tiny[1], max_label_length=2))
    with pytest.raises(ValueError, match="`train`: no line can be used"):
        lines.__getitems__([0])
