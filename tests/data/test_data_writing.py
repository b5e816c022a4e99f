"""Whether there is writing: on bare paper there is none, whichever way up; a single letter is some."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from printed_pages import page
from slow_cases import others_slow

from trocr_gsa.data.synthetic.empty import KINDS, empty_paper
from trocr_gsa.reader.preparation.writing import Writing, find_writing

TURNS = {0: None, 90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
NAMED = ("bare", "black", "grain", "random", "specks", "shade", "JPEG", "rules")
LETTERS = [*".,:;-1il7AOxeM(§", "1.", "ij", "St. Ulrich."]


def holds_writing(image: Image.Image, lines: int = 1) -> bool:
    return find_writing(image, lines) is not Writing.NONE


def turned(image: Image.Image, degrees: int) -> Image.Image:
    way = TURNS[degrees]
    return image if way is None else image.transpose(way)


def letters(text: str, size: int = 32, margin: int = 6, paper: int = 230, ink: int = 40) -> Image.Image:
    font = ImageFont.load_default(size)
    image = Image.new("L", (int(font.getlength(text)) + 2 * margin, int(1.3 * size)), paper)
    ImageDraw.Draw(image).text((margin, 0), text, fill=ink, font=font)
    return image


def test_of_two_hundred_papers_without_writing_one_may_be_taken_for_written_on():
    papers = [empty_paper(kind, seed) for kind in NAMED for seed in range(25)]
    assert sum(map(holds_writing, papers)) <= len(papers) / 200


@pytest.mark.parametrize("level", [0, 127, 255])
@pytest.mark.parametrize("size", [(4, 4), (5, 400), (64, 64), (3000, 90), (701, 503)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_one_colour_is_empty_in_any_size(level, size, mode):
    assert not holds_writing(Image.new("L", size, level).convert(mode))


@pytest.mark.parametrize("size", [(4, 4), (7, 300), (64, 64), (900, 56), (701, 503)])
def test_noise_is_empty_in_any_size(size):
    rng = np.random.default_rng(0)
    assert not holds_writing(Image.fromarray(rng.integers(0, 256, size[::-1], dtype=np.uint8)))


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("text", LETTERS)
def test_a_letter_is_writing_in_any_size_with_much_room_or_little(text, turn):
    for size in (20, 32, 80):
        for margin in (4, size // 2, 3 * size):
            assert holds_writing(turned(letters(text, size, margin), turn)), (size, margin)


@pytest.mark.parametrize("text", LETTERS)
def test_light_letters_on_dark_are_writing(text):
    assert holds_writing(letters(text, paper=20, ink=220))


@pytest.mark.parametrize("text", LETTERS)
def test_faint_letters_and_letters_in_noise_are_writing(text):
    faint = letters(text, size=48, paper=200, ink=140)
    noisy = np.asarray(letters(text, size=48)) + np.random.default_rng(0).normal(0, 8, faint.size[::-1])
    assert holds_writing(faint)
    assert holds_writing(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)))


@pytest.mark.parametrize("turn", TURNS)
def test_a_page_is_writing(turn):
    assert holds_writing(turned(page(12, size=40), turn), lines=12)


@pytest.mark.parametrize("seed", others_slow(range(3), 0))
@pytest.mark.parametrize("kind", KINDS)
def test_a_quarter_turn_or_a_mirror_never_changes_the_answer(kind, seed):
    papers = [empty_paper(kind, seed).convert("L")]
    written = [Image.blend(page(1).resize(paper.size), paper, 0.75) for paper in papers]
    for image in papers + written:
        assert len({find_writing(image), *(find_writing(image.transpose(way)) for way in Image.Transpose)}) == 1
