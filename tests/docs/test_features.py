"""Every test that the table of features names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!feature |---)(.+) \| (.+) \|$", PAGE, re.MULTILINE)


def is_there(name: str) -> bool:
    path, _, test = name.partition("::")
    file = ROOT / "tests" / path
    pattern = rf"^(async )?def {re.escape(test)}\("
    return file.is_file() and re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE) is not None


def test_every_feature_names_tests_that_exist():
    assert len(ROWS) >= 50
    named = [name for _, tests in ROWS for name in re.findall(r"`([^`]+)`", tests)]
    assert all(re.fullmatch(r"`[^`]+`(, `[^`]+`)*", tests) for _, tests in ROWS)
    assert [name for name in named if not is_there(name)] == []


def test_a_feature_is_named_once():
    assert len({tests for _, tests in ROWS}) == len(ROWS)


def test_a_test_that_does_not_exist_would_be_seen():
    """The control."""
    assert not is_there("docs/test_features.py::test_every_feature")
    assert not is_there("docs/test_feature.py::test_every_feature_names_tests_that_exist")
