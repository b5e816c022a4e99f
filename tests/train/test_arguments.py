"""Arguments: typed, bounded, flat, and clear about what is wrong."""

import re
import time
from itertools import pairwise

import pytest
import torch
import yaml

from trocr_gsa.data.names import split_source
from trocr_gsa.train.arguments import TrainingArguments, split_architecture


def test_command_line_values_win_over_the_file(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("train: lines\nrank: 4\nlearning_rate: 1e-3\n")
    arguments = TrainingArguments.from_command_line([str(config), "rank=16", "--max-minutes", "5", "--resume"])
    assert (arguments.rank, arguments.learning_rate, arguments.max_minutes, arguments.resume) == (16, 1e-3, 5.0, True)
    assert arguments.train == ["lines"]


def test_lists_and_weights_come_from_the_command_line():
    arguments = TrainingArguments.from_command_line(["train=[a/b:0.25, owner/name]", "angles=[0, 90]"])
    assert [split_source(source) for source in arguments.train] == [("a/b", 0.25), ("owner/name", None)]
    assert arguments.angles == [0.0, 90.0]


def test_plain_values_read_back_as_the_same_arguments():
    arguments = TrainingArguments.from_dict({"train": "lines", "method": "full", "encoder_hidden_size": 32})
    assert TrainingArguments.from_dict(yaml.safe_load(yaml.safe_dump(arguments.to_dict()))) == arguments


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learnin_rate": 1e-3}, "`learnin_rate` is not a known key. Did you mean `learning_rate`"),
        ({"encoder_hiden_size": 32, "method": "full"}, "`encoder_hiden_size` .*`encoder_hidden_size`"),
        ({"decoder_layer": 2, "method": "full"}, "`decoder_layer` .*`decoder_layers`"),
        ({"rank": "many"}, "`rank` must be a whole number, got 'many'"),
        ({"rank": 2.5}, "`rank` must be a whole number"),
        ({"rank": 0}, "`rank` must be at least 1"),
        ({"augment": 1}, "`augment` must be true or false"),
        ({"method": "qlora"}, "`method` must be one of lora, full"),
        ({"label_smoothing": 2}, "`label_smoothing` must be at most 1"),
        ({"learning_rate": float("nan")}, "`learning_rate`"),
        ({"ema": 1}, "`ema` must be below 1"),
        ({"patience": 3}, "`patience` needs lines"),
        ({"augment_share": 0.5}, "`augment_share` = 0.5 needs `augment: true`"),
        ({"max_steps": None}, "`max_steps` or `max_minutes`"),
        ({"max_steps": None, "max_minutes": 0}, "`max_minutes` must be greater than 0, got 0"),
        ({"max_minutes": -1}, "`max_minutes` must be greater than 0, got -1"),
        ({"train": []}, "`train` must name"),
        ({"train": ["lines:-1"]}, "`train`: the weight of lines must be positive"),
        ({"encoder_hidden_size": 32}, "`method` must be full"),
        ({"encoder_hidden_size": 32, "method": "full", "targets": "behind_pose"}, "`targets` cannot be behind_pose"),
        ({"encoder_hidden_size": 32, "method": "full", "model": "x"}, "`model` = x already fixes"),
        ({"validation": ["lines"], "angles": []}, "`angles` must name"),
    ],
)
def test_impossible_settings_are_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        TrainingArguments.from_dict({"train": "lines"} | values)


def test_asking_for_cuda_without_cuda_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="`device` is cuda"):
        TrainingArguments(train=["lines"], device="cuda")


@pytest.mark.parametrize(("text", "message"), [("- a", "must hold"), ("a: [", "not valid YAML")])
def test_a_config_that_is_no_mapping_is_refused(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        TrainingArguments.from_command_line([str(path)])


def test_a_missing_config_and_a_stray_word_are_refused():
    with pytest.raises(ValueError, match="there is no file"):
        TrainingArguments.from_command_line(["nowhere.yaml"])
    with pytest.raises(ValueError, match="`stray` is not an override"):
        TrainingArguments.from_command_line(["train=lines", "stray"])


def test_prefixes_find_their_half():
    encoder, decoder = split_architecture(
        {"encoder_hidden_size": 1, "decoder_d_model": 2, "decoder_layers": 3, "decoder_start_token_id": 4}
    )
    assert encoder == {"hidden_size": 1}
    assert decoder == {"d_model": 2, "decoder_layers": 3, "decoder_start_token_id": 4}


TEXTS = [
    "2024-01-05",
    "0123",
    "12:30",
    "vol #3",
    "yes",
    "1e3",
    "a: b",
    "{x}",
    "[old] lines",
    "#1",
    "'",
    "&a",
    "*",
    "!x",
]


@pytest.mark.parametrize("word", TEXTS)
@pytest.mark.parametrize("key", ["model", "output", "train", "image_column"])
def test_a_path_or_word_stays_as_it_is_written(tmp_path, monkeypatch, word, key):
    monkeypatch.chdir(tmp_path)
    (tmp_path / word).mkdir()
    expected = [word] if key == "train" else word
    assert getattr(TrainingArguments.from_command_line(["train=x", f"{key}={word}"]), key) == expected
    assert getattr(TrainingArguments.from_command_line(["train=x", f"--{key}", word]), key) == expected


@pytest.mark.parametrize("word", ["2024-01-05", "0123", "12:30", "yes", "1e3", "~x", "0x10", "null x"])
def test_a_path_or_word_in_a_file_stays_as_it_is_written(tmp_path, word):
    config = tmp_path / "config.yaml"
    config.write_text(f"train: [{word}, b]\nvalidation: {word}\noutput: {word}\nmodel: null\n")
    arguments = TrainingArguments.from_command_line([str(config)])
    assert arguments.output == word
    assert (arguments.model, len(arguments.train)) == (None, 2)
    assert word in (arguments.validation[0], arguments.train[0])


def test_a_list_of_words_is_read_as_it_is_written():
    arguments = TrainingArguments.from_command_line(['train=["vol #3", 0123, a/b:0.25]', "validation="])
    assert (arguments.train, arguments.validation) == (["vol #3", "0123", "a/b:0.25"], [])
    with pytest.raises(ValueError, match=r"`train`: cannot read .* in quotes"):
        TrainingArguments.from_command_line(["train=[vol #3, b]"])


def test_a_folder_that_looks_like_a_weight_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "12:30").mkdir()
    assert split_source("12:30") == ("12:30", None)
    assert split_source("12:30:0.5") == ("12:30", 0.5)


def test_a_slash_behind_a_folder_makes_no_difference():
    plain = {"train": ["tr", "a/b:0.5"], "validation": ["va"], "model": "/m", "output": "runs/x"}
    slashed = {"train": ["tr/", "a/b/:0.5"], "validation": ["va//"], "model": "/m/", "output": "runs/x/"}
    assert TrainingArguments.from_dict(slashed) == TrainingArguments.from_dict(plain)
    assert TrainingArguments(train=["/"]).train == ["/"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("architecture: 2020-01-01", "`architecture` must hold"),
        ("architecture: [a]", "`architecture` must hold"),
        ("method: full\narchitecture: {1: x}", "`1` is not a known key"),
        ("encoder_hidden_size: [1]", "`encoder_hidden_size` must be a number"),
        ("a: &a [x]\nb: [*a, *a]", "got one inside another. Write `key: value`, or `key: [one, another]`."),
        ("a: &a {x: *a}", "one inside another"),
        ("a: &a [*a]", "one inside another"),
        ("max_steps: .inf", "`max_steps`: cannot read"),
        ("max_steps: .nan", "`max_steps`: cannot read"),
        ("learning_rate: .inf", "`learning_rate`: cannot read"),
        (f"learning_rate: {'9' * 400}", "`learning_rate`: cannot read"),
        (f"rank: {'9' * 400}.5", "`rank`: cannot read"),
        ("learning_rate: 1e999", "`learning_rate` must be a finite number"),
        ("max_minutes: 12:30", "`max_minutes`: cannot read the value '12:30': write it as a plain decimal number"),
        ("seed: 0123", "`seed`: cannot read the value '0123'"),
        ("seed: 0x10", "`seed`: cannot read"),
        (f"seed: {'9' * 5000}", "it has 5,000 characters, more than any number"),
        (f"seed: -{'9' * 401}", "it has 402 characters, more than any number"),
        (f"learning_rate: .{'9' * 5000}", "more than any number"),
        (f"rank: 0x{'f' * 5000}", "more than any number"),
        ("seed: 99999999999999999999", "`seed` must be a whole number"),
        ("seed: -1", "`seed` must be at least 0"),
        ("max_steps: 2020-13-45", "`max_steps`: cannot read"),
        ("max_steps: 2020-01-01", "`max_steps` must be a whole number, got 2020-01-01"),
        ("1: x", "`1` is not a known key"),
        ("? [a, b]\n: x", "`?` is not a known key"),
        ("rank: 4\nrank: 8", "`rank` is given twice"),
        (f"train: {'[' * 2000}", "is nested too deep"),
        (f"train: {'[' * 21}{']' * 21}", "is nested too deep"),
        (f"train: {'[[a, ' * 2000}", "is nested too deep"),
        (f"train: {'{a: [' * 2000}", "is nested too deep"),
        (f"? {'x' * 5000}\n: 1", "is not a known key"),
        ("rank: 3000000", "`rank` must be at most 4096"),
        ("rank: {a: b}", "`rank` must be a whole number"),
        ("rank: !!python/object:os.system x", "`rank`: cannot read"),
        ("angles: [0, .inf]", "`angles`: cannot read"),
        ("angles: [0, 361]", "`angles` must be degrees from -360 to 360"),
        ("method: full\nencoder_num_hidden_layers: 10000000", "`encoder_num_hidden_layers` must be at most 1000"),
        ("method: full\ndecoder_layers: 1e9", "`decoder_layers` must be at most 1000"),
        ("method: full\nencoder_num_frequencies: 1000000", "`encoder_num_frequencies` must be at most"),
        ("method: full\ndecoder_vocab_size: -3", "`decoder_vocab_size` must be at least 1"),
        (f"train: x # {'x' * 200_000}", "is longer than 100,000 characters"),
        ("", "must hold `key: value` lines, got nothing"),
        ("a: b\n---\nc: d", "not valid YAML"),
        ("\x01", "not valid YAML"),
    ],
)
def test_a_hostile_config_is_refused_in_one_short_line_at_once(tmp_path, text, complaint):
    config = tmp_path / "config.yaml"
    config.write_text(f"{text}\n" if text.startswith("train") or not text else f"train: lines\n{text}\n")
    start = time.process_time()
    with pytest.raises(ValueError, match=re.escape(complaint)) as raised:
        TrainingArguments.from_command_line([str(config)])
    assert time.process_time() - start < 1
    assert len(str(raised.value)) < 1200


def test_a_bomb_of_aliases_does_not_go_off(tmp_path):
    levels = "abcdefghij"
    rows = [f" {level}: &{level} [{', '.join(10 * [f'*{below}'])}]" for below, level in pairwise(levels)]
    config = tmp_path / "config.yaml"
    for key in ("architecture", "train", "model", "rank", "nonsense"):
        config.write_text("\n".join([f"{key}:", " a: &a [x]", *rows, "model: *j"]))
        with pytest.raises(ValueError, match="one inside another"):
            TrainingArguments.from_command_line([str(config)])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_config_with_a_byte_order_mark_is_read_and_one_in_latin1_named(tmp_path, encoding):
    config = tmp_path / "config.yaml"
    config.write_bytes("train: Bücher\n".encode(encoding))
    assert TrainingArguments.from_command_line([str(config)]).train == ["Bücher"]
    config.write_bytes("train: Bücher\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"`config`: .*config\.yaml is not UTF-8"):
        TrainingArguments.from_command_line([str(config)])


def test_a_config_that_is_a_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"`config`: .* cannot be read"):
        TrainingArguments.from_command_line([str(tmp_path)])


def test_small_numbers_are_numbers_for_a_new_model_too():
    words = ["train=x", "method=full", "encoder_layer_norm_eps=1e-5", "encoder_hidden_size=32", "encoder_group=C4"]
    architecture = TrainingArguments.from_command_line(words).architecture
    assert architecture == {"encoder_layer_norm_eps": 1e-5, "encoder_hidden_size": 32, "encoder_group": "C4"}
