"""Lines for adapters that write another text: what is drawn, what it stands for, and how both are compared."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from tiny_checkpoint import save_checkpoint

from experiments import paired_lines, translation, translation_scores, written_dates
from experiments.old_spelling import FRENCH, GERMAN, Dictionary, Spelling
from experiments.paired_lines import PairCorpus, PairedLines, split_hands
from experiments.written_dates import KINDS, Pen, date_pairs
from trocr_gsa.data import Font, LineRenderer

BUILTIN = [Font("", "Aileron"), Font("", "Another"), Font("", "Third")]


def written(kind, when: date, monkeypatch) -> dict[str, str]:
    """Return all that a kind of date looks like on a given day."""
    monkeypatch.setattr(Pen, "day", lambda *_: when)
    rng = np.random.default_rng(0)
    return dict(kind(Pen(rng)) for _ in range(2000))


@pytest.mark.parametrize(
    ("kind", "when", "texts"),
    [
        ("french_date", date(1812, 3, 24), ["le vingt-quatre mars mil huit cent douze", "24 mars 1812"]),
        ("french_date", date(1700, 4, 1), ["le premier d'avril mil sept cents", "1er avril dix-sept cent"]),
        ("german_date", date(1812, 3, 24), ["am vierundzwanzigsten März achtzehnhundertzwölf", "Am 24. März 1812"]),
        ("german_date", date(1905, 9, 3), ["den 3ten September 1905", "vom dritten September neunzehnhundertfünf"]),
        ("english_date", date(1812, 5, 4), ["the fourth of May eighteen hundred and twelve", "May 4th, 1812"]),
        ("english_date", date(1800, 1, 31), ["January the thirty-first eighteen hundred", "31 January 1800"]),
        ("republican_date", date(1799, 11, 9), ["le dix-huit brumaire an huit", "18 Brumaire an VIII"]),
        ("republican_date", date(1794, 9, 18), ["le deuxième jour complémentaire an deux"]),
    ],
)
def test_a_date_is_written_as_people_wrote_it(kind, when, texts, monkeypatch):
    found = written(getattr(written_dates, kind), when, monkeypatch)
    assert set(found.values()) == {when.isoformat()}
    assert [text for text in texts if text not in found] == []


def test_texts_of_other_seeds_are_others_and_none_means_two_things():
    one, other = date_pairs(300, 0), date_pairs(300, 1)
    assert len(one) == len(other) == 300
    assert len(set(one) & set(other)) < 100
    assert all(one[text] == other[text] for text in set(one) & set(other))
    assert sum(KINDS.values()) == pytest.approx(1)


def test_an_old_word_is_paired_only_with_a_word_of_today():
    german = Spelling("german", ("Teil", "Fluss", "Thema", "denkt", "Steil", "gibt"), ("Fluß", "Photo"), GERMAN)
    assert german.pairs == {"Theil": "Teil", "Fluß": "Fluss", "giebt": "gibt"}
    french = Spelling("french", ("avait", "enfants", "roi", "fête", "protocole", "oi"), (), FRENCH)
    assert french.pairs == {"avoit": "avait", "enfans": "enfants", "roy": "roi", "feste": "fête", "oy": "oi"}
    ambiguous = Spelling("german", ("Teil", "Theil"), (), GERMAN)  # the old form is a word of its own
    assert ambiguous.pairs == {}


def test_the_dictionary_changes_old_words_alone_and_keeps_marks():
    rival = Dictionary({"Theil": "Teil", "Haus": "Maus"}, frozenset({"Haus"}))
    assert rival.modernised("ein Theil, Haus Unſinn.") == "ein Teil, Haus Unsinn."


def test_hands_to_test_with_are_not_trained_with(monkeypatch):
    fonts = [Font("", f"family {number // 2}", str(number)) for number in range(20)]
    monkeypatch.setattr(paired_lines, "find_fonts", lambda folder: fonts)
    seen, unseen = split_hands([Path("cursive")], 4)
    assert len({font.family for font in unseen}) == 4
    assert {font.family for font in seen}.isdisjoint(font.family for font in unseen)
    assert len(seen) + len(unseen) == 20
    with pytest.raises(ValueError, match=r"`held_out` must lie in 1 … 9"):
        split_hands([Path("cursive")], 10)


def test_a_line_has_the_text_that_the_drawn_one_stands_for():
    corpus = PairCorpus({"am ersten Mai 1812": "1812-05-01", "zwölf 中": "12"})
    lines = PairedLines([LineRenderer(BUILTIN[:1], corpus, paired_lines.STYLE)], corpus, 3, first_seed=5)
    assert [line.text for line in lines] == ["1812-05-01"] * 3  # the font has no 中
    assert all(line.name.endswith("am ersten Mai 1812") for line in lines)
    with pytest.raises(ValueError, match="the font has not all characters"):
        PairCorpus({"中": "1"}).line(np.random.default_rng(0), BUILTIN[0].charset)


def test_scores_have_their_intervals():
    assert translation_scores.wilson(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-4)
    assert translation_scores.wilson(0, 4)[0] == 0
    meant, hands = ["1812-03-24", "12", "7", "1700-01-01"], ["a", "a", "b", "b"]
    perfect = translation_scores.scored(meant, meant, hands)
    assert (perfect["exact"], perfect["cer"], perfect["chrf"]) == (1, 0, 1)
    wrong = translation_scores.scored(meant, ["1812-03-25", *meant[1:]], hands)
    assert wrong["exact"] == 0.75
    assert wrong["cer_low"] <= wrong["cer"] == 1 / 23 <= wrong["cer_high"]
    assert translation_scores.gain(meant, meant, ["x", *meant[1:]], hands)["value"] == 10 / 23


@pytest.mark.slow
def test_every_stage_runs_and_the_transcription_stays_bit_equal(tmp_path, monkeypatch, capsys):
    model = str(save_checkpoint(tmp_path / "base", ctc_steps_per_patch=2))
    monkeypatch.setattr(translation, "split_hands", lambda folders, held_out: (BUILTIN[:1], BUILTIN[1:]))
    monkeypatch.setattr(translation, "PAGE", tmp_path / "no page")
    short = translation.Task(lambda count, seed: {str(seed + number): str(number) for number in range(count)}, ())
    monkeypatch.setitem(translation.TASKS, "date", short)
    for stage in (["lines", tmp_path / "run", tmp_path], ["train", tmp_path / "run"], ["test", tmp_path / "run"]):
        translation.main([*map(str, stage), "--task", "date", "--size", "dry", "--model", model])
    translation.main(["write", str(tmp_path / "run"), "--size", "dry"])
    printed = capsys.readouterr().out
    assert "The transcription is bit-equal to that without the adapter." in printed
    assert all(f"| date | {turn}° | 4 | 2 | adapter |" in printed for turn in (0, 90, 180, 270))
