"""PEFT's methods on readers: each trains, is saved, merges, and keeps the symmetry; mixed batches and Auto classes."""

import json
import warnings

import peft
import pytest
import torch
from slow_cases import others_slow
from tiny_kinds import KINDS, batch
from tiny_models import noise, tiny_reader

from experiments.peft_methods import (
    EXACT,
    LEAST_CHANGE,
    METHODS,
    RESULTS,
    difference,
    measure,
    on_one_pose_only,
    randomised,
    symmetry_error,
)
from trocr_gsa import TrOCRGSAModel

LETTERS = torch.tensor([[5, 9, 1]])
CANNOT_BE_MERGED = {"LILY"}
# one of each kind
QUICK = ("LoRA", "DoRA", "IA3", "OFT", "LoHa", "LILY", "VeRA", "AdaLoRA")


@pytest.fixture
def reader() -> TrOCRGSAModel:
    return tiny_reader(ctc_steps_per_patch=2, group="C4").float()


@pytest.mark.parametrize("method", others_slow(METHODS, *QUICK))
def test_a_method_trains_is_saved_merges_and_keeps_the_symmetry(reader, method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what PEFT says of its own methods
        row = measure(reader, method, noise(2, 5), LETTERS)
    assert row.loss_after < row.loss_before
    assert row.changed > LEAST_CHANGE
    assert row.saved < 1e-5
    assert (row.merged is None) == (method in CANNOT_BE_MERGED)
    assert row.merged is None or row.merged < 1e-5
    assert row.symmetry_error < EXACT


def test_an_adapter_that_is_no_map_of_features_breaks_it(reader):
    """The control."""
    assert symmetry_error(on_one_pose_only(reader), noise(2, 5), LETTERS) > 1e-3


def test_the_documented_table_holds_every_method_and_none_that_breaks_the_symmetry():
    rows = {row["method"]: row for row in json.loads(RESULTS.read_text(encoding="utf-8"))["methods"]}
    assert list(rows) == list(METHODS)
    assert all(row["symmetry_error"] < EXACT for row in rows.values())
    assert all(row["loss_after"] < row["loss_before"] for row in rows.values())


@torch.no_grad()
@pytest.mark.parametrize(
    "settings",
    [{"trainable_token_indices": [5, 9]}, {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}],
    ids=str,
)
def test_trained_tokens_of_tied_embeddings_are_the_same_after_merging(reader, settings):
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], **settings)
    model = randomised(peft.get_peft_model(reader, config)).eval()
    lines = {"pixel_values": noise(2, 5).float(), "labels": LETTERS}
    logits = model(**lines).logits
    merged = model.merge_and_unload()
    assert difference(merged(**lines).logits, logits) < 1e-5
    assert torch.equal(merged.get_input_embeddings().weight, merged.get_output_embeddings().weight)


@pytest.mark.parametrize("method", others_slow(["LoRA", "OFT", "GraLoRA"], "LoRA"))
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_takes_methods_that_want_few_dimensions(kind, method):
    config = METHODS[method]()
    config.target_modules = {"q_proj", "k_proj", "v_proj"}
    model = peft.get_peft_model(KINDS[kind](), config)
    model(**batch(kind)).loss.backward()
    assert any(weight.grad is not None for weight in model.parameters())


# several adapters in one batch, as PEFT does it


@pytest.fixture
def several(reader):
    model = peft.get_peft_model(reader.double(), METHODS["LoRA"](), adapter_name="one")
    model.add_adapter("two", METHODS["LoRA"]())
    for name in ("one", "two"):
        model.set_adapter(name)
        randomised(model)
    return model.double().eval()


MIXED = ["one", "two", "__base__"]


def alone(model, name: str, **inputs):
    if name == "__base__":
        with model.disable_adapter():
            return model(**inputs).logits
    model.set_adapter(name)
    return model(**inputs).logits


@torch.no_grad()
def test_lines_of_a_batch_have_the_adapters_that_they_are_given(several):
    images, letters = noise(2, 5, batch=3), LETTERS.expand(3, -1)
    together = several(pixel_values=images, labels=letters, adapter_names=MIXED).logits
    for row, name in enumerate(MIXED):
        expected = alone(several, name, pixel_values=images[row : row + 1], labels=LETTERS)
        assert difference(together[row : row + 1], expected) < EXACT


def test_a_batch_of_several_adapters_is_read(several):
    images = noise(2, 5, batch=3)
    options = {"max_new_tokens": 4, "min_new_tokens": 4}
    together = several.generate(pixel_values=images, adapter_names=MIXED, **options)
    for row, name in enumerate(MIXED[:2]):
        several.set_adapter(name)
        assert torch.equal(together[row : row + 1], several.generate(pixel_values=images[row : row + 1], **options))


# loading by PEFT's own Auto classes


@pytest.fixture
def saved(reader, tmp_path):
    """Return what a PEFT configuration with these settings was saved as, and its logits."""

    def save(**settings):
        reader.save_pretrained(tmp_path / "base")
        base = TrOCRGSAModel.from_pretrained(tmp_path / "base")
        model = randomised(
            peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["q_proj"], **settings))
        ).eval()
        model.save_pretrained(tmp_path / "adapter")
        return str(tmp_path / "adapter"), model(pixel_values=noise(2, 3).float(), labels=LETTERS).logits

    return save


def test_an_adapter_with_a_task_type_is_found_by_its_auto_class(saved):
    torch.manual_seed(0)
    folder, logits = saved(task_type="SEQ_2_SEQ_LM")
    torch.manual_seed(0)
    found = peft.AutoPeftModelForSeq2SeqLM.from_pretrained(folder).eval()
    assert isinstance(found.get_base_model(), TrOCRGSAModel)
    assert torch.equal(found(pixel_values=noise(2, 3).float(), labels=LETTERS).logits, logits)


def test_an_adapter_without_one_needs_this_package_to_be_allowed(saved):
    torch.manual_seed(0)
    folder, logits = saved()
    with pytest.raises(ValueError, match="import_allowlist"):
        peft.AutoPeftModel.from_pretrained(folder)
    torch.manual_seed(0)
    found = peft.AutoPeftModel.from_pretrained(folder, import_allowlist=["trocr_gsa"]).eval()
    assert torch.equal(found(pixel_values=noise(2, 3).float(), labels=LETTERS).logits, logits)


def test_eva_starts_from_the_features_of_given_lines(reader):
    config = peft.LoraConfig(
        r=2, init_lora_weights="eva", eva_config=peft.EvaConfig(), target_modules=["q_proj", "v_proj"]
    )
    model = peft.get_peft_model(reader, config, low_cpu_mem_usage=True)
    lines = [batch("reader", 4) for _ in range(4)]
    peft.initialize_lora_eva_weights(
        model, lines, prepare_model_inputs_fn=None, prepare_layer_inputs_fn=None, show_progress_bar=False
    )
    assert model(**lines[0]).loss.isfinite()
