"""Arguments: typed, bounded, flat, and clear about what is wrong."""

import pytest
import torch
import yaml

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.checks import split_architecture, split_source


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
        ({"max_steps": None}, "`max_steps` or `max_minutes`"),
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
