"""results.json: written with every checkpoint, and the base known by its weights under any path."""

import hashlib
import json
import shutil

import pytest
from tiny_adapters import save_adapter
from tiny_checkpoint import save_checkpoint

from trocr_gsa.checkpoints.results import Results, weights_sha256
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.reader import load_reader
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune

SHORT = {"max_steps": 2, "eval_every": 2, "warmup_steps": 1, "batch_patches": 80, "device": "cpu"}


def sha256(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def note(adapter, **values):
    """Write results.json beside an adapter."""
    known = {"base": "b", "base_sha256": None, "train": [], "settings": {}, "steps": 1, "minutes": 1.0, "rows": []}
    (adapter / "results.json").write_text(json.dumps(known | values))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_every_checkpoint_of_a_run_says_where_it_comes_from_and_how_it_reads(tmp_path, source, checkpoint, method):
    values = {"train": source, "validation": source, "angles": [0, 90], "model": checkpoint, "method": method}
    arguments = TrainingArguments.from_dict(SHORT | values | {"output": str(tmp_path / "run")})
    state = finetune(arguments)
    for name in ("best", "last"):
        results = Results.read(str(tmp_path / "run" / name))
        assert results is not None
        assert (results.base, results.base_sha256) == (checkpoint, sha256(tmp_path / "base"))
        assert (results.train, results.settings, results.steps) == ([source], arguments.to_dict(), 2)
        assert 0 < results.minutes <= state.seconds / 60
        assert [(row.name, row.angle, row.lines) for row in results.rows] == [(source, 0, 3), (source, 90, 3)]
        assert all(row.cer_low <= row.cer <= row.cer_high for row in results.rows)
        assert results.rows[0].cer == pytest.approx(state.best_cer)


def test_a_new_model_without_validation_has_no_base_and_no_rows(tmp_path, source, tiny_architecture):
    values = {"train": source, "method": "full", "output": str(tmp_path / "run")}
    finetune(TrainingArguments.from_dict(SHORT | tiny_architecture | values))
    results = Results.read(str(tmp_path / "run" / "best"))
    assert results is not None
    assert (results.base, results.base_sha256, results.rows) == (None, None, [])


def test_results_come_back_and_what_later_versions_add_is_passed_over(tmp_path):
    row = SummaryRow("lines", 0.0, 3, 0.1, 0.0, 0.2, 0.3, 0.2, 0.4, 1.0, 20.0)
    results = Results("base", "00ff", ["lines"], {"rank": 4}, 7, 1.5, [row])
    results.write(tmp_path)
    assert Results.read(str(tmp_path)) == results
    written = json.loads((tmp_path / "results.json").read_text())
    written["rows"][0]["later"] = written["later"] = 1
    (tmp_path / "results.json").write_text(json.dumps(written))
    assert Results.read(str(tmp_path)) == results


@pytest.mark.parametrize("text", ["", "[]", '{"base": null}', '{"rows": [1]}', '{"rows": [{}]}'])
def test_results_of_another_kind_are_named(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match=r"`results`: .*results.json (is n|must|was not written)"):
        Results.read(str(tmp_path))


def test_nothing_is_known_of_what_has_no_results(tmp_path):
    assert Results.read(str(tmp_path)) is None
    assert Results.read("nobody/nothing") is None
    assert weights_sha256(str(tmp_path)) is None
    assert weights_sha256("nobody/nothing") is None
    assert weights_sha256("") is None


def test_weights_written_anew_are_hashed_anew(tmp_path):
    for content in (b"one", b"another"):
        (tmp_path / "model.safetensors").write_bytes(content)
        assert weights_sha256(str(tmp_path)) == hashlib.sha256(content).hexdigest()


def test_a_base_is_known_by_its_weights_under_any_path(tmp_path):
    base = save_checkpoint(tmp_path / "base")
    adapter = save_adapter(base, tmp_path / "adapter")
    note(adapter, base_sha256=sha256(base))
    moved = base.rename(tmp_path / "moved")
    load_reader(moved, adapter, "cpu")


def test_a_base_that_was_trained_on_is_refused_though_it_lies_where_it_lay(tmp_path):
    base = save_checkpoint(tmp_path / "base")
    adapter = save_adapter(base, tmp_path / "adapter")
    load_reader(base, adapter, "cpu")
    note(adapter, base_sha256="0" * 64)
    with pytest.raises(ValueError, match=r"`adapter`: .*adapter was trained on .*base, not on .*base as it is now"):
        load_reader(base, adapter, "cpu")
    unnamed = save_adapter(base, tmp_path / "unnamed", named=False)
    note(unnamed, base_sha256="0" * 64)
    with pytest.raises(ValueError, match="`adapter`"):
        load_reader(shutil.copytree(base, tmp_path / "copy"), unnamed, "cpu")


def test_where_the_base_was_no_file_names_and_shapes_decide(tmp_path):
    base = save_checkpoint(tmp_path / "base")
    adapter = save_adapter(base, tmp_path / "adapter")
    note(adapter, base_sha256=None)
    load_reader(base, adapter, "cpu")
