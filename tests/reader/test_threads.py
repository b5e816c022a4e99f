"""One reader for several threads: every line is read as if nobody else read, whichever adapter it asks for."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from slow_cases import others_slow
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.demo import Desk
from trocr_gsa.reader import LineReader, load_reader
from trocr_gsa.reader.adapters import AdapterLibrary

PICTURES = [draw_line("abc", 40), draw_line("noon", 64)]
THREADS = 4
JOBS = [None, "fr", "de", "whole", ["de", None]]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """With adapters of which one cannot be mixed with others in a batch."""
    folder = tmp_path_factory.mktemp("threads")
    base = save_checkpoint(
        folder / "base", torch.float64, sure=True, ctc_steps_per_patch=2, decoder_max_position_embeddings=8
    )
    adapters = {
        "fr": save_adapter(base, folder / "fr", rank=4, seed=1),
        "de": save_adapter(base, folder / "de", rank=2, seed=2),
        "whole": save_adapter(base, folder / "whole", rank=2, seed=3, use_dora=True),
    }
    return LineReader.from_pretrained(base, adapters, device="cpu")


@pytest.fixture
def impatient():
    """Threads that are interrupted as often as Python can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def told(lines):
    return [(line.text, line.confidence, line.orientation, line.adapter) for line in lines]


@pytest.mark.parametrize("beams", others_slow([0, 1], 0))
@pytest.mark.usefixtures("impatient")
def test_threads_read_what_one_reads_after_the_other(reader, beams):
    def read(adapter):
        return told(reader.read(PICTURES, num_beams=beams, adapter=adapter))

    expected = [read(adapter) for adapter in JOBS]
    assert len({tuple(text for text, *_ in lines) for lines in expected}) == len(JOBS)  # on these lines they differ
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(read, JOBS * 2)) == expected * 2


@pytest.mark.usefixtures("impatient")
def test_places_of_letters_are_those_of_the_adapter_asked_for(reader):
    def look(adapter):
        return reader.letter_places(PICTURES[1], "abc", adapter=adapter).weights

    jobs = [None, "fr", "de", "whole"]
    expected = [look(adapter) for adapter in jobs] * 3
    with ThreadPoolExecutor(THREADS) as pool:
        assert all(torch.equal(*pair) for pair in zip(pool.map(look, jobs * 3), expected, strict=True))


@pytest.mark.usefixtures("impatient")
def test_a_copy_made_while_others_read_has_only_its_own_adapter(reader):
    expected = told(reader.merged("fr").read(PICTURES))
    with ThreadPoolExecutor(THREADS) as pool:
        reading = [pool.submit(reader.read, PICTURES, adapter=["de", None]) for _ in range(4)]
        copies = list(pool.map(lambda _: reader.merged("fr"), range(3)))
        assert all(future.result() for future in reading)
    assert all(told(copy.read(PICTURES)) == expected for copy in copies)


@pytest.mark.usefixtures("impatient")
def test_several_people_at_the_desk_get_each_their_own(reader, tmp_path):
    desk, path = Desk(reader), tmp_path / "line.png"
    PICTURES[1].save(path)
    jobs = ["none", "fr", "de", "whole"]

    def read(adapter):
        text, _, looking = desk.read(str(path), 90, adapter)
        return text, looking

    expected = [read(adapter) for adapter in jobs]
    assert len({text for text, _ in expected}) == len(jobs)
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(read, jobs * 2)) == expected * 2


@pytest.mark.parametrize("names", [[None], ["de"], ["fr", None]])
def test_nobody_computes_while_another_has_an_adapter_applied(reader, names):
    """Also not through another reader of the same model."""
    one, other = reader._library, AdapterLibrary(reader._library._adapted)
    inside = threading.Event()

    def enter():
        with other.applied(names, num_beams=1):
            inside.set()

    thread = threading.Thread(target=enter)
    with one.applied(["fr"], num_beams=1):
        thread.start()
        assert not inside.wait(0.2)
    assert inside.wait(10)
    thread.join()


def test_an_adapter_of_the_columns_head_is_applied_as_when_merged(tmp_path):
    base = save_checkpoint(tmp_path / "base", torch.float64, ctc_steps_per_patch=2)
    adapter = save_adapter(base, tmp_path / "head", rank=4, seed=1, changes={"target_modules": {"ctc_head.projection"}})
    reader = LineReader.from_pretrained(base, {"head": adapter}, device="cpu")
    found = reader.read(PICTURES, num_beams=0, adapter="head")
    merged = LineReader(load_reader(base, adapter, "cpu")[0].merge_and_unload(), reader.processor)
    assert [line.text for line in found] == [line.text for line in merged.read(PICTURES, num_beams=0)]
    assert [line.text for line in found] != [line.text for line in reader.read(PICTURES, num_beams=0)]
