"""What rendered lines look like: each part of a style changes the picture, and says how."""

from dataclasses import replace

import numpy as np
import pytest
from line_makers import BUILTIN

from trocr_gsa.data import Corpus, InkStyle, LineRenderer, PageStyle, RenderStyle
from trocr_gsa.data.synthetic.handwriting import HandStyle
from trocr_gsa.data.synthetic.ink import strike
from trocr_gsa.data.synthetic.paper import other_side, pressed, stains
from trocr_gsa.data.synthetic.render import STYLES, render_style

NO_LISTS = Corpus(dictionaries="/no/word/lists")
SEEDS = range(60)


@pytest.mark.parametrize(
    "part",
    [
        {"slant": 10},
        {"skew": 10},
        {"curve": 0.1},
        {"tracking": 1},
        {"neighbours": 1},
        {"typed": 1},
        {"hand": HandStyle()},
    ],
)
def test_each_part_of_the_ink_style_changes_the_picture(part):
    plain = InkStyle(slant=0, skew=0, curve=0, tracking=0, neighbours=0)
    changed = replace(plain, **part)
    first, second = (LineRenderer([BUILTIN], NO_LISTS, RenderStyle(ink=ink)) for ink in (plain, changed))
    assert any(first(seed).image.tobytes() != second(seed).image.tobytes() for seed in range(8))


def test_a_typewriter_strikes_each_letter_by_itself():
    struck = [strike(40, 30.0, np.random.default_rng(seed)) for seed in SEEDS]
    ink, aside, down = np.stack(struck).transpose(2, 0, 1)
    assert 110 < ink.min() < 190 < ink.max() <= 255
    assert np.ptp(ink, axis=1).max() > 50
    assert max(np.abs(aside).max(), np.abs(down).max()) < 2.2
    assert down.std(1).max() > 0.5


@pytest.mark.parametrize("style", STYLES)
def test_every_style_writes_what_its_text_says_in_ink_that_stands_out(style):
    renderer = LineRenderer([BUILTIN], NO_LISTS, render_style(style, 40))
    for seed in range(20):
        line = renderer(seed)
        low, high = line.image.getextrema()
        assert line.image.height == 40
        assert line.image.tobytes() == renderer(seed).image.tobytes()
        assert line.text == renderer.text(seed)
        assert high - low > 30


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="`style` must be one of plain, hand, print, typescript, got 'baroque'"):
        render_style("baroque")


def test_what_shines_through_is_mirrored_and_fainter_than_ink():
    ink = np.zeros((48, 200), dtype=np.float32)
    ink[10:14, 20:100] = 1
    for seed in range(10):
        back = other_side(ink, np.random.default_rng(seed))
        assert 0 < back.max() <= 0.5
        assert back.sum(1).max() > 2 * back.sum(1).mean()  # still a stroke along the line


def test_a_pressed_pen_changes_strokes_of_one_direction_and_not_the_paper():
    cross = np.zeros((48, 100), dtype=np.float32)
    cross[20:23, 10:90] = 1
    cross[5:43, 48:52] = 1
    changes = [pressed(cross, np.random.default_rng(seed)) - cross for seed in range(20)]
    assert all(np.abs(change[:, 60:90][:15]).max() == 0 for change in changes)
    assert {bool(change.sum() > 0) for change in changes} == {True, False}
    assert all(-1 <= change.min() <= change.max() <= 1 for change in changes)


def test_stains_darken_parts_of_the_paper():
    fields = [stains((48, 400), np.random.default_rng(seed)) for seed in range(20)]
    assert all(0 <= field.min() <= field.max() <= 0.5 for field in fields)
    assert np.mean([field.max() > 0.05 for field in fields]) > 0.6
    assert np.mean([np.mean(field > 0.02) for field in fields]) < 0.6


@pytest.mark.parametrize("part", ["binarised", "bleed", "verso", "pen", "stains", "rulings", "cut", "inverted"])
def test_each_part_of_the_page_style_changes_the_picture(part):
    plain = PageStyle(binarised=0, bleed=0, rulings=0, cut=0, inverted=0)
    changed = PageStyle(**{**vars(plain), part: 1.0})
    first, second = (LineRenderer([BUILTIN], NO_LISTS, RenderStyle(page=page)) for page in (plain, changed))
    assert all(first(seed).image.tobytes() != second(seed).image.tobytes() for seed in range(8))
