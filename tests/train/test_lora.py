"""Adapters: where they sit, that stock PEFT handles them, and that they leave no trace."""

import copy

import peft
import pytest
import torch

from trocr_gsa.equivariance import report
from trocr_gsa.train.lora import lora_config

LAYERS = {
    "qv": ("q_proj", "v_proj"),
    "qkvo": ("q_proj", "k_proj", "v_proj", "o_proj", "out_proj"),
    "all": ("q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "fc1", "fc2"),
}


def wrap(model, **options):
    """Put an adapter that does something (B ≠ 0) around a model."""
    adapted = peft.get_peft_model(model, lora_config(model=model, **options))
    torch.manual_seed(1)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return adapted.eval()


def logits(model, processor, lines):
    batch = processor(images=[line.image for line in lines[:2]], text=[line.text for line in lines[:2]])
    with torch.no_grad():
        return model(**batch).logits


def adapted_modules(model):
    return {name for name, module in model.named_modules() if isinstance(module, peft.tuners.lora.Linear)}


@pytest.mark.parametrize("projections", LAYERS)
@pytest.mark.parametrize("targets", ["encoder", "decoder", "both"])
def test_a_preset_adapts_every_such_layer_of_its_halves_and_nothing_else(tiny, targets, projections):
    model, _ = tiny
    wanted = {
        f"base_model.model.{name}"
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and name.split(".")[-1] in LAYERS[projections]
        and (targets == "both" or name.startswith(f"{targets}."))
    }
    assert wanted
    assert adapted_modules(wrap(model, targets=targets, projections=projections)) == wanted


@pytest.mark.parametrize("projections", LAYERS)
def test_behind_pose_adapts_both_halves_and_no_layer_that_works_on_every_pose(tiny, projections):
    model, _ = tiny
    both = adapted_modules(wrap(copy.deepcopy(model), projections=projections))
    wanted = {name for name in both if ".encoder." not in name or ".encoder.layers." in name}
    assert 0 < len(wanted) < len(both)
    assert adapted_modules(wrap(model, targets="behind_pose", projections=projections)) == wanted


@pytest.mark.parametrize("projections", LAYERS)
def test_no_preset_disturbs_the_symmetry(tiny, projections):
    checks = report(wrap(tiny[0], projections=projections))
    assert all(check.holds for check in checks)
    assert max(check.error_float64 for check in checks) < 1e-11


def test_attention_alone_is_adapted_by_default():
    assert lora_config().target_modules == lora_config(projections="qkvo").target_modules


def test_stock_peft_loads_a_saved_adapter(tiny, lines, tmp_path):
    model, processor = tiny
    base = copy.deepcopy(model).eval()
    adapted = wrap(model)
    adapted.save_pretrained(str(tmp_path), save_embedding_layers=False)
    loaded = peft.PeftModel.from_pretrained(base, str(tmp_path)).eval()
    assert torch.equal(logits(loaded, processor, lines), logits(adapted, processor, lines))


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"use_dora": True}])
def test_merging_changes_nothing_that_is_read(tiny, lines, options):
    model, processor = tiny
    adapted = wrap(model, **options)
    before = logits(adapted, processor, lines)
    merged = adapted.merge_and_unload()
    torch.testing.assert_close(logits(merged, processor, lines), before, atol=2e-5, rtol=1e-4)


def test_two_adapters_switch(tiny, lines):
    model, processor = tiny
    adapted = wrap(model)
    first = logits(adapted, processor, lines)
    adapted.add_adapter("other", lora_config("decoder", rank=2))
    adapted.set_adapter("other")
    other = logits(adapted, processor, lines)
    adapted.set_adapter("default")
    assert not torch.equal(first, other)
    assert torch.equal(logits(adapted, processor, lines), first)


def test_an_adapter_disabled_or_removed_leaves_the_base_bit_exact(tiny, lines):
    model, processor = tiny
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    before = logits(model.eval(), processor, lines)
    adapted = wrap(model)
    assert not torch.equal(logits(adapted, processor, lines), before)
    with adapted.disable_adapter():
        assert torch.equal(logits(adapted, processor, lines), before)
    plain = adapted.unload()
    assert torch.equal(logits(plain, processor, lines), before)
    assert all(torch.equal(weight, weights[name]) for name, weight in plain.state_dict().items())


def test_the_scale_defaults_to_two():
    assert lora_config(rank=4).lora_alpha == 8
    assert lora_config(rank=4, alpha=1.0).lora_alpha == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": "head"}, "`targets`"),
        ({"projections": "k"}, "`projections`"),
        ({"rank": 0}, "`rank`"),
        ({"dropout": 1.0}, "`dropout`"),
    ],
)
def test_impossible_adapters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        lora_config(**options)
