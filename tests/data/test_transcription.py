"""What readers write, and what is folded when they are judged."""

import re
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from trocr_gsa.data.samples import LineDataset, LineSample
from trocr_gsa.data.transcription import (
    DASHES,
    DOUBLE_QUOTES,
    HYPHENS,
    INVISIBLE,
    LETTERS,
    POLICY,
    SINGLE_QUOTES,
    NormalizedLines,
    normalize_text,
)

PAGE = (Path(__file__).parents[2] / "docs" / "transcription.md").read_text(encoding="utf-8")


class Lines(LineDataset):
    def __init__(self, *texts: str) -> None:
        self.kept, self.problems, self.notes = texts, ["line 7 is damaged"], ["a note"]

    def __len__(self) -> int:
        return len(self.kept)

    def text(self, index: int) -> str:
        return self.kept[index % len(self.kept)]

    def size(self, index: int) -> tuple[int, int]:
        return 10, 10

    def __getitem__(self, index: int) -> LineSample:
        return LineSample(Image.new("L", (10, 10)), self.text(index), f"{index}.png", "book", 90.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Geiſt vnd ſus", "Geiſt vnd ſus"),  # ſ, u and v as they stand
        ("⁊ & ꝑ ꝯ q̃ uͤ ꝰ", "⁊ & ꝑ ꝯ q̃ uͤ ꝰ"),  # signs and marks
        ("e\u0301 a\u0308 q\u0303", "é ä q\u0303"),  # composed where there is a character
        ("M^r le 1^er", "Mr le 1er"),
        ("commence¬", "commence-"),
        ("co\u00admmence\u00ad ", "commence-"),
        ("ge‐ge‑", "ge-ge-"),
        ("zu⸗", "zu⸗"),
        ("eﬃgy ﬁn ﬂot aﬀ oﬄ ﬅ ﬆ Ĳ ĳ", "effigy fin flot aff offl ſt st IJ ij"),
        ("æ Œ ß", "æ Œ ß"),
        ("da\ueba6 \ueba2n\uf4ff be\ueada", "daſſ ſinſſt beſt"),
        ("\ue42c\ue72b\ue5dc\uf158\ue8bfn\uf1a6", "aͤuͤn\u0304⁊qꝫnꝰ"),
        ("\uf8f0", "\uf8f0"),  # not known
        ("a\u00a0;\u2009b  c\t", "a ; b c"),
        ("\ufeffa\u200bb\u2060", "ab"),
        ("„Ja“ – l’un — «non»", "„Ja“ – l’un — «non»"),
        ("  ", ""),
        ("^", ""),
    ],
)
def test_the_policy_writes_signs_as_they_stand_and_type_alike(text, expected):
    assert normalize_text(text, "policy") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Geiſt ẛ Ẃ", "Geist ṡ Ẃ"),
        ("„Ja“ “yes” «oui» ›a‹ ’tis `b´", '"Ja" "yes" "oui" \'a\' \'tis \'b\''),
        ("a–b — c⸗ −1¬", "a-b - c- -1-"),
        ("M^r ﬁn \ueba6", "Mr fin ss"),
        ("Vnd UND und ⁊ & æ ß uͤ", "Vnd UND und ⁊ & æ ß uͤ"),  # case, u and v, signs and letters stay apart
        ("a ; b", "a ; b"),
    ],
)
def test_letters_fold_long_s_quotes_and_dashes_and_nothing_more(text, expected):
    assert normalize_text(text, "letters") == expected


def test_none_leaves_a_text_as_it_is():
    assert normalize_text(" e\u0301^¬ ", "none") == " e\u0301^¬ "


def test_another_word_is_refused():
    with pytest.raises(ValueError, match="`normalize` must be one of none, policy, letters, got 'case'"):
        normalize_text("a", "case")


@pytest.mark.parametrize("how", ["policy", "letters"])
def test_what_was_normalized_stays_as_it_is(how):
    signs = "".join(map(chr, [*range(0x20, 0x2E80), *range(0xA720, 0xA800), *range(0xE000, 0xF900), 0xFEFF]))
    for text in (*signs, *(f"a{sign}\u0308b\u00ad{sign}" for sign in signs)):
        once = normalize_text(text, how)
        assert normalize_text(once, how) == once == unicodedata.normalize("NFC", once)


def test_letters_fold_all_that_the_policy_does():
    for sign in map(chr, [*POLICY, *LETTERS]):
        text = f"a{sign}b"
        assert normalize_text(normalize_text(text, "policy"), "letters") == normalize_text(text, "letters")


def test_nothing_that_is_folded_is_left_in_a_text():
    folded = normalize_text("".join([*HYPHENS, *INVISIBLE, *DASHES, *SINGLE_QUOTES, *DOUBLE_QUOTES]), "letters")
    assert set(folded) == set("-'\"")


def test_no_private_sign_becomes_a_private_one():
    private = [chr(code) for code in POLICY if 0xE000 <= code < 0xF900]
    assert len(private) > 60
    for sign in private:
        assert not any(unicodedata.category(letter) == "Co" for letter in normalize_text(sign, "policy"))


def test_a_set_of_lines_yields_normalized_texts_and_all_else_as_it_was():
    lines = Lines("M^r", "co¬")
    found = NormalizedLines(lines, "policy")
    assert (len(found), found.texts(), found.size(0), found.problems) == (2, ["Mr", "co-"], (10, 10), lines.problems)
    assert found.notes == lines.notes
    assert [(line.text, line.name, line.angle) for line in found] == [("Mr", "0.png", 90.0), ("co-", "1.png", 90.0)]


def test_the_page_says_of_every_ligature_what_the_function_does():
    row = next(line for line in PAGE.splitlines() if line.startswith("| ligatures of type"))
    before, after = row.strip("|").split("|")
    ligatures, letters = re.findall(r"`(\S+)`", before), re.findall(r"`(\S+)`", after)
    assert [normalize_text(sign, "policy") for sign in ligatures] == letters[: len(ligatures)]
    assert [normalize_text(sign, "policy") for sign in letters[len(ligatures) :]] == letters[len(ligatures) :] != []
