"""Every term of the glossary is explained once, and the names beside the terms occur in the code."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| \*\*([^*]+)\*\* \| (.+) \| (`.+`) \|$", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE
)
CODE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "trocr_gsa").rglob("*.py")))


def test_a_term_is_explained_once():
    terms = [term for row in ROWS for term in row[0].split(", ")]
    assert len(terms) >= 30
    assert len(set(terms)) == len(terms)


def test_a_name_beside_a_term_occurs_in_the_code():
    names = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row[2])}
    missing = [name for name in names if not all(re.search(rf"\b{re.escape(part)}\b", CODE) for part in words(name))]
    assert missing == []


def words(name: str) -> list[str]:
    """Return the identifiers of `Class.attribute` or `--option`."""
    return name.removeprefix("--").split(".")
