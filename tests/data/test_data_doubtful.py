"""What cannot be seen in transcriptions is said once for a set, with where it was first met."""

import pytest

from trocr_gsa.data.doubtful import MAX_NAMED, doubtful_characters


@pytest.mark.parametrize(
    ("letter", "called"),
    [
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u200d", "U+200D ZERO WIDTH JOINER"),
        ("\u2060", "U+2060 WORD JOINER"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("\ufffd", "U+FFFD REPLACEMENT CHARACTER"),
        ("\u00ad", "U+00AD SOFT HYPHEN"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\x07", "U+0007"),
        ("\ud800", "U+D800"),
        ("\ufffc", "U+FFFC OBJECT REPLACEMENT CHARACTER"),
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("\u2800", "U+2800 BRAILLE PATTERN BLANK"),
        ("\ufffe", "U+FFFE"),
        ("\U0010ffff", "U+10FFFF"),
        ("\ufdd0", "U+FDD0"),
    ],
)
def test_what_cannot_be_seen_or_was_lost_is_named_once(letter, called):
    (said,) = doubtful_characters([("a", "plain"), ("b", f"x{letter}y{letter}"), ("c", letter)])
    assert f"in 2 lines, the first of which is b: {called} (3). " in said


@pytest.mark.parametrize(
    "text", ["", "plain", "ſtürmiſch 漢 עברית", "a\u0364 \ue000", "🙂", "한 \u2801", "n\u0303", "½ ¬ ⸗ –"]
)
def test_letters_marks_and_private_signs_are_not_doubtful(text):
    assert doubtful_characters([("a", text)]) == []


def test_of_many_kinds_the_most_frequent_are_named():
    letters = [chr(0x2060 + number) for number in range(5)] + [chr(0x202A + number) for number in range(5)]
    (said,) = doubtful_characters([("a", "".join(letters) + 3 * letters[-1])])
    assert said.count("U+") == MAX_NAMED
    assert "U+202E RIGHT-TO-LEFT OVERRIDE (4), " in said
    assert "and 2 other characters" in said
