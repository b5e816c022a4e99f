"""A saved reader is the same reader: in another process, in half precision, through the Auto classes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_models import PAD, PATCH, decoder_config, encoder_config, noise, tiny_reader
from transformers import AutoModelForImageTextToText, AutoProcessor, ByT5Tokenizer

from trocr_gsa import TrOCRGSAConfig, TrOCRGSAImageProcessor, TrOCRGSAModel, TrOCRGSAProcessor

READ = """
import sys
import torch
import trocr_gsa
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

folder = sys.argv[1]
model, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
batch = processor(images=[Image.open(f"{folder}/line.png")], text=["ſo"])
labels = batch.pop("labels")
batch["pixel_values"] = batch["pixel_values"].double()
with torch.no_grad():
    out = model(**batch, labels=labels.clamp_max(19), pose_labels=torch.tensor([1]))
result = {
    "names": [type(model).__name__, type(processor).__name__],
    "inputs": dict(batch) | {"labels": labels},
    "weights": model.state_dict(),
    "outputs": {name: out[name] for name in ("loss", "logits", "ctc_logits", "pose_logits")},
    "text": model.generate(**batch, num_beams=2, max_new_tokens=5, min_new_tokens=5),
    "settings": [model.config.ctc_loss_weight, processor.image_processor.line_height],
}
torch.save(result, sys.argv[2])
"""


def read_in_another_process(folder, result) -> None:
    subprocess.run([sys.executable, "-c", READ, str(folder), str(result)], check=True, cwd=Path(__file__).parents[2])


def read_in_this_process(folder, result) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["-c", str(folder), str(result)])
        exec(READ, {"__name__": "__main__"})


@pytest.fixture
def stored(tmp_path):
    """A reader, its processor and a line in one folder, and the reader."""
    model = tiny_reader(ctc_steps_per_patch=2, group="C4")
    model.save_pretrained(tmp_path / "reader")
    processor = TrOCRGSAProcessor(TrOCRGSAImageProcessor(line_height=8, patch_size=PATCH), ByT5Tokenizer(extra_ids=0))
    processor.save_pretrained(tmp_path / "reader")
    pixels = torch.randint(0, 256, (20, 60), dtype=torch.uint8).numpy()
    Image.fromarray(pixels).save(tmp_path / "reader" / "line.png")
    return tmp_path / "reader", model


def same(a, b) -> bool:
    """Bit for bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize("read", [read_in_this_process, pytest.param(read_in_another_process, marks=pytest.mark.slow)])
def test_a_program_loads_the_same_weights_and_reads_the_same_bits(stored, tmp_path, read):
    folder, model = stored
    read(folder, tmp_path / "result")
    there = torch.load(tmp_path / "result")
    assert there["names"] == ["TrOCRGSAModel", "TrOCRGSAProcessor"]
    assert there["settings"] == [0.7, 8]
    assert same(there["weights"], dict(model.state_dict()))

    here, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    batch = processor(images=[Image.open(folder / "line.png")], text=["ſo"])
    batch["pixel_values"] = batch["pixel_values"].double()
    assert same(there["inputs"], dict(batch))
    labels = batch.pop("labels").clamp_max(19)
    for reader, tolerance in (
        (here, 0.0),
        (model, 1e-6),
    ):  # unsaved weights lie elsewhere in memory and round otherwise
        out = reader(**batch, labels=labels, pose_labels=torch.tensor([1]))
        assert all((out[name] - value).abs().max() <= tolerance for name, value in there["outputs"].items())
        text = reader.generate(**batch, num_beams=2, max_new_tokens=5, min_new_tokens=5)
        assert torch.equal(text, there["text"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_saved_in_half_precision_are_read_in_any(dtype, tmp_path):
    config = TrOCRGSAConfig.from_encoder_decoder_configs(
        encoder_config(group="C4"), decoder_config(), ctc_steps_per_patch=2
    )
    model = TrOCRGSAModel(config).eval().to(dtype)
    model.save_pretrained(tmp_path)
    images, letters = noise(2, 4).float(), torch.tensor([[PAD, 5, 6]])
    as_saved, single = (
        TrOCRGSAModel.from_pretrained(tmp_path),
        TrOCRGSAModel.from_pretrained(tmp_path, dtype=torch.float32),
    )
    assert as_saved.dtype == dtype
    assert single.dtype == torch.float32
    assert same(dict(as_saved.state_dict()), dict(model.state_dict()))
    assert same(dict(single.state_dict()), {name: weight.float() for name, weight in model.state_dict().items()})
    fine, coarse = (reader(pixel_values=images, decoder_input_ids=letters).logits for reader in (single, as_saved))
    assert (fine - coarse).abs().max() < 0.05 * fine.abs().max()
    assert as_saved.generate(pixel_values=images, max_new_tokens=3).shape[0] == 1


def test_attention_is_chosen_when_loading(stored):
    folder, _ = stored
    for implementation in ("sdpa", "eager"):
        model = TrOCRGSAModel.from_pretrained(
            folder, attn_implementation={"encoder": implementation, "decoder": "eager"}
        )
        model(pixel_values=noise(1, 2), decoder_input_ids=torch.tensor([[PAD]]))
        assert model.encoder.lifting.attention.attn_implementation == implementation


def test_a_checkpoint_of_another_group_does_not_fit(stored):
    folder, _ = stored
    config = TrOCRGSAConfig.from_pretrained(folder)
    config.encoder.group = "D4"
    with pytest.raises(RuntimeError, match="mismatch"):
        TrOCRGSAModel.from_pretrained(folder, config=config)


def test_an_untrained_reader_is_the_same_for_the_same_seed_and_all_its_numbers_are_finite():
    config = TrOCRGSAConfig.from_encoder_decoder_configs(
        encoder_config(group="D4"), decoder_config(), ctc_steps_per_patch=2
    )
    twins = []
    for _ in range(2):
        torch.manual_seed(3)
        twins.append(dict(TrOCRGSAModel(config).state_dict()))
    assert same(*twins)
    assert all(weight.isfinite().all() for weight in twins[0].values())
