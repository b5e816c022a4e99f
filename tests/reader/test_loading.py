"""Loading: parts that belong together are taken, all others refused with one sentence."""

import json
import shutil

import pytest
import torch
from slow_cases import others_slow
from stock_trocr import make_stock_model
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.checkpoints.models import load_model
from trocr_gsa.reader import LineReader, load_reader

PICTURES = [draw_line("abc", 40), draw_line("defghijk", 90)]


@pytest.fixture(scope="module")
def adapter(checkpoint, tmp_path_factory):
    return save_adapter(checkpoint, tmp_path_factory.mktemp("adapter"))


def test_the_packaged_checkpoint_is_the_default(checkpoint, reader, monkeypatch):
    monkeypatch.setattr("trocr_gsa.checkpoints.models.PACKAGED_CHECKPOINT", checkpoint)
    assert LineReader.from_pretrained(device="cpu").read(PICTURES) == reader.read(PICTURES)


@pytest.mark.parametrize("arguments", [{"path": 3}, {"adapter": 3}, {"adapter": ["fr"]}, {"adapter": {"a": None}}])
def test_what_is_neither_a_path_nor_a_name_is_an_error(arguments):
    (field,) = arguments
    with pytest.raises(ValueError, match=f"`{field}` must be a folder"):
        LineReader.from_pretrained(**arguments)


def test_half_precision_weights_are_put_to_work_in_single(tmp_path):
    reader = LineReader.from_pretrained(save_checkpoint(tmp_path, torch.float16), device="cpu")
    assert {weight.dtype for weight in reader.model.parameters()} == {torch.float32}
    assert reader.read(PICTURES)[0].error is None


def test_an_adapter_changes_what_is_read_and_is_merged(checkpoint, adapter, reader):
    adapted = LineReader.from_pretrained(checkpoint, adapter, device="cpu")
    assert [line.text for line in adapted.read(PICTURES)] != [line.text for line in reader.read(PICTURES)]
    assert not any("lora" in name for name, _ in adapted.model.named_modules())


def test_a_merged_adapter_reads_as_the_adapter_does(checkpoint, adapter):
    merged = LineReader.from_pretrained(checkpoint, adapter, device="cpu").model
    adapted, processor = load_reader(checkpoint, adapter, "cpu")
    inputs = processor(images=PICTURES)
    letters = torch.tensor([[0, 5, 9]]).expand(2, -1)
    with torch.inference_mode():
        expected = adapted.get_base_model()(**inputs, decoder_input_ids=letters).logits
        assert torch.allclose(merged(**inputs, decoder_input_ids=letters).logits, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("keep", others_slow([1.0, 0.5], 0.5))
def test_a_reader_stays_what_it_was_when_its_files_are_written_over(checkpoint, adapter, tmp_path, keep):
    """Mapped into the memory, they would read other texts, or end the process where the file has become shorter."""
    copied = shutil.copytree(checkpoint, tmp_path / "model"), shutil.copytree(adapter, tmp_path / "adapter")
    for readers in ((copied[0],), copied, (copied[0], {"one": copied[1]})):
        reader = LineReader.from_pretrained(*readers, device="cpu")
        before = reader.read(PICTURES)
        for path in (each for folder in copied for each in folder.glob("*.safetensors")):
            whole = path.read_bytes()
            path.write_bytes(bytes(int(keep * len(whole))))
            after = reader.read(PICTURES)
            path.write_bytes(whole)
            assert after == before


def test_an_adapter_that_went_along_with_a_copy_of_its_model_is_taken(checkpoint, adapter, tmp_path):
    moved = shutil.copytree(checkpoint, tmp_path / "moved")
    assert LineReader.from_pretrained(moved, adapter, device="cpu").read(PICTURES)[0].error is None


@pytest.mark.parametrize(
    "sizes",
    [{}, {"encoder_hidden_size": 48}, {"encoder_num_hidden_layers": 3}, {"decoder_layers": 2}],
    ids=["other weights", "wider", "deeper encoder", "deeper decoder"],
)
def test_an_adapter_of_another_model_is_refused_with_both_names(checkpoint, adapter, tmp_path, sizes):
    other = save_checkpoint(tmp_path, torch.float16 if not sizes else torch.float32, **sizes)
    with pytest.raises(ValueError, match="`adapter`") as error:
        LineReader.from_pretrained(other, adapter, device="cpu")
    for name in (adapter, checkpoint, other):
        assert str(name) in str(error.value)


@pytest.mark.parametrize("layers", [1, 3])
def test_where_no_model_is_named_the_modules_decide(checkpoint, tmp_path, layers):
    """An adapter of two layers fits neither one layer nor three."""
    adapter = save_adapter(checkpoint, tmp_path / "adapter", named=False)
    other = save_checkpoint(tmp_path / "other", encoder_num_hidden_layers=layers)
    with pytest.raises(ValueError, match="`adapter`"):
        LineReader.from_pretrained(other, adapter, device="cpu")


def test_two_names_on_the_hub_are_two_models(checkpoint, adapter, tmp_path, monkeypatch):
    elsewhere = shutil.copytree(adapter, tmp_path / "adapter")
    config = json.loads((elsewhere / "adapter_config.json").read_text())
    (elsewhere / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "owner/one"}))
    LineReader.from_pretrained(checkpoint, elsewhere, device="cpu")  # the model may well be a download of owner/one
    model, processor = load_model(str(checkpoint))
    model.name_or_path = "owner/other"
    monkeypatch.setattr("trocr_gsa.checkpoints.loading.load_model", lambda *_: (model, processor))
    with pytest.raises(ValueError, match=r"owner/one, not on owner/other"):
        LineReader.from_pretrained("owner/other", elsewhere, device="cpu")


def test_an_adapter_given_as_a_model_is_told_apart(adapter):
    with pytest.raises(ValueError, match=r"`model`.* is an adapter"):
        LineReader.from_pretrained(adapter, device="cpu")


def test_an_export_given_as_a_model_is_told_apart(tmp_path):
    (tmp_path / "encoder.onnx").touch()
    with pytest.raises(ValueError, match=r"`model`.* is an export"):
        LineReader.from_pretrained(tmp_path, device="cpu")


def test_a_model_given_as_an_adapter_is_told_apart(checkpoint):
    with pytest.raises(ValueError, match=r"`adapter`.* holds no adapter"):
        LineReader.from_pretrained(checkpoint, checkpoint, device="cpu")


@pytest.mark.parametrize("path", ["/nowhere/at/all", "./nowhere", "nowhere"])
@pytest.mark.parametrize("field", ["model", "adapter"])
def test_a_missing_folder_is_named(checkpoint, path, field):
    parts = (path,) if field == "model" else (checkpoint, path)
    with pytest.raises(ValueError, match=f"`{field}`: there is no folder {path}"):
        LineReader.from_pretrained(*parts, device="cpu")


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"`model`.*{tmp_path}"):
        LineReader.from_pretrained(tmp_path, device="cpu")


@pytest.mark.parametrize("group", ["C1", "C2", "D4", "C8"])
def test_a_checkpoint_of_another_group_is_refused(checkpoint, tmp_path, group):
    other = shutil.copytree(checkpoint, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["encoder"]["group"] = group
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=rf"`model`.*{group}"):
        LineReader.from_pretrained(other, device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_asking_for_cuda_without_it_says_so(checkpoint):
    with pytest.raises(ValueError, match="`device` cuda is not available"):
        LineReader.from_pretrained(checkpoint, device="cuda")


def test_a_device_of_no_kind_is_an_error(checkpoint):
    with pytest.raises(ValueError, match="`device` abacus"):
        LineReader.from_pretrained(checkpoint, device="abacus")


def test_a_stock_trocr_is_sent_to_be_converted(tmp_path):
    make_stock_model(tmp_path, "base-printed")
    with pytest.raises(ValueError, match=r"`model`.*trocr-gsa convert"):
        load_reader(tmp_path)
