import pickle
from itertools import islice

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard, skip_first_batches
from line_makers import lines_in_memory
from torch.utils.data import DataLoader

from trocr_gsa.data import BucketBatchSampler, Mixture

WIDTHS = np.random.default_rng(0).integers(20, 900, 157).tolist()
BUDGET = 400


def num_patches(width, height):
    return -(-height // 16) * -(-width // 16)


@pytest.fixture(scope="module")
def lines():
    return lines_in_memory([f"line {i}" for i in range(len(WIDTHS))], WIDTHS)


def sampler(lines, **options):
    return BucketBatchSampler(lines, num_patches, **{"budget": BUDGET, **options})


def flat(batches):
    return [index for batch in batches for index in batch]


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_line_comes_exactly_once(lines, shuffle):
    batches = list(sampler(lines, shuffle=shuffle))
    assert sorted(flat(batches)) == list(range(len(lines)))


def test_a_later_epoch_asks_for_its_own_indices(lines):
    batches = sampler(lines)
    batches.set_epoch(2)
    assert sorted(flat(batches)) == list(range(2 * len(lines), 3 * len(lines)))


def test_a_padded_batch_keeps_to_the_budget(lines):
    for batch in sampler(lines):
        assert len(batch) * max(num_patches(WIDTHS[i], 48) for i in batch) <= BUDGET


def test_a_line_beyond_the_budget_comes_alone(lines):
    batches = list(sampler(lines, budget=30))
    assert sorted(flat(batches)) == list(range(len(lines)))
    assert all(len(batch) == 1 for batch in batches if max(num_patches(WIDTHS[i], 48) for i in batch) > 15)


def test_no_batch_has_more_lines_than_allowed(lines):
    assert max(map(len, sampler(lines, max_lines=3))) == 3


def test_buckets_waste_less_on_padding_than_a_plain_shuffle(lines):
    def padding(batches):
        lengths = [[num_patches(WIDTHS[i], 48) for i in batch] for batch in batches]
        return 1 - sum(map(sum, lengths)) / sum(len(batch) * max(batch) for batch in lengths)

    order = iter(np.random.default_rng(0).permutation(len(lines)).tolist())
    plain = [list(islice(order, len(batch))) for batch in sampler(lines)]
    assert padding(sampler(lines)) < 0.15 < padding(plain)


def test_epochs_differ_and_seeds_repeat(lines):
    first, again, other = sampler(lines, seed=1), sampler(lines, seed=1), sampler(lines, seed=2)
    assert list(first) == list(again) != list(other)
    before = list(first)
    first.set_epoch(1)
    assert [[i - len(lines) for i in batch] for batch in first] != before


def test_unshuffled_the_longest_lines_come_first(lines):
    first = next(iter(sampler(lines, shuffle=False)))
    assert max(WIDTHS) == max(WIDTHS[i] for i in first)


def test_a_loader_resumes_within_an_epoch(lines):
    batches = sampler(lines, seed=4)
    batches.set_epoch(3)
    whole = [[sample.name for sample in batch] for batch in DataLoader(lines, batch_sampler=batches, collate_fn=list)]
    resumed = skip_first_batches(DataLoader(lines, batch_sampler=batches, collate_fn=list), 5)
    assert [[sample.name for sample in batch] for batch in resumed] == whole[5:]


def test_two_processes_share_an_epoch_without_overlap(lines):
    shards = [
        flat(BatchSamplerShard(sampler(lines), num_processes=2, process_index=i, even_batches=False)) for i in range(2)
    ]
    assert set(shards[0]).isdisjoint(shards[1])
    assert sorted(shards[0] + shards[1]) == list(range(len(lines)))


def test_a_budget_below_one_is_refused(lines):
    with pytest.raises(ValueError, match="`budget` and `max_lines` must be at least 1"):
        sampler(lines, budget=0)


def test_a_loader_with_workers_gives_what_one_process_gives(lines):
    mixture = Mixture([lines, lines], [1, 2], size=40)
    batches = sampler(mixture, seed=5)
    here = [[mixture[i].text for i in batch] for batch in batches]
    loader = DataLoader(mixture, batch_sampler=batches, num_workers=2, collate_fn=list)
    assert [[sample.text for sample in batch] for batch in loader] == here


def test_a_sampler_travels_to_another_process(lines):
    copied = pickle.loads(pickle.dumps(sampler(lines, seed=3)))
    assert list(copied) == list(sampler(lines, seed=3))
