"""A configuration is found by its name, wherever a command is started."""

import pytest

from trocr_gsa.train.arguments import TrainingArguments, read_config
from trocr_gsa.train.packaged_configs import FOLDER, find_config

LINES = ["train=lines/", "validation=lines/"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder without configurations."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["lora_few_lines", "lora_few_lines.yaml"])
def test_a_packaged_configuration_is_found_by_its_name(name, caplog):
    assert find_config(name) == FOLDER / "lora_few_lines.yaml"
    assert read_config(name) == read_config(FOLDER / "lora_few_lines.yaml")
    assert TrainingArguments.from_command_line([name, "train=lines/", "rank=3"]).rank == 3
    assert caplog.text == ""


@pytest.mark.parametrize("former", ["configs/lora_hand.yaml", "clone/configs/lora_hand.yaml", "../configs/lora_hand"])
def test_where_configurations_lay_before_is_understood_and_said(former, caplog):
    assert TrainingArguments.from_command_line([former, *LINES]).output == "runs/lora_hand"
    assert former in caplog.text
    assert str(FOLDER / "lora_hand.yaml") in caplog.text


@pytest.mark.parametrize("name", ["lora_hand", "lora_hand.yaml", "configs/lora_hand.yaml"])
def test_a_file_that_is_there_wins(name, elsewhere, caplog):
    (elsewhere / "configs").mkdir()
    (elsewhere / name).write_text("rank: 3\n")
    assert read_config(name) == {"rank": 3}
    assert caplog.text == ""


def test_a_folder_of_the_name_is_no_configuration(elsewhere):
    (elsewhere / "lora_hand").mkdir()
    assert find_config("lora_hand") == FOLDER / "lora_hand.yaml"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("lora_foot", "`lora_hand`"),
        ("lora_few_line.yaml", "`lora_few_lines`"),
        ("configs/lora_hnad.yaml", "`lora_hand`"),
        ("mine/lora_hand.yaml", "`lora_hand`"),
        ("zzz", "`full_finetune`"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(ValueError, match=r"^`config`: there is no file ") as refused:
        read_config(name)
    assert name in str(refused.value)
    assert near in str(refused.value)


def test_paths_in_a_packaged_configuration_start_where_the_command_does():
    """`output: runs/lora_hand` and `validation: prepared/…` were never meant beside the file."""
    assert TrainingArguments.from_command_line(["reader_hands"]).validation[0].startswith("prepared/")
    assert TrainingArguments.from_command_line(["lora_hand", *LINES]).output == "runs/lora_hand"
