"""What version 0.1.0 wrote, and how it was called, still works.

The files in `version_0_1_0` were written by that version, a tiny reader with random weights and its adapter among them;
`readings.json` is what it read with them.
"""

import importlib
import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.exceptions import TyperException
from typer.main import get_command

from trocr_gsa import LineReader
from trocr_gsa.cli.app import app
from trocr_gsa.data import open_source
from trocr_gsa.data.formats import find_format
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune

THEN = Path(__file__).parent / "version_0_1_0"
COMMANDS = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
COMMAND_LINES = (THEN / "command_lines.txt").read_text(encoding="utf-8").splitlines()
CONFIGURATIONS = sorted((THEN / "configs").glob("*.yaml"))
OPTIONS = json.loads((THEN / "options.json").read_text(encoding="utf-8"))
READINGS = json.loads((THEN / "readings.json").read_text(encoding="utf-8"))
PACKAGED_ADAPTERS = ["de-fraktur-19", "fr-hand-19", "peraire"]
ELSEWHERE = {  # public names by the modules that README and documentation imported them from
    "trocr_gsa": "GSANetConfig GSANetForImageClassification GSANetModel GroupSelfAttention LiftingSelfAttention "
    "LineReader PointGroup SquareImageProcessor TrOCRGSAConfig TrOCRGSAImageProcessor TrOCRGSAModel TrOCRGSAProcessor "
    "equivariance_error lora_config",
    "trocr_gsa.equivariance": "assert_equivariant equivariance_error turn_placed_field turn_poses",
    "trocr_gsa.model.encoding": "grid_positions",
    "trocr_gsa.data": "LineSample open_source",
}


def parse(line: str) -> None:
    """Have a command line understood, without running it."""
    _, command, *words = shlex.split(line)
    context = COMMANDS[command].make_context(command, list(words))  # it takes words out of its list
    find_format(context.params.get("format") or "text")
    if command == "finetune":
        TrainingArguments.from_command_line(words)


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_command_line_is_understood(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there is no folder configs/
    parse(line)


@pytest.mark.parametrize("line", ["trocr-gsa transcribe scans/", "trocr-gsa read scans/ --fromat text"])
def test_a_command_line_that_never_worked_is_refused(line):
    """The control."""
    with pytest.raises((KeyError, ValueError, TyperException)):
        parse(line)


@pytest.mark.parametrize("command", OPTIONS)
def test_a_command_still_has_its_options(command):
    options = {option for parameter in COMMANDS[command].params for option in parameter.opts}
    assert set(OPTIONS[command]) - options == set()


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_a_configuration_is_read_with_every_value(path):
    arguments = TrainingArguments.from_command_line([str(path), "train=my_lines/", "validation=my_lines/"])
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    values = arguments.to_dict()
    own = {key: value for key, value in written.items() if key not in ("train", "validation", "architecture")}
    assert {key: values[key] for key in own} == own


def test_the_defaults_of_a_training_are_what_they_were():
    then = yaml.safe_load((THEN / "configs" / "every_key.yaml").read_text(encoding="utf-8"))
    now = TrainingArguments(train=then["train"]).to_dict()
    assert {key: now.get(key) for key in then} == then | {"train": now["train"]}


@pytest.fixture(scope="module", params=[None, "adapter"])
def reader(request, tmp_path_factory) -> LineReader:
    """The reader, alone and with its adapter, from another path than then."""
    folder = shutil.copytree(THEN, tmp_path_factory.mktemp("kept") / "version_0_1_0")
    adapter = request.param and folder / request.param
    reader = LineReader.from_pretrained(folder / "reader", adapter, device="cpu")
    reader.merged_adapter = request.param
    return reader


@pytest.mark.parametrize("turn", [0, 90])
def test_a_checkpoint_and_its_adapter_read_what_they_read_then(reader, turn):
    """Told the pose, as then the decoder compared poses: this reader is untrained, and in doubt about every line."""
    for then in [reading for reading in READINGS if reading["adapter"] == reader.merged_adapter]:
        picture = Image.open(THEN / "lines" / then["file"]).rotate(turn, expand=True)
        pose = (then["orientation"] + turn) % 360
        (line,) = reader.read([picture], {pose: 1.0}, num_beams=then["beams"])
        assert line.text == then["text"]
        assert line.confidence == pytest.approx(then["confidence"], abs=1e-4)
        assert line.orientation == pose


def test_the_readings_of_then_differ_from_each_other():
    """The control: a reader that wrote the same for every line would be compared with nothing."""
    assert len({reading["text"] for reading in READINGS}) > len(READINGS) / 2


RUN = ["model=reader", "train=lines", "validation=lines", "output=run", "targets=decoder", "rank=1", "ema=0.9"]
RUN += ["warmup_steps=1", "batch_patches=64", "eval_every=2", "max_steps=4", "--resume"]


def test_a_run_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(THEN, tmp_path / "kept"))
    assert finetune(TrainingArguments.from_command_line(RUN)).step == 4
    logged = [json.loads(line)["step"] for line in Path("run/log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert logged == [2, 4]


@pytest.mark.parametrize("word", ["rank=2", "learning_rate=0.1", "cooldown=0.5"])
def test_a_run_does_not_go_on_with_other_settings(tmp_path, monkeypatch, word):
    """The control; version 0.1.0 had no `cooldown`."""
    monkeypatch.chdir(shutil.copytree(THEN, tmp_path / "kept"))
    with pytest.raises(ValueError, match=f"^`{word.partition('=')[0]}` is .* was started with"):
        finetune(TrainingArguments.from_command_line([*RUN, word]))


def test_a_compiled_file_is_read():
    lines = open_source(str(THEN / "lines.parquet"), "train")
    assert sorted(lines[index].text for index in range(len(lines))) == ["and me", "read me"]
    assert lines.problems == []


def test_the_packaged_adapters_belong_to_the_packaged_reader():
    reader = LineReader.from_pretrained(adapter={name: name for name in PACKAGED_ADAPTERS}, device="cpu")
    assert reader.adapters == PACKAGED_ADAPTERS


@pytest.mark.parametrize("module", ELSEWHERE)
def test_public_names_are_found_where_they_were(module):
    found = importlib.import_module(module)
    assert [name for name in ELSEWHERE[module].split() if not hasattr(found, name)] == []
