"""Each character of a text has the probability of the tokens that spell it, and keeps it where texts are tidied up."""

import math
import random
import unicodedata

import pytest
from stock_processors import make_stock_processor
from transformers import ByT5Tokenizer, TrOCRProcessor

from trocr_gsa.data.pages.xml_files import without_controls
from trocr_gsa.data.samples import clean_text
from trocr_gsa.reader.spelling import character_probabilities, cleaned, pieces

BYTES = ByT5Tokenizer()
END, EXTRA = 1, 260
TEXTS = ["", "abc", "Büſche", "e\u0301a\u0304\u0323", "漢字 ⁊ 🙂", "a\u200db", "\n\t x"]


def tokens(text: str) -> list[int]:
    return [byte + BYTES.offset for byte in text.encode()]


def probabilities_of(ids):
    return [-(place + 1) / 10 for place in range(len(ids))]


@pytest.mark.parametrize("text", TEXTS)
def test_a_character_is_as_probable_as_its_bytes_together(text):
    ids = [*tokens(text), END]
    log_p = probabilities_of(ids)
    found = character_probabilities(BYTES, ids, log_p, text)
    assert len(found) == len(text)
    assert all(0 <= p <= 1 for p in found)
    assert math.prod(found) * math.exp(log_p[-1]) == pytest.approx(math.exp(sum(log_p)))
    place = 0
    for letter, p in zip(text, found, strict=True):
        end = place + len(letter.encode())
        assert p == pytest.approx(math.exp(sum(log_p[place:end])))
        place = end


@pytest.mark.parametrize(
    "ids",
    [
        [0, *tokens("a"), EXTRA, *tokens("ü"), END],  # marks between letters
        [*tokens("ü")[:1], *tokens("ab"), END],  # half a letter
        [*tokens("a"), *tokens("漢")[:2], END],
        [*tokens("漢")[1:], *tokens("é"), *tokens("ü")[:1]],
        [258, 258, *tokens("x")],
        [END],
        [],
    ],
)
def test_what_spells_nothing_counts_for_no_character(ids):
    text = BYTES.decode(ids, skip_special_tokens=True)
    spelt = pieces(BYTES, ids)
    assert "".join(piece for piece, _ in spelt) == text
    for piece, places in spelt:
        assert [ids[place] for place in places] == tokens(piece)
    assert len(character_probabilities(BYTES, ids, probabilities_of(ids), text)) == len(text)


def test_random_bytes_are_spelt_as_they_are_decoded():
    draw = random.Random(0)
    for _ in range(500):
        ids = [draw.choice([0, END, EXTRA, *range(3, 259)]) for _ in range(draw.randrange(12))]
        assert "".join(piece for piece, _ in pieces(BYTES, ids)) == BYTES.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("kind", ["base-printed", "small-printed"])
def test_the_characters_of_one_token_share_its_probability(tmp_path, kind):
    make_stock_processor(tmp_path, kind)
    tokenizer = TrOCRProcessor.from_pretrained(tmp_path).tokenizer
    ids = tokenizer("abc hello ünd 12")["input_ids"]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    log_p = probabilities_of(ids)
    found = character_probabilities(tokenizer, ids, log_p, text)
    assert len(found) == len(text) > 0
    written = [place for place, token in enumerate(ids) if token not in tokenizer.all_special_ids]
    assert math.prod(found) == pytest.approx(math.exp(sum(log_p[place] for place in written)))


def test_a_text_that_was_tidied_up_has_the_same_probability_everywhere():
    ids = tokens("ab c")
    found = character_probabilities(BYTES, ids, [-0.1, -0.2, -0.3, -0.4], "abc")
    assert found == pytest.approx([math.exp(-1 / 3)] * 3)


def test_numbers_that_are_none_stay_none():
    assert math.isnan(character_probabilities(BYTES, tokens("a"), [math.nan], "a")[0])


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("abc", [0.1, 0.2, 0.3], ("abc", [0.1, 0.2, 0.3])),
        (" a  b ", [0.9, 0.1, 0.8, 0.7, 0.2, 0.9], ("a b", [0.1, 0.8, 0.2])),
        ("e\u0301x", [0.5, 0.4, 0.3], ("éx", [0.2, 0.3])),
        ("x\u0304\u0323", [0.5, 0.4, 0.3], ("x\u0323\u0304", [0.06 ** (1 / 3)] * 3)),
        ("\u1112\u1161\u11ab", [0.5, 0.5, 0.5], ("한", [0.125])),
        ("a\x00\x01b", [0.1, 0.9, 0.9, 0.2], ("ab", [0.1, 0.2])),
        ("\n", [0.1], ("", [])),
    ],
)
def test_a_tidied_text_keeps_its_characters_probabilities(text, given, expected):
    found, probabilities = cleaned(text, given)
    assert found == expected[0]
    assert probabilities == pytest.approx(expected[1])


def test_any_text_is_tidied_as_files_have_it():
    draw = random.Random(0)
    letters = [
        "".join(map(chr, range(0x20, 0x250))),
        "\u0300\u0301\u0323\u0345\u0f72\u0f74\u1161\u11a8",
        " \t\n\x02\u2003",
    ]
    letters += [unicodedata.normalize("NFD", letters[0]), "".join(map(chr, range(0x1100, 0x1113)))]
    for _ in range(1000):
        text = "".join(draw.choice(draw.choice(letters)) for _ in range(draw.randrange(10)))
        found, probabilities = cleaned(text, [0.5] * len(text))
        assert found == clean_text(without_controls(text))
        assert len(probabilities) == len(found)
