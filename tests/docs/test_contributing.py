"""What CONTRIBUTING.md names is there, and its floors are those of the layout test."""

import re
from pathlib import Path

from trocr_gsa.data import formats
from trocr_gsa.model import groups, modeling_trocr_gsa

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^\d\. (.*(?:\n   .*)*)", GUIDE, re.MULTILINE)


def test_a_file_that_is_named_is_there():
    named = re.findall(r"`((?:trocr_gsa|tests|docs)/[\w/.]*)`", GUIDE)
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_folders_are_listed_in_the_order_of_the_floors():
    (floors,) = re.findall(r'FLOORS = "([^"]+)"', (ROOT / "tests" / "test_layout.py").read_text(encoding="utf-8"))
    table = re.findall(r"^\| (`.+?) \|", GUIDE, re.MULTILINE)
    listed = [name.strip("`/").removesuffix(".py") for row in table for name in row.split(", ")]
    assert [name for name in listed if name in floors.split()] == floors.split()


def test_an_extension_touches_at_most_three_files():
    assert len(STEPS) <= 15
    assert {name for step in STEPS for name in re.findall(r"^`(trocr_gsa/[\w/]+\.py)`", step)} >= {
        "trocr_gsa/model/groups.py", "trocr_gsa/data/sources.py", "trocr_gsa/data/formats.py", "trocr_gsa/cli/app.py",
    }  # fmt: skip


def test_what_has_to_be_added_to_is_where_the_guide_says():
    assert callable(groups.register_group)
    assert "csv" in formats.FORMATS
    assert "ctc_loss" in modeling_trocr_gsa.LOSSES
