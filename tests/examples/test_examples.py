"""The programs in examples/ run, on a reader of some thousand weights, and each fits on a screen."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch
from page_makers import make_folder
from standin_hub import hub_on_this_machine
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa import TrOCRGSAModel

FOLDER = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))
MOST_LINES = 60
TEXTS = ["abc", "de", "fgh", "ij", "klm", "no"]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    for index, text in enumerate(TEXTS):
        draw_line(text).save(folder / f"{index}.png")
        (folder / f"{index}.gt.txt").write_text(text)
    return folder


def weights(folder: Path) -> torch.Tensor:
    return TrOCRGSAModel.from_pretrained(folder).encoder.layers[-1].mlp.fc1.weight


def test_every_program_is_run_here():
    tests = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in PROGRAMS if f'load("{name}")' not in tests] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_short_and_opens_with_its_command(name):
    program = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert len(program.splitlines()) <= MOST_LINES
    assert re.search(rf"^(python|accelerate launch) examples/{name}\.py", program, re.MULTILINE)


def test_lines_are_listed_with_the_least_certain_first(checkpoint, lines, tmp_path, capsys):
    for image in lines.glob("*.png"):
        (tmp_path / image.name).write_bytes(image.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    load("read_lines").main(tmp_path, model=str(checkpoint))
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(TEXTS) + 1
    shares = [int(share) for share in re.findall(r"(\d+)%", "\n".join(printed))]
    assert shares == sorted(shares)
    assert any("broken.png" in line and "%" not in line for line in printed)


def test_pages_are_read_into_text_files(checkpoint, tmp_path, capsys):
    make_folder(tmp_path, "page", [["abc", "de"], ["fgh"]])
    load("read_pages").main(tmp_path, model=str(checkpoint))
    written = list(tmp_path.rglob("*.txt"))
    assert written
    assert all(path.with_suffix(".xml").is_file() for path in written)
    assert "lines" in capsys.readouterr().out


def test_a_group_of_ones_own_is_respected_and_the_control_is_not(capsys):
    load("own_group").main()
    layer, control, encoder = (float(line.rsplit(" ", 1)[1]) for line in capsys.readouterr().out.splitlines())
    assert max(layer, encoder) < 1e-12
    assert control > 1e-3


@pytest.mark.filterwarnings("ignore:.*pin_memory:UserWarning")  # of the loader, where there is no accelerator
def test_the_trainer_fine_tunes_and_measures(checkpoint, lines, tmp_path, capsys):
    load("seq2seq_trainer").main(lines, tmp_path, lines, str(checkpoint), steps=2)
    assert re.search(r"CER \d+\.\d%", capsys.readouterr().out)
    assert not torch.equal(weights(tmp_path / "last"), weights(checkpoint))


def test_the_loop_fine_tunes(checkpoint, lines, tmp_path, capsys):
    load("accelerate_loop").main(lines, tmp_path, str(checkpoint), epochs=3, batch_size=4)
    losses = [float(loss) for loss in re.findall(r"loss (\d+\.\d+)", capsys.readouterr().out)]
    assert losses[-1] < losses[0]
    assert not torch.equal(weights(tmp_path), weights(checkpoint))


def test_an_adapter_is_trained_published_and_loaded_again(checkpoint, lines, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with hub_on_this_machine(monkeypatch) as hub:
        load("adapter_on_hub").main(lines, "owner/hand", str(checkpoint), epochs=2)
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(hub.files["owner/hand"])
    assert len(list(tmp_path.rglob("adapter_model.safetensors"))) == 1  # downloaded again
    assert len(re.findall(r"loss \d", capsys.readouterr().out)) == 2
