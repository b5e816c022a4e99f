"""The page's numbers, against values worked out by hand."""

import pytest
from fake_readings import make_reading

from trocr_gsa.evaluation.report import SetReading
from trocr_gsa.evaluation.report.confusions import count_confusions
from trocr_gsa.evaluation.report.statistics import Rate, difference, summarise_documents, summarise_readings, trust

POSES = (0.0, 90.0, 180.0, 270.0)


def test_a_set_is_summed_up_over_its_angles():
    reading = make_reading([("abcd", "abcd"), ("abcd", "abxy")], angles=(0.0, 90.0), documents=["a", "b"])
    summary = summarise_readings(reading.by_angle, POSES)
    assert (summary.lines, summary.cer.value, summary.wer.value, summary.right) == (2, 0.25, 0.5, 0.5)
    assert (summary.cer.low, summary.cer.high) == (0.0, 0.5)
    assert (summary.orientation, summary.orientation_long, summary.long_lines) == (1.0, None, 0)


def test_reading_a_line_at_more_angles_makes_no_interval_narrower():
    pairs = [("abcdefghij", "abcdefghij"[:length]) for length in (10, 9, 7, 4, 10, 8)]
    once, often = (make_reading(pairs, angles) for angles in ((0.0,), (0.0, 90.0, 180.0, 270.0)))
    assert summarise_readings(once.by_angle, POSES).cer == summarise_readings(often.by_angle, POSES).cer


def test_one_line_has_a_rate_and_no_interval():
    summary = summarise_readings(make_reading([("abcd", "abcx")]).by_angle, POSES)
    assert summary.cer == Rate(0.25, None, None)


def test_the_way_up_of_long_lines_is_told_apart():
    pairs = [("0123456789", "0123456789"), ("short", "short")]
    summary = summarise_readings(make_reading(pairs, orientations=[0.0, 180.0]).by_angle, POSES)
    assert (summary.orientation, summary.orientation_long, summary.long_lines) == (0.5, 1.0, 1)


def test_an_angle_that_the_reader_cannot_say_is_not_held_against_it():
    summary = summarise_readings(make_reading([("a", "a")], angles=(45.0,), orientations=[0.0]).by_angle, POSES)
    assert summary.orientation is None
    mixed = make_reading([("a", "a")], angles=(0.0, 45.0), orientations=[0.0])
    assert summarise_readings(mixed.by_angle, POSES).orientation == 1.0


def test_documents_come_the_worst_first():
    pairs = [("abcd", "abcd"), ("abcd", "abxx"), ("abcd", "xxxx"), ("abcd", "abcd")]
    found = summarise_documents(make_reading(pairs, documents=["good", "bad", "bad", "good"]), POSES)
    assert [(document, summary.lines, summary.cer.value) for document, summary in found] == [
        ("bad", 2, 0.75),
        ("good", 2, 0.0),
    ]


def test_trust_says_what_setting_lines_aside_leaves():
    pairs = [("abcdefghij", "abcdefghij")] * 9 + [("abcdefghij", "abcdexxxxx")]
    found = trust(make_reading(pairs, confidences=[0.9] * 9 + [0.1]).readings)
    assert found.calibration_error == pytest.approx(0.1)
    assert found.cer_kept == 0
    assert found.left[0] == (0.0, 0.05)


def test_two_readers_are_compared_line_by_line():
    base = make_reading([("abcd", "abxx"), ("abcd", "xxxx")], documents=["a", "b"])
    better = make_reading([("abcd", "abcx"), ("abcd", "abcx"[::-1])], documents=["a", "b"])
    assert difference(base.by_angle, base.by_angle) == Rate(0, 0, 0)
    found = difference(base.by_angle, better.by_angle)
    assert found.value == (5 - 6) / 8
    assert (found.low, found.high) == (-0.25, 0.0)
    one = make_reading([("abcd", "abcd")])
    assert difference(one.by_angle, one.by_angle) == Rate(0, None, None)


def test_letters_are_counted_as_they_are_taken_left_out_and_put_in():
    pairs = [("ſein ſo", "fein fo"), ("Wort", "Wrt"), ("da", "daa"), ("ſ", "ſ")]
    found = count_confusions([make_reading(pairs)])
    (taken,), (left_out,), (put_in,) = found.substitutions, found.deletions, found.insertions
    assert (taken.reference, taken.prediction, taken.count, taken.share) == ("ſ", "f", 2, pytest.approx(2 / 3))
    assert (left_out.reference, left_out.prediction, left_out.count) == ("o", "", 1)
    assert left_out.share == 0.5
    assert (put_in.reference, put_in.prediction, put_in.count, put_in.share) == ("", "a", 1, None)
    assert found.totals == (2, 1, 1)


@pytest.mark.parametrize("angles", [(0.0, 90.0), (0.0, 90.0, 180.0), (0.0, 90.0, 180.0, 270.0)])
def test_reading_a_line_at_more_angles_counts_no_error_more_often(angles):
    pairs = [("ſein ſo", "fein fo"), ("Wort", "Wrt"), ("da", "daa"), ("ſ", "ſ")]
    once, often = (count_confusions([make_reading(pairs, each)]) for each in ((0.0,), angles))
    assert often.totals == pytest.approx(once.totals)
    for kind in ("substitutions", "deletions", "insertions"):
        for one, other in zip(getattr(once, kind), getattr(often, kind), strict=True):
            assert (one.count, one.share, one.example) == (
                pytest.approx(other.count), pytest.approx(other.share), other.example,
            )  # fmt: skip


def test_an_error_at_one_angle_of_two_counts_half():
    right, wrong = make_reading([("ab", "ab")]), make_reading([("ab", "xb")])
    both = SetReading("lines", [*right.runs, *wrong.runs])
    (taken,) = count_confusions([both]).substitutions
    assert (taken.count, taken.share) == (0.5, 0.5)


def test_an_example_shows_where_it_happened_in_the_line_otherwise_read_best():
    text = "a rather long line in which one letter was misread"
    pairs = [("x", "y"), (text.replace("one", "xne"), text.replace("one", "yne"))]
    (taken,) = count_confusions([make_reading(pairs)]).substitutions
    assert (taken.count, taken.example.line) == (2, "line 1.png")
    assert (taken.example.before, taken.example.after) == ("…g line in which ", "ne letter was mi…")


def test_only_the_most_frequent_are_listed_but_all_are_counted():
    found = count_confusions([make_reading([("abc", "xyz"), ("a", "x")])], most=1)
    assert [(each.reference, each.count) for each in found.substitutions] == [("a", 2)]
    assert found.totals == (4, 0, 0)


def test_without_errors_there_is_nothing_to_list():
    found = count_confusions([make_reading([("abc", "abc"), ("", "")])])
    assert (found.substitutions, found.deletions, found.insertions, found.totals) == ([], [], [], (0, 0, 0))
