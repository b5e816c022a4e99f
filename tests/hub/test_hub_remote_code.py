"""What is saved carries its code: it loads where this package is not, and computes the same."""

import shutil
import subprocess
import sys

import pytest
import torch
from tiny_checkpoint import NARROW, draw_line, save_checkpoint
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, ByT5Tokenizer

from trocr_gsa import GSANetModel, SquareImageProcessor, TrOCRGSAConfig, TrOCRGSAModel, TrOCRGSAProcessor
from trocr_gsa.reader import load_reader

BLOCK = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "trocr_gsa":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
LOAD = """
import warnings
import torch
from peft import PeftModel
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageTextToText, AutoProcessor

folder, encoder, square, adapter, again, result = sys.argv[1:]
trust = {"trust_remote_code": True}
try:
    AutoConfig.from_pretrained(folder)
    refusal = ""
except ValueError as error:
    refusal = str(error)
untrusted = [name for name in sys.modules if name.startswith("transformers_modules")]
config = AutoConfig.from_pretrained(folder, **trust)
processor = AutoProcessor.from_pretrained(folder, **trust)
model, loading = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True, **trust)
image, letters = Image.open(f"{folder}/line.png"), torch.tensor([[0, 5, 9]])
batch = dict(processor(images=[image], text=["fſ"]))
pictures = {key: value for key, value in batch.items() if key != "labels"}

def logits(model):
    with torch.no_grad():
        return model(**pictures, decoder_input_ids=letters).logits

found = {
    "refusal": refusal,
    "untrusted": untrusted,
    "modules": [type(part).__module__ for part in (config, model, model.encoder, processor, processor.image_processor)],
    "absent": "trocr_gsa" not in sys.modules,
    "missing": sorted(loading["missing_keys"]),
    "group": config.encoder.group,
    "batch": batch,
    "logits": logits(model),
    "letters": model.generate(**pictures, num_beams=2, max_new_tokens=6),
    "from_config": type(AutoModelForImageTextToText.from_config(config, **trust)).__name__,
    "encoder": AutoModel.from_pretrained(encoder, **trust)(**pictures).last_hidden_state.detach(),
    "square": AutoProcessor.from_pretrained(square, **trust)(images=[image])["pixel_values"],
    "square_alone": AutoImageProcessor.from_pretrained(square, **trust)(images=[image])["pixel_values"],
}
model.save_pretrained(again)
processor.save_pretrained(again)
found["again"] = logits(AutoModelForImageTextToText.from_pretrained(again, **trust))
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # PEFT asks for it
found["adapted"] = logits(PeftModel.from_pretrained(model, adapter).get_base_model())
torch.save(found, result)
"""


@pytest.fixture(scope="module")
def folders(checkpoint, tmp_path_factory):
    """A reader, an encoder alone with a narrow pose stage, and a processor of square pictures."""
    place = tmp_path_factory.mktemp("folders")
    shutil.copytree(checkpoint, place / "reader")
    draw_line("abc").save(place / "reader" / "line.png")
    narrow = save_checkpoint(place / "narrow", **NARROW)
    TrOCRGSAModel.from_pretrained(narrow).encoder.save_pretrained(place / "encoder")
    TrOCRGSAProcessor(SquareImageProcessor(), ByT5Tokenizer(extra_ids=0)).save_pretrained(place / "square")
    return place


@pytest.fixture(scope="module")
def elsewhere(folders, adapter, tmp_path_factory):
    """What a process found that cannot import `trocr_gsa`, and where warnings are errors."""
    place = tmp_path_factory.mktemp("elsewhere")
    words = [folders / "reader", folders / "encoder", folders / "square", adapter, place / "again", place / "result"]
    environment = {"HF_MODULES_CACHE": str(place / "modules"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-W", "error", "-c", BLOCK + LOAD, *map(str, words)]
    ran = subprocess.run(
        command, env=environment, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return torch.load(place / "result")


@pytest.fixture(scope="module")
def here(folders, checkpoint, adapter):
    model, processor = load_reader(checkpoint, device="cpu")
    batch = dict(processor(images=[draw_line("abc")], text=["fſ"]))
    pictures = {key: value for key, value in batch.items() if key != "labels"}
    letters = torch.tensor([[0, 5, 9]])
    adapted = load_reader(checkpoint, adapter, "cpu")[0].get_base_model()
    with torch.no_grad():
        return {
            "batch": batch,
            "logits": model(**pictures, decoder_input_ids=letters).logits,
            "letters": model.generate(**pictures, num_beams=2, max_new_tokens=6),
            "encoder": GSANetModel.from_pretrained(folders / "encoder")(**pictures).last_hidden_state,
            "square": SquareImageProcessor()(images=[draw_line("abc")])["pixel_values"],
            "adapted": adapted(**pictures, decoder_input_ids=letters).logits,
        }


def test_every_part_comes_from_the_folder(elsewhere):
    assert elsewhere["absent"]
    assert all(module.startswith("transformers_modules.") for module in elsewhere["modules"])
    assert elsewhere["missing"] == []
    assert elsewhere["group"] == "C4"
    assert elsewhere["from_config"] == "TrOCRGSAModel"


@pytest.mark.parametrize("what", ["logits", "encoder", "adapted"])
def test_it_computes_the_same_elsewhere(elsewhere, here, what):
    assert torch.allclose(elsewhere[what], here[what], rtol=1e-5, atol=1e-5)


def test_it_reads_the_same_elsewhere(elsewhere, here):
    assert torch.equal(elsewhere["letters"], here["letters"])


def test_pictures_and_texts_are_prepared_the_same_elsewhere(elsewhere, here):
    assert elsewhere["batch"].keys() == here["batch"].keys()
    assert all(torch.equal(elsewhere["batch"][key], value) for key, value in here["batch"].items())
    assert torch.equal(elsewhere["square"], here["square"])
    assert torch.equal(elsewhere["square_alone"], here["square"])


def test_what_is_saved_elsewhere_loads_there_again(elsewhere):
    assert torch.allclose(elsewhere["again"], elsewhere["logits"], rtol=1e-5, atol=1e-5)


def test_an_adapter_matters_elsewhere_too(elsewhere):
    """The control."""
    assert not torch.allclose(elsewhere["adapted"], elsewhere["logits"], atol=1e-3)


def test_without_trust_no_code_runs_elsewhere(elsewhere):
    """The control: without the code nothing loads."""
    assert "trust_remote_code=True" in elsewhere["refusal"]
    assert elsewhere["untrusted"] == []


@pytest.mark.parametrize("trust", [{}, {"trust_remote_code": True}])
def test_here_the_installed_code_is_taken_without_a_question(folders, trust, monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail(question))
    folder = folders / "reader"
    assert type(AutoConfig.from_pretrained(folder, **trust)) is TrOCRGSAConfig
    assert type(AutoModelForImageTextToText.from_pretrained(folder, **trust)) is TrOCRGSAModel
    assert type(AutoProcessor.from_pretrained(folder, **trust)) is TrOCRGSAProcessor
    square = AutoProcessor.from_pretrained(folders / "square", **trust)
    assert type(square.image_processor) is SquareImageProcessor
    assert "code" not in capsys.readouterr().err


def test_a_folder_from_before_it_carried_code_loads_as_ever(checkpoint, tmp_path):
    old = save_checkpoint(tmp_path / "old")
    for path in old.glob("*.py"):
        path.unlink()
    model, _ = load_reader(old, device="cpu")
    assert type(model) is TrOCRGSAModel
