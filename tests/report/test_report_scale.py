"""What many lines cost follows from what was measured, and is not said where nothing was."""

import json

import pytest

from benchmarks import scale


def test_core_hours_machines_and_storage_are_those_of_the_measured_speed_and_sizes():
    sizes = scale.Sizes(picture=10_000, result=100, part=200)
    found = dict(scale.costs(10**9, 50.0, 10, sizes))
    assert found["core-hours"] == "5,556"
    assert found["machines of 10 cores that do it in 30 days"] == "0.8"
    assert found["pictures"] == "10,000 GB"
    assert found["read from disk by a core"] == "0.50 MB/s in 50.0 files"
    assert found["results as jsonl"] == "100 GB, 100 bytes a line"


def test_the_speed_is_the_packaged_readers_on_one_core(tmp_path):
    by_two_cores = {"lines_per_second": 25.0, "processor_seconds_per_line": 0.08}
    rows = [{"reader": "other", "processor_seconds_per_line": 1}, {"reader": "trocr-gsa"} | by_two_cores]
    (tmp_path / "speed.json").write_text(json.dumps({"rows": rows}))
    assert scale.read_speed(tmp_path / "speed.json") == 12.5


@pytest.mark.parametrize("rows", [None, [{"reader": "other", "processor_seconds_per_line": 1}]])
def test_a_speed_that_was_not_measured_is_asked_for(tmp_path, rows):
    if rows is not None:
        (tmp_path / "speed.json").write_text(json.dumps({"rows": rows}))
    with pytest.raises(ValueError, match=r"Run `python -m benchmarks reading`"):
        scale.read_speed(tmp_path / "speed.json")
