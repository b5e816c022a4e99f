"""Batches are dealt to processes without loss, and skipped to resume."""

from itertools import islice

import pytest

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
