"""Batches that are read side by side are read as one after the other."""

import threading

import pytest
import torch
from tiny_checkpoint import draw_line

from trocr_gsa.reader.parallel import even_size, side_by_side


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Model(torch.nn.Module):
    device = torch.device("cpu")


@pytest.mark.usefixtures("two_threads")
def test_batches_come_back_in_order_and_each_was_computed_on_one_thread():
    both = threading.Barrier(2, timeout=60)  # neither goes on before the other has begun

    def work(batch):
        both.wait()
        return batch, torch.get_num_threads(), threading.current_thread().name

    found = list(side_by_side(work, [1, 2, 3, 4], Model()))
    assert [batch for batch, _, _ in found] == [1, 2, 3, 4]
    assert {threads for _, threads, _ in found} == {1}
    assert len({name for _, _, name in found}) == 2
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_in_one_batch_is_raised_and_the_threads_are_given_back():
    def work(batch):
        raise ValueError(f"batch {batch}")

    with pytest.raises(ValueError, match="batch 1"):
        list(side_by_side(work, [1, 2], Model()))
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_what_sees_to_its_threads_itself_gets_one_batch_at_a_time():
    found = side_by_side(lambda batch: torch.get_num_threads(), [1, 2], object())
    assert list(found) == [2, 2]


@pytest.mark.usefixtures("two_threads")
def test_lines_are_read_the_same_on_one_thread_and_on_two(reader):
    pictures = [draw_line("abcdefghijk"[:length], 20 + 8 * length) for length in range(1, 11)]
    on_two = reader.read(pictures, batch_size=3)
    torch.set_num_threads(1)
    on_one = reader.read(pictures, batch_size=3)
    assert [(line.text, line.orientation) for line in on_two] == [(line.text, line.orientation) for line in on_one]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("total", "batches"), [(1, 1), (100, 2), (1900, 2), (2100, 4), (20_000, 20)])
def test_batches_are_of_a_size_that_both_threads_have_as_many(total, batches):
    size = even_size(total, most=1000)
    assert size <= 1000
    assert -(-total // size) == batches
