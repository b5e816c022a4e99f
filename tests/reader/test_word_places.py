"""Where words and characters are: on the picture as it was given, however its line lies there."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from page_makers import turn
from PIL import Image, ImageDraw, ImageFont
from slow_cases import others_slow
from tiny_adapters import save_adapter
from tiny_checkpoint import save_checkpoint

from trocr_gsa import PointGroup
from trocr_gsa.data.line import Line
from trocr_gsa.data.pages.xml_files import without_controls
from trocr_gsa.data.words import Character, Word
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.preparation.levelling import level
from trocr_gsa.reader.preparation.placement import Placement
from trocr_gsa.reader.preparation.trimming import trimming_box
from trocr_gsa.reader.word_places import LineFrame, find_words

PAPER, INK, MARGIN = 235, 30, 12
TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
TEXT = "a letter to my dear friend in Paris"
FONT = ImageFont.load_default(34)


def drawn(text: str = TEXT, height: int = 60) -> tuple[Image.Image, list[tuple[float, float]]]:
    """A line, and where each of its words begins and ends along it."""
    image = Image.new("L", (round(FONT.getlength(text)) + 2 * MARGIN, height), PAPER)
    ImageDraw.Draw(image).text((MARGIN, height / 2 - 24), text, fill=INK, font=FONT)
    ends, begin = [], 0
    for word in text.split(" "):
        before, through = text[:begin], text[: begin + len(word)]
        ends.append((MARGIN + FONT.getlength(before), MARGIN + FONT.getlength(through)))
        begin += len(word) + 1
    return image, ends


def turned_points(points: np.ndarray, angle: float, before: tuple[int, int], after: tuple[int, int]) -> np.ndarray:
    """Points of a picture on the picture turned counter-clockwise."""
    return (points - np.array(before) / 2) @ turn(angle) + np.array(after) / 2


def polygons(words: tuple[Word, ...] | None) -> np.ndarray:
    assert words is not None
    return np.array([word.polygon for word in words])


@pytest.fixture(scope="module")
def packaged() -> LineReader:
    return LineReader.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def read_words(packaged: LineReader) -> tuple[tuple[Word, ...], list[tuple[float, float]]]:
    image, ends = drawn()
    (line,) = packaged.read([image], with_words=True)
    assert line.text == TEXT
    assert line.words is not None
    return line.words, ends


def test_words_are_where_they_were_drawn(read_words):
    words, ends = read_words
    assert [word.text for word in words] == TEXT.split()
    for word, (left, right) in zip(words, ends, strict=True):
        assert word.box[0] == pytest.approx(left, abs=4)
        assert word.box[2] == pytest.approx(right, abs=4)
        assert 6 <= word.box[1] < 30 < word.box[3] <= 52
    assert words[3].box[3] > words[2].box[3] + 4  # "my" reaches below "to"


def test_characters_share_out_their_word_in_the_order_of_reading(read_words):
    for word in read_words[0]:
        assert "".join(character.text for character in word.characters) == word.text
        assert word.characters[0].box[0] == word.box[0]
        assert word.characters[-1].box[2] == word.box[2]
        assert all(one.box[2] == two.box[0] for one, two in pairwise(word.characters))
        assert all(character.box[0] < character.box[2] for character in word.characters)
        assert word.confidence == pytest.approx(np.prod([each.confidence for each in word.characters]))


def test_characters_are_where_they_were_drawn_and_none_is_a_line_without_width(read_words):
    boxes = np.array([character.box[::2] for word in read_words[0] for character in word.characters])
    drawn_ends = np.array([MARGIN + FONT.getlength(TEXT[: place + 1]) for place in range(len(TEXT))])
    is_letter = np.array([letter != " " for letter in TEXT])
    drawn_starts = drawn_ends - [FONT.getlength(letter) for letter in TEXT]
    expected = np.stack([drawn_starts, drawn_ends], axis=1)[is_letter]
    width = np.diff(expected).mean()
    assert np.abs(boxes - expected).mean() < 0.15 * width
    assert np.diff(boxes).min() > 0.2 * width


@pytest.mark.parametrize("angle", TURNS)
def test_turning_the_picture_turns_the_boxes(packaged, read_words, angle):
    image, _ = drawn()
    picture = image.transpose(TURNS[angle])
    (line,) = packaged.read([picture], with_words=True)
    expected = turned_points(polygons(read_words[0]), angle, image.size, picture.size)
    np.testing.assert_allclose(polygons(line.words), expected, atol=1e-9)


@pytest.mark.parametrize("angle", [7.0, -3.0, 97.0, 173.0, 300.0])
def test_boxes_lie_on_the_words_of_a_tilted_line(packaged, read_words, angle):
    image, ends = drawn()
    picture = image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER)
    (line,) = packaged.read([picture], with_words=True)
    assert line.text == TEXT
    middles = np.array([[(left + right) / 2, 30] for left, right in ends])
    expected = turned_points(middles, angle, image.size, picture.size)
    np.testing.assert_allclose(polygons(line.words).mean(1), expected, atol=9)
    along = polygons(line.words)[:, 1] - polygons(line.words)[:, 0]
    directions = np.degrees(np.arctan2(-along[:, 1], along[:, 0]))
    assert np.abs((directions - angle + 180) % 360 - 180).max() < 1


def test_a_line_in_much_room_has_its_words_where_they_are_in_it(packaged, read_words):
    image, _ = drawn()
    room = Image.new("L", (image.width + 400, 300), PAPER)
    room.paste(image, (300, 130))
    (line,) = packaged.read([room], with_words=True)
    np.testing.assert_allclose(polygons(line.words) - (300, 130), polygons(read_words[0]), atol=2.5)


def test_light_writing_on_dark_ground_has_the_same_places(packaged, read_words):
    image, _ = drawn()
    (line,) = packaged.read([image.point(lambda level: 255 - level)], with_words=True)
    np.testing.assert_allclose(polygons(line.words), polygons(read_words[0]), atol=1)


@pytest.mark.parametrize("angle", others_slow(TURNS, 90))
@pytest.mark.parametrize("group", ["C4", "D4"])
def test_an_untrained_reader_s_boxes_turn_too(tmp_path, group, angle):
    path = save_checkpoint(tmp_path, ctc_steps_per_patch=2, encoder_group=group)
    reader = LineReader.from_pretrained(path, device="cpu")
    image, _ = drawn()
    upright, turned = (
        reader.read([picture], with_words=True, num_beams=0)[0] for picture in (image, image.transpose(TURNS[angle]))
    )
    assert upright.text == turned.text
    assert upright.words
    moved = turned_points(polygons(upright.words), angle, image.size, image.transpose(TURNS[angle]).size)
    np.testing.assert_allclose(polygons(turned.words), moved, atol=1e-9)


@pytest.mark.parametrize("beams", [0, 1, 2])
def test_every_way_of_reading_places_the_words_of_its_own_text(packaged, beams):
    image, _ = drawn("a letter from Paris")
    (line,) = packaged.read([image], with_words=True, num_beams=beams)
    assert line.words is not None
    assert [word.text for word in line.words] == line.text.split()


def test_nobody_who_does_not_ask_gets_words(packaged):
    (line,) = packaged.read([drawn("Paris")[0]])
    assert line.words is None


def test_adapters_place_words_too(tmp_path):
    path = save_checkpoint(tmp_path / "base", ctc_steps_per_patch=2)
    reader = LineReader.from_pretrained(path, adapter={"fr": save_adapter(path, tmp_path / "fr")}, device="cpu")
    images = [drawn("a bär")[0]] * 2
    for line in reader.read(images, with_words=True, adapter=["fr", None], num_beams=0):
        assert line.words is not None
        assert [word.text for word in line.words] == without_controls(line.text).split()


def test_a_reader_without_ctc_head_says_that_it_cannot(reader):
    with pytest.raises(ValueError, match="`with_words`: this reader has no CTC head"):
        reader.read([drawn("Paris")[0]], with_words=True)


def test_an_empty_line_has_no_word(packaged):
    (line,) = packaged.read([Image.new("L", (300, 40), PAPER)], with_words=True)
    assert line.words == () or [word.text for word in line.words or ()] == line.text.split()


def frame_of(image: Image.Image, step: float) -> LineFrame:
    return LineFrame(np.eye(2), image.size, step, -image.width / 2)


def words_of(packaged: LineReader, image: Image.Image, text: str, middles: list[float]) -> tuple[Word, ...]:
    """Words found where each byte of a text is spelt in a step of 2 pixels around a place."""
    tokens = packaged.processor(text=[text])["labels"][0].tolist()
    spans = np.array([[int(x / 2), int(x / 2) + 1] for x in middles] + [[image.width // 2 - 1, image.width // 2]])
    return find_words(packaged.processor.tokenizer, tokens, [-0.1] * len(tokens), spans, frame_of(image, 2.0), image)


def test_limits_are_in_the_gaps_of_the_ink_and_not_half_way(packaged):
    image = Image.new("L", (200, 40), PAPER)
    pen = ImageDraw.Draw(image)
    pen.rectangle((20, 10, 69, 29), fill=INK)
    pen.rectangle((80, 15, 99, 34), fill=INK)
    pen.rectangle((150, 5, 179, 24), fill=INK)
    ab, c = words_of(packaged, image, "ab c", [45, 90, 120, 165])
    assert ab.box == pytest.approx((20, 10, 100, 35))
    (_, limit), (begin, _) = [character.box[::2] for character in ab.characters]
    assert 70 <= limit == begin <= 80
    assert c.box == pytest.approx((150, 5, 180, 25))


def test_a_character_seen_before_its_ink_begins_or_after_it_ends_is_where_its_ink_is(packaged):
    image = Image.new("L", (120, 40), PAPER)
    for left, right in ((30, 40), (80, 90)):
        ImageDraw.Draw(image).rectangle((left, 10, right - 1, 30), fill=INK)
    found = words_of(packaged, image, "a b", [20, 60, 100])
    assert [(word.box[0], word.box[2]) for word in found] == [
        (pytest.approx(30, abs=1), pytest.approx(40, abs=1)),
        (pytest.approx(80, abs=1), pytest.approx(90, abs=1)),
    ]


def test_an_accent_that_combines_is_one_character_with_its_letter(packaged):
    image = Image.new("L", (100, 40), PAPER)
    ImageDraw.Draw(image).rectangle((20, 10, 60, 30), fill=INK)
    text = "e\N{COMBINING ACUTE ACCENT}t"
    (word,) = words_of(packaged, image, text, [30, 30, 30, 50])
    assert word.text == "ét"
    assert [character.text for character in word.characters] == ["é", "t"]


def test_a_line_with_too_few_columns_has_no_words_and_says_so(packaged, monkeypatch):
    monkeypatch.setattr("trocr_gsa.reader.word_places.align", lambda *_: [None])
    (line,) = packaged.read([drawn("Paris")[0]], with_words=True)
    assert line.words is None
    assert "the positions of its words are unknown" in (line.note or "")
    assert line.text == packaged.read([drawn("Paris")[0]])[0].text


@pytest.mark.parametrize("element", range(8))
def test_the_frame_of_a_pose_puts_its_corners_on_the_picture(element):
    group = PointGroup.from_name("D4")
    matrix = group.matrices[element]
    frame = LineFrame.of(torch.tensor([[-1.5, 0.0], [1.5, 0.0]]), matrix, (10.0, 10.0), (40, 20), 2)
    assert (frame.step, frame.start) == (5.0, -20.0)
    corners = frame.corners(-4.0, 6.0, -2.0, 3.0) - (20, 10)
    seen = corners * (1, -1) @ matrix.numpy()
    np.testing.assert_allclose(seen, [[-4, 3], [6, 3], [6, -2], [-4, -2]])


def share_of_ink_on_ink(found: Image.Image, placement: Placement, image: Image.Image) -> float:
    y, x = np.nonzero(np.asarray(found) < 100)
    placed = np.floor(placement(np.stack([x, y], axis=1) + 0.5)).astype(int)
    return float((np.asarray(image)[placed[:, 1], placed[:, 0]] < 170).mean())


def test_levelling_and_trimming_say_where_their_pixels_were():
    image, _ = drawn()
    tilted = image.rotate(5, Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER)
    levelled = level(tilted)
    assert levelled.tilt
    assert share_of_ink_on_ink(levelled.image, levelled.placement, tilted) > 0.95
    assert share_of_ink_on_ink(levelled.image, levelled.placement.cut(3, 0), tilted) < 0.7  # the control
    room = Image.new("L", (image.width + 400, 300), PAPER)
    room.paste(image, (300, 130))
    box = trimming_box(room)
    assert box is not None
    assert share_of_ink_on_ink(room.crop(box), Placement().cut(box[0], box[1]), room) == 1


def test_words_come_back_from_the_fields_that_describe_them():
    character = Character("é", 0.75, ((1.0, 2.0), (3.0, 2.0), (3.0, 4.5), (1.0, 4.5)))
    word = Word("é", 0.75, character.polygon, (character,))
    assert Word.from_fields(word.as_fields()) == word
    bare = word.without_characters()
    assert "characters" not in bare.as_fields()
    assert Word.from_fields(bare.as_fields()) == bare
    assert word.as_fields()["box"] == [1.0, 2.0, 3.0, 4.5]


def test_words_are_never_beyond_the_edges_of_the_picture():
    word = Word("a", 1.0, ((-3.0, 2.0), (30.0, 2.0), (30.0, 14.0), (-3.0, 14.0)))
    line = Line("a", 1.0, 0.0, words=(word,)).with_words_on(lambda points: points + 1, (20, 10))
    assert line.words is not None
    assert line.words[0].polygon == ((0, 3), (20, 3), (20, 10), (0, 10))
