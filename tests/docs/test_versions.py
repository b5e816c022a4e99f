"""The version is the same wherever it stands, and the package says that it is typed."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_the_newest_heading_of_the_changelog_is_the_version():
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == VERSION
    assert headings == sorted(headings, key=lambda version: [int(part) for part in version.split(".")], reverse=True)


def test_a_citation_names_the_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {VERSION}\n" in citation


def test_type_checkers_are_told_that_the_package_is_typed():
    assert files("trocr_gsa").joinpath("py.typed").is_file()
