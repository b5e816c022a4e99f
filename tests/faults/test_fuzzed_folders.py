"""Thousands of damaged adapters, models and states of runs: each is either read, or named in one line.

A case is known by its number: the same number is the same damage. What is counted is printed with `-s`.
"""

import json
import shutil
import struct
from collections import Counter

import numpy as np
import pytest
import torch
from mutations import put
from tiny_checkpoint import draw_line

from trocr_gsa.checkpoints.training_state import STATE_FILE, DamagedStateError, load_state, save_state
from trocr_gsa.reader import LineReader

PICTURE = draw_line("abc", 40)
FEW, MANY = 20, 10_000
ODD = [
    None, True, False, 0, 1, -1, 3, 0.5, -2.5, 1e308, 10**6, 10**12, 2**63, -(10**9), "", "x", "LORA", "yes", "../..",
    "owner/name", "a" * 5000, ".*", "((((a|.)+)+)+)+Q", "(((", [], [1], ["q_proj"], ["x"] * 500, [[[[]]]], {}, {"a": 1},
    {"q_proj": 4}, {"": None}, {"((((a|.)+)+)+)+Q": 2}, "\udcff", "\0", "NaN",
]  # fmt: skip


def in_bytes(content, rng):
    """Flip, cut, repeat, insert or overwrite."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(changed) + 1))
        some = rng.bytes(int(rng.integers(1, 20)))
        kind = rng.integers(6)
        if kind == 0 and place < len(changed):
            changed[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del changed[place:]
        elif kind == 2:
            del changed[place : place + int(rng.integers(1, 200))]
        elif kind == 3:
            changed[place:place] = some
        elif kind == 4:
            changed[place : place + len(some)] = some
        else:
            changed[place:place] = changed[: int(rng.integers(1, 500))]
    return bytes(changed)


def in_values(content, rng):
    """Replace, remove or add a value of a JSON object, at any depth."""
    values = json.loads(content)
    for _ in range(rng.integers(1, 3)):
        inside = values
        while True:
            below = [value for value in inside.values() if isinstance(value, dict) and value]
            if not below or rng.random() < 0.5:
                break
            inside = below[int(rng.integers(len(below)))]
        key = list(inside)[int(rng.integers(len(inside)))]
        kind = rng.integers(8)
        if kind == 0:
            del inside[key]
        elif kind == 1:
            inside["more"] = ODD[int(rng.integers(len(ODD)))]
        else:
            inside[key] = ODD[int(rng.integers(len(ODD)))]
        if not inside:
            break
    return json.dumps(values).encode()


def in_header(content, rng):
    """Change the header of a safetensors file as JSON, its length put right."""
    length = struct.unpack("<Q", content[:8])[0]
    header = in_values(content[8 : 8 + length], rng)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def in_numbers(content, rng):
    """Flip bits behind the header: other weights, some of which are none."""
    start = 8 + struct.unpack("<Q", content[:8])[0]
    changed = bytearray(content)
    for place in rng.integers(start, len(content), size=20).tolist():
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def damage(folder, number, files):
    """Damage one or two of a folder's files, as the case's number says."""
    rng = np.random.default_rng(number)
    for name in rng.choice(files, size=rng.integers(1, 3), replace=False).tolist():
        path = folder / name
        ways = [in_bytes, in_values] if path.suffix == ".json" else [in_bytes, in_header, in_numbers]
        put(path, ways[int(rng.integers(len(ways)))](path.read_bytes(), rng))


def read_line(model, adapter=None):
    """Read one line; return whether it was read, or named because no finite number came of the weights."""
    (line,) = LineReader.from_pretrained(model, adapter, device="cpu").read([PICTURE])
    assert line.error is None or "its weights are damaged" in line.error
    assert 0 <= line.confidence <= 1
    return line.error is None


def outcome(read, names):
    """Read, and say what came of it; whatever is raised but a clear line is a failure of the test."""
    try:
        return "read" if read() else "named"
    except ValueError as error:
        message = " ".join(str(error).split())
        assert message.startswith("`"), message
        assert any(str(name) in message for name in names), message
        return "named"


def fuzz(folder, files, read, numbers, names):
    counts = Counter()
    for number in numbers:
        whole = {name: (folder / name).read_bytes() for name in files}
        try:
            damage(folder, number, files)
            counts[outcome(read, names)] += 1
        except Exception as error:
            error.add_note(f"case {number}")
            raise
        finally:
            for name, content in whole.items():
                put(folder / name, content)
    print(f"{len(numbers)} cases: {dict(counts)}")
    assert counts["named"] > len(numbers) / 4
    return counts


def fuzz_adapters(checkpoint, adapter, tmp_path, numbers):
    folder = shutil.copytree(adapter, tmp_path / "folder")
    results = {"base": str(checkpoint), "base_sha256": None, "train": ["lines"], "settings": {"rank": 4}, "steps": 3}
    row = {"name": "lines", "angle": 0.0, "lines": 3, "orientation_accuracy": 1.0, "lines_per_second": 9.0}
    rates = dict.fromkeys(("cer", "cer_low", "cer_high", "wer", "wer_low", "wer_high"), 0.5)
    (folder / "results.json").write_text(json.dumps(results | {"minutes": 0.5, "rows": [row | rates]}))
    files = ["adapter_config.json", "adapter_model.safetensors", "results.json"]
    return fuzz(folder, files, lambda: read_line(checkpoint, folder), numbers, [folder])


def fuzz_models(checkpoint, tmp_path, numbers):
    folder = shutil.copytree(checkpoint, tmp_path / "folder")
    files = sorted(path.name for path in folder.iterdir() if path.suffix in (".json", ".safetensors"))
    assert {"config.json", "model.safetensors", "processor_config.json", "tokenizer_config.json"} <= set(files)
    return fuzz(folder, files, lambda: read_line(folder), numbers, [folder])


def fuzz_states(tmp_path, numbers):
    state = {"run": {"step": 3}, "weights": {"w": torch.arange(99.0)}, "optimizer": {"state": {0: {"step": 3}}}}
    save_state(tmp_path, state | {"average": None})
    whole = (tmp_path / STATE_FILE).read_bytes()
    for number in numbers:
        changed = in_bytes(whole, np.random.default_rng(number))
        (tmp_path / STATE_FILE).write_bytes(changed)
        if changed != whole:
            with pytest.raises(DamagedStateError):
                load_state(tmp_path)
    print(f"{len(numbers)} cases: each was named")


def test_damaged_adapters_are_read_or_named(checkpoint, adapter, tmp_path, monkeypatch):
    monkeypatch.setattr("trocr_gsa.checkpoints.adapter_config.SECONDS", 1)  # some damage is an expression without end
    fuzz_adapters(checkpoint, adapter, tmp_path, range(FEW))


def test_damaged_models_are_read_or_named(checkpoint, tmp_path):
    fuzz_models(checkpoint, tmp_path, range(FEW))


def test_damaged_states_of_runs_are_named(tmp_path):
    fuzz_states(tmp_path, range(9 * FEW))


@pytest.mark.slow
def test_ten_thousand_damaged_adapters_are_read_or_named(checkpoint, adapter, tmp_path):
    fuzz_adapters(checkpoint, adapter, tmp_path, range(FEW, FEW + MANY))


@pytest.mark.slow
def test_ten_thousand_damaged_models_are_read_or_named(checkpoint, tmp_path):
    fuzz_models(checkpoint, tmp_path, range(FEW, FEW + MANY))


@pytest.mark.slow
def test_ten_thousand_damaged_states_of_runs_are_named(tmp_path):
    fuzz_states(tmp_path, range(MANY))
