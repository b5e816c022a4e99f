"""Running text: what counts as prose, where a line may begin and end, and how old lines are spelt."""

import numpy as np
import pytest

from trocr_gsa.data.synthetic.corpus import TextCorpus
from trocr_gsa.data.synthetic.passages import MixedCorpus, PassageCorpus, break_line, read_passages

ASCII = frozenset(map(chr, range(32, 127)))
PROSE = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness."


def cut(corpus, count=200, charset=ASCII):
    return [corpus.line(np.random.default_rng(seed), charset) for seed in range(count)]


def test_passages_stand_between_blank_lines_and_percent_signs(tmp_path):
    path = tmp_path / "sayings"
    path.write_text(
        "A first saying,\n\tover two lines.\n%\nA second one.\n\n\nA paragraph after it.\n%\n", encoding="utf-8"
    )
    assert read_passages(path) == ["A first saying, over two lines.", "A second one.", "A paragraph after it."]


@pytest.mark.parametrize(
    "noise", [r"/\_/\ ( o.o ) > ^ <", "for (i=0; i<9; i++) { x[i] = 0; }", "See http://example.org", "a@b.org"]
)
def test_what_is_no_prose_is_left_out(tmp_path, noise):
    path = tmp_path / "sayings"
    path.write_text(f"{noise}\n%\n{PROSE}\n", encoding="utf-8")
    assert read_passages(path) == [PROSE]


def test_a_file_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "old"
    path.write_bytes("Käse".encode("latin-1"))
    with pytest.raises(ValueError, match=r"`passages`: .*old is not UTF-8"):
        read_passages(path)


def test_lines_are_cut_out_of_the_text_and_hold_whole_words():
    words = set(PROSE.upper().split()) | set(PROSE.split())
    for line in cut(PassageCorpus((PROSE,), max_length=40)):
        assert len(line) <= 40
        whole = line.split()[:-1] if line.endswith("-") else line.split()
        assert set(whole) <= words


def test_some_words_are_broken_with_a_hyphen_and_never_without():
    broken = [line for line in cut(PassageCorpus((PROSE,), max_length=40)) if line.endswith("-")]
    assert 5 < len(broken) < 120
    assert break_line("a wonderful day", 8, "-") == "a wonder-"
    assert break_line("a wonderful day", 8) == "a"
    assert break_line("a wonderful day", 2, "-") == "a"  # one letter alone is not broken off
    assert break_line("wonderful", 4) == "wonderful"
    assert break_line("short", 40, "-") == "short"


def test_every_place_of_the_text_is_likely_to_be_cut():
    lines = cut(PassageCorpus(("brief", PROSE)), 400)
    assert 2 <= lines.count("brief") + lines.count("BRIEF") <= 60
    assert len({line.split()[0] for line in lines}) > 12


def test_an_old_line_writes_the_long_s_where_the_font_has_it():
    corpus = PassageCorpus(("das Wasser ist süß und die Fässer sind es auch",), long_s=1.0, umlauts_above=True)
    with_it = "".join(cut(corpus, charset=ASCII | set("ſüäßͤ⸗¬")))
    assert "Waſſer iſt" in with_it
    assert "uͤ" in with_it
    assert "ü" in with_it
    assert "ſ" not in "".join(cut(corpus))
    assert "ſ" not in "".join(cut(PassageCorpus(corpus.passages), charset=ASCII | {"ſ"}))


def test_sources_are_mixed_by_their_weights():
    mixed = MixedCorpus([(TextCorpus(("often",)), 3.0), (TextCorpus(("seldom",)), 1.0)])
    assert 230 < cut(mixed, 400).count("often") < 370


def test_sources_without_text_or_weight_are_refused():
    with pytest.raises(ValueError, match="`passages`"):
        PassageCorpus(())
    with pytest.raises(ValueError, match="`sources`"):
        MixedCorpus([])
    with pytest.raises(ValueError, match="`sources`"):
        MixedCorpus([(TextCorpus(("a",)), 0.0)])
    with pytest.raises(ValueError, match="`charset`"):
        PassageCorpus(("abc",)).line(np.random.default_rng(0), frozenset(" "))
