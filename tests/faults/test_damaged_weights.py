"""Weights that are damaged, of another kind or no numbers: named in one line, whether a model's or an adapter's."""

import json
import shutil
import struct

import pytest
import torch
from mutations import put
from safetensors.torch import load_file, save_file

from trocr_gsa.reader import LineReader


def change_bytes(change):
    return lambda path: put(path, change(path.read_bytes()))


def change_tensors(change):
    def apply(path):
        tensors = load_file(path)
        change(tensors, min(tensors))
        save_file(tensors, path, metadata={"format": "pt"})

    return apply


def with_header(change):
    """Change the header, its length included."""

    def apply(content):
        length = struct.unpack("<Q", content[:8])[0]
        header = change(json.loads(content[8 : 8 + length]))
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + content[8 + length :]

    return change_bytes(apply)


def shift(header):
    name = min(header.keys() - {"__metadata__"})
    header[name]["data_offsets"] = [offset + 4 for offset in header[name]["data_offsets"]]
    return header


def call_a_float_something(header):
    header[min(header.keys() - {"__metadata__"})]["dtype"] = "F37"
    return header


DAMAGE = {
    "empty": change_bytes(lambda content: b""),
    "cut in the length": change_bytes(lambda content: content[:5]),
    "cut in the header": change_bytes(lambda content: content[:100]),
    "cut in the last tensor": change_bytes(lambda content: content[:-1]),
    "longer than it says": change_bytes(lambda content: content + b"\0"),
    "garbage": change_bytes(lambda content: bytes(range(256)) * 8),
    "text": change_bytes(lambda content: b"<html>404 not found</html>" * 20),
    "a header of many gigabytes": change_bytes(lambda content: struct.pack("<Q", 2**40) + content[8:]),
    "a header of nothing": change_bytes(lambda content: struct.pack("<Q", 0) + content[8:]),
    "a header that is a list": with_header(lambda header: b"[1, 2]"),
    "a header nested without end": with_header(lambda header: b"[" * 100_000),
    "tensors that overlap": with_header(shift),
    "a type that there is not": with_header(call_a_float_something),
    "a Git LFS pointer": change_bytes(
        lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 42\n"
    ),
    "whole numbers": change_tensors(lambda tensors, name: tensors.update({name: tensors[name].long()})),
    "another shape": change_tensors(lambda tensors, name: tensors.update({name: torch.zeros(3, 5)})),
    "a tensor missing": change_tensors(lambda tensors, name: tensors.pop(name)),
    "a tensor too many": change_tensors(lambda tensors, name: tensors.update({f"{name}.again": tensors[name].clone()})),
    "no tensor at all": change_tensors(lambda tensors, name: tensors.clear()),
    "NaN": change_tensors(lambda tensors, name: tensors[name].view(-1)[0].fill_(float("nan"))),
    "infinity": change_tensors(lambda tensors, name: tensors[max(tensors)].view(-1)[-1].fill_(-float("inf"))),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "not there": lambda path: path.unlink(),
    "a pickle": lambda path: path.rename(path.with_suffix(".bin")),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("kind", ["model", "adapter"])
def test_damaged_weights_are_named_in_one_line(checkpoint, adapter, tmp_path, kind, how):
    folder = shutil.copytree(checkpoint if kind == "model" else adapter, tmp_path / "folder")
    (path,) = folder.glob("*.safetensors")
    DAMAGE[how](path)
    parts = {"model": checkpoint, "adapter": adapter} | {kind: folder}
    with pytest.raises(ValueError, match=f"`{kind}`.*{folder}") as error:
        LineReader.from_pretrained(parts["model"], parts["adapter"], device="cpu")
    assert len(str(error.value)) < 1000


def test_undamaged_weights_are_read(checkpoint, adapter):
    """The control."""
    LineReader.from_pretrained(checkpoint, adapter, device="cpu")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floating_point_numbers_of_any_length_are_read(checkpoint, tmp_path, dtype):
    folder = shutil.copytree(checkpoint, tmp_path / "folder")
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor.to(dtype) for name, tensor in tensors.items()}, folder / "model.safetensors")
    LineReader.from_pretrained(folder, device="cpu")


@pytest.fixture
def in_parts(checkpoint, tmp_path):
    """A model in two files and their index, in a folder beside which lies another file of weights."""
    folder = shutil.copytree(checkpoint, tmp_path / "folder")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for file, inside in parts.items():
        save_file({name: tensors[name] for name in inside}, folder / file, metadata={"format": "pt"})
    shutil.copy(folder / "two.safetensors", tmp_path / "outside.safetensors")
    placed = {name: file for file, inside in parts.items() for name in inside}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    return folder


def rewrite_index(folder, change):
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    path.write_text(json.dumps(change(index)))


def test_a_model_in_parts_is_read(in_parts, checkpoint):
    found, expected = (
        LineReader.from_pretrained(path, device="cpu").model.state_dict() for path in (in_parts, checkpoint)
    )
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


AWAY = [
    "../outside.safetensors",
    "{tmp}/outside.safetensors",
    "sub/../../outside.safetensors",
    "..\\outside.safetensors",
]


@pytest.mark.parametrize("name", [*AWAY, "two.bin", "", 7])
def test_an_index_leads_nowhere_but_to_the_files_beside_it(in_parts, tmp_path, name):
    name = name.replace("{tmp}", str(tmp_path)) if isinstance(name, str) else name

    def lead_away(index):
        placed = {key: name if file == "two.safetensors" else file for key, file in index["weight_map"].items()}
        return index | {"weight_map": placed}

    rewrite_index(in_parts, lead_away)
    with pytest.raises(ValueError, match=r"`model`: .*model.safetensors.index.json (names|must)"):
        LineReader.from_pretrained(in_parts, device="cpu")


@pytest.mark.parametrize(
    "index", [[], {}, {"weight_map": None}, {"weight_map": {}}, {"weight_map": ["one.safetensors"]}]
)
def test_an_index_of_another_form_is_named(in_parts, index):
    rewrite_index(in_parts, lambda _: index)
    with pytest.raises(ValueError, match=r"`model`: .*model.safetensors.index.json must"):
        LineReader.from_pretrained(in_parts, device="cpu")


def test_a_part_that_is_missing_is_named(in_parts):
    (in_parts / "two.safetensors").unlink()
    with pytest.raises(ValueError, match=r"`model`: .*names two.safetensors, which is missing"):
        LineReader.from_pretrained(in_parts, device="cpu")
