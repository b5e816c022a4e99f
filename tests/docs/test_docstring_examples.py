"""The examples in docstrings run, and print what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOW = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PROMPT = ">>> "


def modules_with_examples() -> list[str]:
    """Return the names of the modules that show a prompt; others need not be imported."""
    paths = sorted((ROOT / "trocr_gsa").rglob("*.py"))
    shown = [path for path in paths if PROMPT in path.read_text(encoding="utf-8")]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in shown]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)  # where docs/line.png is
    monkeypatch.setattr("trocr_gsa.model.groups._registered", {})
    result = doctest.testmod(importlib.import_module(name), optionflags=HOW)
    assert result.attempted > 0
    assert result.failed == 0


def test_an_example_that_prints_something_else_would_be_seen():
    """The control."""
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(optionflags=HOW).run(test, out=lambda _: None).failed == 1


def test_the_api_page_shows_every_public_name():
    import trocr_gsa

    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [name for name in trocr_gsa.__all__ if f":: trocr_gsa.{name}\n" not in page] == []
