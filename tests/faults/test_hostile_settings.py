"""Settings made to hang, to fill the memory or to be misunderstood: one line that names the file, within seconds."""

import json
import logging
import shutil
import time

import pytest
from safetensors.torch import load_file, save_file
from slow_cases import others_slow

from trocr_gsa.reader import LineReader, list_adapters

SECONDS = 10  # of this process; matching expressions is given five seconds in another
DEEP = "[" * 50_000
NO_FILES = {
    "empty": b"",
    "cut": b'{"peft_type": "LORA", "model_type": "trocr-gsa", "r',
    "a list": b"[]",
    "nested without end": DEEP.encode(),
    "an object nested without end": b'{"a":' * 50_000,
    "a number of a million digits": b'{"r": ' + b"9" * 1_000_000 + b"}",
    "NaN": b'{"r": NaN}',
    "not UTF-8": b'{"r": "\xff\xfe\xfa"}',
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 42\n",
}
ADAPTER = {
    "a rank of millions": {"r": 3_000_000},
    "no rank": {"r": 0},
    "a rank below nothing": {"r": -4},
    "a rank of text": {"r": "x"},
    "a rank of truth": {"r": True},
    "a rank of half": {"r": 2.5},
    "a rank of millions for one layer": {"rank_pattern": {"q_proj": 3_000_000}},
    "a scale of text": {"lora_alpha": "x"},
    "an endless scale": {"lora_alpha": 1e999},
    "a rank beyond every number": {"r": 10**400},
    "a scale beyond every number": {"lora_alpha": 10**400},
    "a dropout beyond every number": {"lora_dropout": 10**400},
    "a word for a switch": {"use_rslora": "no"},
    "a number for the layers": {"target_modules": 5},
    "numbers for the layers": {"target_modules": [5]},
    "layers that are not there": {"target_modules": ["nowhere"]},
    "an expression without end": {"target_modules": "((((a|.)+)+)+)+Q"},
    "an expression for what is excluded, without end": {"exclude_modules": "(.*.*)*(.*.*)*(.*.*)*Q"},
    "an expression that is none": {"target_modules": "((("},
    "an expression that fills the memory": {"target_modules": "(?:(?:(?:.{0,900}){0,900}){0,900}){0,900}Q"},
    "an endless expression": {"target_modules": "q_proj|" * 100_000},
    "an expression for a rank, without end": {"rank_pattern": {"((((a|.)+)+)+)+Q": 4}},
    "an expression for a scale, without end": {"alpha_pattern": {"((((a|.)+)+)+)+Q": 4}},
    "an expression for a list of layers": {"layers_pattern": "((((a|.)+)+)+)+Q", "layers_to_transform": [0]},
    "layers copied a million times": {"layer_replication": [[0, 1_000_000]]},
    "a module to import": {"megatron_config": {"a": 1}, "megatron_core": "antigravity"},
    "modules that are not there": {"modules_to_save": ["decoder"]},
    "modules of text": {"modules_to_save": "decoder"},
    "a base that is no name": {"base_model_name_or_path": {"a": 1}},
    "a kind that is none": {"peft_type": "SPELL"},
    "a kind of another type": {"peft_type": ["LORA"]},
    "a kind that changes no layers": {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 10**9},
    "many kinds in one": {"peft_type": "XLORA", "adapters": {"a": "/etc"}},
    "a kind whose weights are others": {"peft_type": "LOHA"},
}

TAKE_SECONDS = {  # like "an expression without end" and "an expression that fills the memory"
    "an expression for what is excluded, without end",
    "an expression for a rank, without end",
    "an expression for a scale, without end",
}


def refused(model, adapter, field, folder):
    started = time.process_time()
    with pytest.raises(ValueError, match=f"`{field}`") as error:
        LineReader.from_pretrained(model, adapter, device="cpu")
    assert time.process_time() - started < SECONDS
    assert str(folder) in str(error.value)
    return str(error.value)


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("what", others_slow(ADAPTER, *(ADAPTER.keys() - TAKE_SECONDS)))
def test_an_adapter_that_asks_for_too_much_is_refused(checkpoint, adapter, tmp_path, what, monkeypatch):
    monkeypatch.setattr("trocr_gsa.checkpoints.adapter_config.SECONDS", 1)
    folder = shutil.copytree(adapter, tmp_path / "folder")
    rewrite(folder / "adapter_config.json", **ADAPTER[what])
    refused(checkpoint, folder, "adapter", folder)


WRONG = [
    {"lora_dropout": 5},
    {"lora_dropout": -0.1},
    {"target_modules": None},
    {"target_modules": []},
    {"target_modules": ""},
    {"target_modules": ["nothing"]},
    {"target_modules": "nothing"},
    {"target_modules": "q_proj"},  # an expression, which no whole name of a layer matches
    {"target_modules": ["q_pro", "proj"]},
    {"alpha_pattern": {"q_proj": "8"}},
    {"alpha_pattern": {"q_proj": None}},
    {"alpha_pattern": {"q_proj": [8]}},
    {"alpha_pattern": {"q_proj": True}},
    {"alpha_pattern": {"q_proj": 0}},
    {"alpha_pattern": "q_proj"},
    {"rank_pattern": {"q_proj": "4"}},
    {"rank_pattern": {"q_proj": None}},
    {"rank_pattern": [4]},
    {"lora_alpha": 0},
    {"lora_alpha": "8"},
    {"lora_alpha": None},
    {"r": 5},
    {"r": 3},
    {"alora_invocation_tokens": [1]},
]


@pytest.mark.parametrize("changes", WRONG, ids=json.dumps)
def test_the_field_of_an_adapter_that_is_wrong_is_named_and_not_its_base_blamed(checkpoint, adapter, tmp_path, changes):
    folder = shutil.copytree(adapter, tmp_path / "folder")
    rewrite(folder / "adapter_config.json", **changes)
    message = refused(checkpoint, folder, "adapter", folder)
    assert f"`{next(iter(changes))}`" in message
    assert "folder was trained on" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lora_alpha": "x"}, '`lora_alpha` in {path} must be a whole number, got "x".'),
        (
            {"base_model_name_or_path": {"a": 1}},
            "`base_model_name_or_path` in {path} must be a text or null, got an ob",
        ),
        ({"target_modules": 5}, "`target_modules` in {path} must be a list of texts or a text or null, got 5."),
        ({"use_rslora": "no"}, '`use_rslora` in {path} must be true or false, got "no".'),
        ({"bias": None}, '`bias` in {path} must be "none" or "all" or "lora_only", got null.'),
    ],
    ids=lambda changes: next(iter(changes)) if isinstance(changes, dict) else "",
)
def test_a_value_of_another_type_is_described_without_the_types_of_python(
    checkpoint, adapter, tmp_path, changes, complaint
):
    folder = shutil.copytree(adapter, tmp_path / "folder")
    rewrite(folder / "adapter_config.json", **changes)
    assert complaint.format(path=folder / "adapter_config.json") in refused(checkpoint, folder, "adapter", folder)


CONTRADICTIONS = {
    "weights that are missing": ({"use_dora": True}, "no weights for .*lora_magnitude_vector"),
    "biases that are missing": ({"lora_bias": True}, "no weights for .*bias"),
    "layers without a place": ({"exclude_modules": ["q_proj"]}, "no place for .*q_proj"),
    "nothing but excluded layers": ({"exclude_modules": ".*"}, "exclude_modules"),
    "a beginning that nobody prepared": ({"init_lora_weights": "corda"}, r"cannot be used as .*\.json describes it"),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_an_adapter_that_contradicts_itself_says_where(checkpoint, adapter, tmp_path, what):
    changes, where = CONTRADICTIONS[what]
    folder = shutil.copytree(adapter, tmp_path / "folder")
    rewrite(folder / "adapter_config.json", **changes)
    with pytest.raises(ValueError, match=rf"^`adapter`: .*{where}"):
        LineReader.from_pretrained(checkpoint, folder, device="cpu")


HARMLESS = [
    {"fan_in_fan_out": True},
    {"init_lora_weights": "eva", "eva_config": {"rho": 2.0}},
    {"exclude_modules": ["nothing"]},
    {"exclude_modules": "nothing"},
    {"alpha_pattern": None, "rank_pattern": None},
    {"inference_mode": False},
    {"peft_version": "99.0"},
    {"of_a_later_version": None, "another": False, "third": {}},
]


@pytest.mark.parametrize("changes", others_slow(HARMLESS, *HARMLESS[-2:]), ids=json.dumps)
def test_settings_that_change_nothing_are_read_without_a_word(checkpoint, adapter, tmp_path, changes, caplog, capfd):
    """Warnings are errors in these tests."""
    folder = shutil.copytree(adapter, tmp_path / "folder")
    rewrite(folder / "adapter_config.json", **changes)
    found, expected = (LineReader.from_pretrained(checkpoint, path, "cpu").model for path in (folder, adapter))
    for name, weight in expected.state_dict().items():
        assert (found.state_dict()[name] == weight).all(), name
    assert "arn" not in capfd.readouterr().err
    assert caplog.messages == []


def test_a_setting_of_a_later_peft_is_told_in_one_line(checkpoint, adapter, tmp_path, caplog):
    folder = shutil.copytree(adapter, tmp_path / "folder")
    rewrite(folder / "adapter_config.json", warp=3, weft={"a": 1})
    with caplog.at_level(logging.WARNING):
        LineReader.from_pretrained(checkpoint, folder, device="cpu")
    (message,) = caplog.messages
    assert "does not know `warp`, `weft` and ignores" in message
    assert str(folder) in message


@pytest.mark.parametrize("what", NO_FILES)
@pytest.mark.parametrize("name", ["adapter_config.json", "results.json"])
def test_a_file_of_an_adapter_that_is_none_is_named(checkpoint, adapter, tmp_path, name, what):
    folder = shutil.copytree(adapter, tmp_path / "folder")
    (folder / name).write_bytes(NO_FILES[what])
    refused(checkpoint, folder, "results" if name == "results.json" else "adapter", folder / name)


def test_of_a_folder_of_adapters_only_the_hostile_one_is_left_out(adapter, tmp_path):
    shutil.copytree(adapter, tmp_path / "good")
    shutil.copytree(adapter, tmp_path / "hostile")
    rewrite(tmp_path / "hostile" / "adapter_config.json", r=3_000_000)
    found, problems = list_adapters(tmp_path)
    assert [each.path.name for each in found] == ["good"]
    assert len(problems) == 1
    assert "hostile" in problems[0]


@pytest.mark.parametrize(
    "expression",
    [
        r".*(encoder|decoder).*(q_proj|k_proj|v_proj|o_proj|out_proj)",
        r"(encoder\..*\.(q|k|v|o)_proj)|(decoder\..*\.(q_proj|k_proj|v_proj|out_proj))",
    ],
)
def test_an_expression_of_ones_own_reads_as_the_preset_that_means_the_same(checkpoint, adapter, tmp_path, expression):
    folder = shutil.copytree(adapter, tmp_path / "folder")
    rewrite(folder / "adapter_config.json", target_modules=expression)
    found, expected = (LineReader.from_pretrained(checkpoint, path, "cpu").model for path in (folder, adapter))
    for name, weight in expected.state_dict().items():
        assert (found.state_dict()[name] == weight).all(), name


@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
def test_an_expression_for_some_layers_means_them(checkpoint, adapter, tmp_path, field):
    """Twice the scale for what an expression says is twice the update there, and the same elsewhere."""
    folders = {name: shutil.copytree(adapter, tmp_path / name) for name in ("by expression", "by name")}
    value = 4 if field == "rank_pattern" else 16
    for folder, key in zip(folders.values(), ("encoder.*[q]_proj", "q_proj"), strict=True):
        rewrite(folder / "adapter_config.json", **{field: {key: value}})
    one, other = (LineReader.from_pretrained(checkpoint, path, "cpu").model.state_dict() for path in folders.values())
    changed = {name for name, weight in one.items() if (other[name] != weight).any()}
    assert all("decoder" in name and "q_proj" in name for name in changed)
    assert bool(changed) == (field == "alpha_pattern")


CONFIG = {
    "ten million layers": {"encoder": {"num_hidden_layers": 10_000_000}},
    "ten million layers to write": {"decoder": {"decoder_layers": 10_000_000}},
    "ten million poses": {"encoder": {"pose_layers": 10_000_000}},
    "a billion letters": {"decoder": {"vocab_size": 10**9}},
    "a billion frequencies": {"encoder": {"num_frequencies": 10**9}},
    "other sizes": {"encoder": {"hidden_size": 65_536, "intermediate_size": 65_536}},
    "sizes of text": {"encoder": {"hidden_size": "x"}},
    "sizes below nothing": {"decoder": {"d_model": -32}},
    "an endless weight": {"ctc_loss_weight": 1e999},
    "no encoder": {"encoder": None},
    "an encoder of text": {"encoder": "x"},
    "a decoder that is none": {"decoder": {"model_type": "vit"}},
    "a decoder of no kind": {"decoder": {"model_type": "spell"}},
    "another model": {"model_type": "bert"},
    "a model of no kind": {"model_type": None},
    "another file of weights": {"transformers_weights": "../outside.safetensors"},
    "weights in another format": {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    "a kernel from the Hub": {"encoder": {"_attn_implementation": "owner/kernel"}},
}


@pytest.mark.parametrize("what", CONFIG)
def test_a_configuration_that_no_reader_has_is_refused(checkpoint, tmp_path, what):
    folder = shutil.copytree(checkpoint, tmp_path / "folder")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    changes = {
        key: config[key] | value if isinstance(value, dict) and key in config else value
        for key, value in CONFIG[what].items()
    }
    rewrite(path, **changes)
    refused(folder, None, "model", folder)


@pytest.mark.parametrize("what", NO_FILES)
@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "processor_config.json"])
def test_a_file_of_a_model_that_is_none_is_named(checkpoint, tmp_path, name, what):
    folder = shutil.copytree(checkpoint, tmp_path / "folder")
    (folder / name).write_bytes(NO_FILES[what])
    refused(folder, None, "model", folder / name)


@pytest.mark.parametrize("changes", [{"patch_size": 16}, {"num_channels": 3}, {"line_height": 10**8}])
def test_a_processor_of_another_model_is_refused(checkpoint, tmp_path, changes):
    folder = shutil.copytree(checkpoint, tmp_path / "folder")
    path = folder / "processor_config.json"
    settings = json.loads(path.read_text())
    rewrite(path, image_processor=settings["image_processor"] | changes)
    assert next(iter(changes)) in refused(folder, None, "model", folder)


def test_layers_that_the_configuration_leaves_out_are_missed(checkpoint, tmp_path):
    """A configuration with fewer layers than the weights would read without them, and badly."""
    folder = shutil.copytree(checkpoint, tmp_path / "folder")
    tensors = load_file(folder / "model.safetensors")
    more = {name.replace("decoder.layers.0.", "decoder.layers.1."): each.clone() for name, each in tensors.items()}
    save_file(tensors | more, folder / "model.safetensors", metadata={"format": "pt"})
    assert "layers.1" in refused(folder, None, "model", folder)
