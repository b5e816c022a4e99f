"""The first table of the evidence: its words and numbers are those of the sections."""

import re

import pytest

from benchmarks.marked_tables import ROOT
from experiments import record, verdicts
from experiments.verdicts import CLAIMS, first_word


def test_every_claim_has_a_row_from_the_results_that_are_kept():
    rows = verdicts.verdicts()
    assert len(rows) == len(CLAIMS)
    for row in rows:
        assert row.word != "not run"
        assert re.search(r"\d", row.number)
        assert "nan" not in row.number
    written = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    for row in rows:
        assert f"| {row.claim} | {row.word} | {row.number} | {row.size} |" in written


def test_a_word_is_that_of_its_section():
    """The section of the page begins with the same word."""
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    for row, (_, _, name, _) in zip(verdicts.verdicts(), CLAIMS, strict=True):
        section = re.search(rf"<!-- {name}: written by .*?-->(.*?)<!-- /{name} -->", page, re.DOTALL)
        if section and name not in ("theorems", "angles", "adapters"):  # these have several verdicts
            assert first_word(section[1]) == row.word


def test_every_link_leads_to_a_heading_or_a_page():
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", line[3:].lower()).replace(" ", "-") for line in page.splitlines() if line[:3] == "## "
    }
    for _, place, _, _ in CLAIMS:
        assert place in headings or (ROOT / "docs" / place).is_file()


def test_a_missing_result_is_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(verdicts, "RESULTS", tmp_path)
    assert {row.word for row in verdicts.verdicts()} == {"not run"}


def test_the_table_is_written_between_its_markers(tmp_path, monkeypatch, capsys):
    page = tmp_path / "evidence.md"
    page.write_text("<!-- verdicts: written by experiments/verdicts.py -->\n<!-- /verdicts -->\n", encoding="utf-8")
    monkeypatch.setattr(verdicts, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["verdicts"])
    verdicts.main()
    assert page.read_text(encoding="utf-8").count("\n| [") == len(CLAIMS)
    assert record.PAGE != page


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("**Supported.** So", "supported"),
        ("**Undecided: rank 4.** x", "undecided"),
        ("**Refuted** (3 seeds)", "refuted"),
    ],
)
def test_the_first_bold_words_are_the_verdict(text, word):
    assert first_word(text) == word


def test_a_text_without_a_verdict_is_refused():
    with pytest.raises(ValueError, match="`text` must contain a verdict"):
        first_word("Nothing in bold.")
