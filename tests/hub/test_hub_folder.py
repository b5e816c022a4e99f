"""The folder that goes to the Hub: all that is needed, nothing that is private or can run unasked, and it loads."""

import filecmp
import json
import shutil

import pytest
import torch
from tiny_checkpoint import draw_line

from trocr_gsa import TrOCRGSAModel
from trocr_gsa.hub import Statement, assemble
from trocr_gsa.reader import load_reader

NAME = Statement("owner/name")
ON_BASE = Statement("owner/name", base="owner/base")


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def rename_base(adapter, folder, name):
    shutil.copytree(adapter, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": name}))
    return folder


def names(folder):
    return {path.name for path in folder.iterdir()}


def logits(*parts):
    model, processor = load_reader(*parts, device="cpu")
    with torch.no_grad():
        return model(**processor(images=[draw_line("abc")]), decoder_input_ids=torch.tensor([[0, 5, 9]])).logits


def test_a_model_is_weights_configuration_processor_code_and_card(checkpoint, target):
    assert assemble(checkpoint, target, NAME).left_out == []
    configuration = {"config.json", "generation_config.json", "processor_config.json", "tokenizer_config.json"}
    code = {path.name for path in target.glob("*.py")}
    assert names(target) - code == {"model.safetensors", "README.md", *configuration}
    assert {"modeling_trocr_gsa.py", "configuration_trocr_gsa.py", "processing_trocr_gsa.py", "groups.py"} <= code
    assert filecmp.cmp(target / "model.safetensors", checkpoint / "model.safetensors", shallow=False)
    assert json.loads((target / "config.json").read_text())["auto_map"] == {
        "AutoConfig": "configuration_trocr_gsa.TrOCRGSAConfig",
        "AutoModelForImageTextToText": "modeling_trocr_gsa.TrOCRGSAModel",
    }


def test_code_is_added_to_a_model_that_was_saved_without(checkpoint, target, tmp_path):
    old = shutil.copytree(checkpoint, tmp_path / "old", ignore=shutil.ignore_patterns("*.py"))
    config = json.loads((old / "config.json").read_text())
    del config["auto_map"]
    (old / "config.json").write_text(json.dumps(config))
    assemble(old, target, NAME)
    assert json.loads((target / "config.json").read_text())["auto_map"].keys() >= {"AutoConfig"}
    assert (target / "modeling_trocr_gsa.py").exists()


def test_an_adapter_is_weights_configuration_and_card(adapter, target):
    assemble(adapter, target, ON_BASE)
    assert names(target) == {"adapter_model.safetensors", "adapter_config.json", "README.md"}
    assert filecmp.cmp(target / "adapter_model.safetensors", adapter / "adapter_model.safetensors", shallow=False)
    assert json.loads((target / "adapter_config.json").read_text())["base_model_name_or_path"] == "owner/base"


def test_both_load_back(checkpoint, adapter, target, tmp_path):
    assemble(checkpoint, target, NAME)
    assert torch.equal(logits(target), logits(checkpoint))
    published = tmp_path / "published"
    published.mkdir()
    assemble(adapter, published, ON_BASE)
    adapted = logits(target, published)
    assert torch.equal(adapted, logits(checkpoint, adapter))
    assert not torch.allclose(adapted, logits(target), atol=1e-3)


def test_weights_in_several_files_go_with_their_index(checkpoint, target, tmp_path):
    TrOCRGSAModel.from_pretrained(checkpoint).save_pretrained(tmp_path / "parts", max_shard_size="40KB")
    load_reader(checkpoint, device="cpu")[1].save_pretrained(tmp_path / "parts")
    assemble(tmp_path / "parts", target, NAME)
    assert len(list(target.glob("model-*.safetensors"))) > 1
    assert torch.equal(logits(target), logits(checkpoint))


def test_pickles_state_and_strangers_stay_at_home_and_are_named(trained, target):
    (trained / "pytorch_model.bin").write_bytes(b"")
    (trained / "notes.txt").write_text("mine")
    (trained / "runs").mkdir()
    left_out = {line.partition(":")[0]: line for line in assemble(trained, target, NAME).left_out}
    assert left_out.keys() == {"training_state.pt", "pytorch_model.bin", "notes.txt", "runs"}
    assert "optimizer" in left_out["training_state.pt"]
    assert "pickled" in left_out["pytorch_model.bin"]
    assert names(target).isdisjoint(left_out)


def test_a_card_that_is_replaced_is_named(adapter, target):
    """PEFT writes one of its own."""
    (line,) = assemble(adapter, target, ON_BASE).left_out
    assert line.startswith("README.md: replaced")


def test_nothing_names_a_folder_of_this_machine(trained, adapter, target, tmp_path):
    assemble(trained, target, NAME)
    results = json.loads((target / "results.json").read_text())
    assert results["base"] == "best"
    assert results["train"] == ["lines", "owner/dataset"]
    assert results["rows"][0]["name"] == "lines"
    assert results["settings"] == {"learning_rate": 0.002, "rank": 4}
    assert (results["base_sha256"], results["steps"]) == ("0" * 64, 1200)
    published = tmp_path / "published"
    published.mkdir()
    assemble(adapter, published, ON_BASE)
    texts = [
        path.read_text() for folder in (target, published) for path in folder.iterdir() if path.suffix != ".safetensors"
    ]
    for private in ("/home/me", str(tmp_path), str(adapter.parent)):
        assert not any(private in text for text in texts)


@pytest.mark.parametrize(("kind", "weights"), [("checkpoint", "model"), ("adapter", "adapter_model")])
def test_pickled_weights_alone_are_refused(kind, weights, target, tmp_path, request):
    folder = shutil.copytree(request.getfixturevalue(kind), tmp_path / "folder")
    (folder / f"{weights}.safetensors").rename(folder / f"{weights}.bin")
    with pytest.raises(ValueError, match=rf"`folder`.*pickled \({weights}\.bin\).*safetensors"):
        assemble(folder, target, ON_BASE)
    (folder / f"{weights}.bin").unlink()
    with pytest.raises(ValueError, match=rf"`folder`.*no weights \({weights}\.safetensors\)"):
        assemble(folder, target, ON_BASE)
    assert names(target) == set()


def test_an_adapter_without_a_base_on_the_hub_is_refused_with_what_to_do(checkpoint, adapter, target, tmp_path):
    with pytest.raises(ValueError, match=rf"`base`.*{checkpoint}.*Push that model.*--base OWNER/NAME"):
        assemble(adapter, target, NAME)
    with pytest.raises(ValueError, match=r"`base`.*a model that it does not name"):
        assemble(rename_base(adapter, tmp_path / "unnamed", None), target, NAME)
    assert names(target) == set()


def test_an_adapter_that_names_its_base_on_the_hub_needs_no_more(checkpoint, adapter, target, tmp_path, monkeypatch):
    folder = rename_base(adapter, tmp_path / "folder", "owner/base")
    asked = []

    def load(base, adapter, device, trust_remote_code):
        asked.append(base)
        return load_reader(checkpoint, adapter, device)

    monkeypatch.setattr("trocr_gsa.hub.assembling.load_reader", load)
    assemble(folder, target, NAME)
    assert asked == ["owner/base"]
    assert json.loads((target / "adapter_config.json").read_text())["base_model_name_or_path"] == "owner/base"


def test_what_is_neither_is_refused(tmp_path, checkpoint, target):
    with pytest.raises(ValueError, match=r"`folder`: there is no folder"):
        assemble(tmp_path / "nowhere", target, NAME)
    run = tmp_path / "run"
    shutil.copytree(checkpoint, run / "best")
    with pytest.raises(ValueError, match=r"`folder`.*neither a model.*nor an adapter.*Did you mean .*run/best\?"):
        assemble(run, target, NAME)
    (run / "best" / "config.json").write_text('{"model_type": "vision-encoder-decoder"}')
    with pytest.raises(ValueError, match=r"`folder`.*type vision-encoder-decoder.*from_trocr"):
        assemble(run / "best", target, NAME)
    (run / "best" / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"`folder`.*config.json is not valid JSON"):
        assemble(run / "best", target, NAME)


@pytest.mark.parametrize("name", ["name", "a/b/c", "owner/na me", "owner/-name", "", "owner/", "../name", "/owner"])
def test_a_malformed_name_is_refused(name):
    with pytest.raises(ValueError, match=r"`repo_id` must be OWNER/NAME"):
        Statement(name)
    with pytest.raises(ValueError, match=r"`base` must be OWNER/NAME"):
        Statement("owner/name", base=name)


def test_a_statement_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"`repo_id` must be another repository"):
        Statement("owner/name", base="owner/name")
    with pytest.raises(ValueError, match=r"`language`.*German"):
        Statement("owner/name", languages=["German"])
