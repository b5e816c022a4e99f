"""`trocr-gsa evaluate --normalize`: habits of transcription are folded, and it is said how."""

import html
import json
import re

import pytest
from tiny_checkpoint import draw_line

from trocr_gsa.data.samples import clean_text
from trocr_gsa.reader import LineReader


@pytest.fixture
def habits(checkpoint, tmp_path):
    """Lines whose texts are what is read, but for habits: `^` before the first, ¬ in place of - behind the second."""
    reader = LineReader.from_pretrained(checkpoint, device="cpu")
    pictures = [draw_line("abcdefgh"[:size], 30 + 8 * size) for size in range(2, 9)]
    read = [(picture, line.text) for picture, line in zip(pictures, reader.read(pictures), strict=True)]
    (one, text), (other, _) = [(picture, text) for picture, text in read if text and clean_text(text) == text][:2]
    folder = tmp_path / "habits" / "test"
    folder.mkdir(parents=True)
    one.save(folder / "one.png")
    other.save(folder / "other.png")
    rows = [{"file_name": "one.png", "text": f"^{text}"}, {"file_name": "other.png", "text": "„ſo“ —"}]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder.parent


def numbers(call, habits, tmp_path, *words):
    file = tmp_path / "numbers.json"
    result = call("evaluate", habits, "--angles", "0", "--json", file, *words)
    assert result.exit_code == 0, result.stderr
    return json.loads(file.read_text()), " ".join(result.stdout.split())


def text_of(page):
    """The page without its tags, which stand between letters that were read right and wrong."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def test_folded_habits_are_no_errors_and_every_output_says_so(call, habits, tmp_path):
    plain, shown = numbers(call, habits, tmp_path)
    assert (plain["normalize"], plain["rows"][0]["normalize"]) == ("none", "none")
    assert "transcription policy" not in shown
    page = tmp_path / "page.html"
    folded, shown = numbers(call, habits, tmp_path, "--normalize", "policy", "--report", page)
    assert (folded["normalize"], folded["rows"][0]["normalize"]) == ("policy", "policy")
    assert folded["rows"][0]["cer"] != plain["rows"][0]["cer"]
    assert "compared by the transcription policy" in shown
    assert "compared by the transcription policy (--normalize policy)" in text_of(page)
    assert "„ſo“ —" in text_of(page)


def test_the_page_shows_what_was_compared(call, habits, tmp_path):
    page = tmp_path / "page.html"
    _, shown = numbers(call, habits, tmp_path, "--normalize", "letters", "--report", page)
    assert "with ſ, quotes and dashes folded" in shown
    assert "„ſo“ —" not in text_of(page)
    assert '"so" -' in text_of(page)


def test_another_way_to_fold_is_refused(call, habits):
    assert call("evaluate", habits, "--normalize", "case").exit_code == 2
