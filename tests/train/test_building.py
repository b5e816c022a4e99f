"""Models and lines as the arguments ask for them."""

import json
import logging

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoint import save_checkpoint

from trocr_gsa import TrOCRGSAModel
from trocr_gsa.checkpoints.models import load_model
from trocr_gsa.data.fit import LineFit
from trocr_gsa.train import training_data
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.build import build
from trocr_gsa.train.training_data import TrainingSources, validation_sets


def test_half_precision_weights_are_trained_in_single_precision(tmp_path, checkpoint):
    TrOCRGSAModel.from_pretrained(checkpoint, dtype=torch.float16).save_pretrained(checkpoint)
    model, _ = load_model(checkpoint)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("attn_implementation", ["sdpa", "eager"])
def test_the_attention_asked_for_is_used(checkpoint, attn_implementation):
    values = {"train": "lines", "model": checkpoint, "attn_implementation": attn_implementation}
    _, reader, _ = build(TrainingArguments.from_dict(values))
    assert reader.encoder.config._attn_implementation == attn_implementation


def test_an_adapter_alone_is_trained_and_names_its_base(checkpoint):
    model, _, _ = build(TrainingArguments.from_dict({"train": "lines", "model": checkpoint, "rslora": True}))
    assert all("lora_" in name for name, weight in model.named_parameters() if weight.requires_grad)
    assert model.peft_config["default"].base_model_name_or_path == checkpoint
    assert model.peft_config["default"].use_rslora


@pytest.mark.parametrize(("targets", "frozen"), [("encoder", "decoder."), ("decoder", "encoder."), ("both", "none")])
def test_a_half_that_is_no_target_is_frozen_where_the_other_learns_whole(checkpoint, targets, frozen):
    values = {"train": "lines", "model": checkpoint, "method": "full", "targets": targets}
    model, _, _ = build(TrainingArguments.from_dict(values))
    for name, weight in model.named_parameters():
        assert weight.requires_grad == (not name.startswith(frozen))


def test_behind_pose_freezes_what_works_on_every_pose_and_changes_no_way_up(checkpoint):
    values = {"train": "lines", "model": checkpoint, "method": "full", "targets": "behind_pose"}
    model, reader, _ = build(TrainingArguments.from_dict(values))
    front = ("embeddings.", "lifting.", "pose_layers.", "pose_head.")
    for name, weight in model.named_parameters():
        assert weight.requires_grad == (not name.startswith(tuple(f"encoder.{part}" for part in front)))
    side = reader.encoder.config.patch_size
    pictures = torch.rand(2, reader.encoder.config.num_channels, side, 3 * side)
    assert not reader.encoder(pictures).pose_logits.requires_grad
    assert reader.encoder(pictures).last_hidden_state.requires_grad


def test_adapters_go_where_the_arguments_say(checkpoint):
    values = {"train": "lines", "model": checkpoint, "targets": "encoder", "projections": "all"}
    model, _, _ = build(TrainingArguments.from_dict(values))
    adapted = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert all(".encoder." in name for name in adapted)
    assert any(".mlp.fc1." in name for name in adapted)


def test_impossible_heads_of_a_new_model_are_refused():
    values = {"train": "lines", "method": "full", "encoder_hidden_size": 30, "encoder_num_attention_heads": 4}
    with pytest.raises(ValueError, match="`hidden_size` must be a multiple of `num_attention_heads`"):
        build(TrainingArguments.from_dict(values))


def opened(arguments, fit):
    return TrainingSources(arguments, fit).lines(arguments.train)


def test_weights_set_the_share_of_each_source(tiny, source):
    arguments = TrainingArguments.from_dict({"train": [f"{source}:3", f"{source}/validation:1"]})
    lines = opened(arguments, LineFit(tiny[1], 32))
    assert len(lines) == 8 + 3
    assert sum(line.name in {"fdd.png"} for line in lines) >= 1
    held_out = {line.name for line in validation_sets(TrainingArguments(train=["x"], validation=[source]))[source]}
    assert sum(line.name in held_out for line in lines) >= 3


def test_lines_that_do_not_fit_are_named_and_left_out(tiny, source, caplog):
    with caplog.at_level(logging.WARNING, logger="trocr_gsa"):
        lines = opened(TrainingArguments(train=[source]), LineFit(tiny[1], 6))
    assert len(lines) == 3
    assert "5 lines left out, 3 kept" in caplog.text


def test_fewer_training_lines_are_some_of_the_more(tiny, source):
    def names(most):
        lines = opened(TrainingArguments(train=[source], train_lines=most), LineFit(tiny[1], 32))
        return {line.name for line in lines}

    assert [len(names(most)) for most in (2, 5, 100)] == [2, 5, 8]
    assert names(2) < names(5) < names(100)


def test_validation_takes_the_same_few_lines_every_time(source):
    arguments = TrainingArguments(train=["lines"], validation=[source], validation_lines=2)
    first, second = validation_sets(arguments), validation_sets(arguments)
    assert [line.name for line in first[source]] == [line.name for line in second[source]]
    assert len(first[source]) == 2


def test_weights_of_another_group_are_named(tmp_path):
    folder = save_checkpoint(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["encoder"]["group"] = "D4"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"`model`.*group D4.*in the configuration"):
        load_model(str(folder))


def test_a_missing_weight_is_an_error_and_never_random(tmp_path):
    folder = save_checkpoint(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    lost = "encoder.lifting.mlp.fc1.weight"
    save_file({name: weight for name, weight in weights.items() if name != lost}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=lost):
        load_model(str(folder))


def test_a_new_model_takes_the_weights_that_agree_and_says_how_many(tmp_path, tiny_architecture, caplog):
    older = save_checkpoint(tmp_path / "older", decoder_max_position_embeddings=32, encoder_num_hidden_layers=3)
    values = tiny_architecture | {"train": "lines", "method": "full", "warm_start": [str(older)]}
    with caplog.at_level(logging.WARNING):
        model, _, _ = build(TrainingArguments.from_dict(values))
    taken = load_file(older / "model.safetensors")
    assert all(torch.equal(weight, taken[name]) for name, weight in model.state_dict().items() if name in taken)
    assert "weights of the new model start from here" in caplog.text


def test_a_weight_of_another_shape_is_left_as_it_was(tmp_path, tiny_architecture):
    older = save_checkpoint(tmp_path / "older", decoder_max_position_embeddings=32, encoder_intermediate_size=48)
    values = tiny_architecture | {"train": "lines", "method": "full", "warm_start": [str(older)]}
    model, _, _ = build(TrainingArguments.from_dict(values))
    assert model.get_submodule("encoder.lifting.mlp.fc1").out_features == 32


@pytest.mark.parametrize("folder", ["nothing", "strange"])
def test_a_warm_start_from_nothing_that_agrees_is_refused(tmp_path, tiny_architecture, folder):
    (tmp_path / "strange").mkdir()
    save_file({"weight": torch.zeros(2)}, tmp_path / "strange" / "model.safetensors")
    values = tiny_architecture | {"train": "lines", "method": "full", "warm_start": [str(tmp_path / folder)]}
    with pytest.raises(ValueError, match="`warm_start`"):
        build(TrainingArguments.from_dict(values))


def test_only_a_new_model_starts_warm(checkpoint):
    with pytest.raises(ValueError, match="`warm_start` needs a new model"):
        TrainingArguments.from_dict({"train": "lines", "model": checkpoint, "warm_start": ["older"]})


@pytest.mark.parametrize(
    ("power", "weights", "expected"),
    [
        (None, [None, None], None),
        (None, [2.0, None], [2.0, 1.0]),
        (0.5, [None, None], [2.0, 3.0]),
        (0.5, [2.0, None], [4.0, 3.0]),
        (0.0, [None, None], [1.0, 1.0]),
        (1.0, [3.0, None], [12.0, 9.0]),
    ],
)
def test_sources_are_mixed_by_a_power_of_their_length_and_their_own_weight(power, weights, expected):
    assert training_data._mixed([range(4), range(9)], weights, power) == expected
