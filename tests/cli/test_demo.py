"""The demo, on a reader of random weights: its parts, and the whole within seconds."""

import io

import numpy as np
import pytest
from PIL import Image, ImageColor
from rich.console import Console
from tiny_checkpoint import draw_line, save_checkpoint

from scripts import demo


@pytest.fixture
def roomy(tmp_path):
    """A checkpoint for lines as long as the demo's."""
    return str(save_checkpoint(tmp_path / "roomy", sure=True, max_patches=256, decoder_max_position_embeddings=32))


def test_a_line_of_the_hand_follows_from_its_seed():
    first, again, other = demo.slanted_line(3), demo.slanted_line(3), demo.slanted_line(4)
    assert (first.text, first.image.tobytes()) == (again.text, again.image.tobytes())
    assert first.text != other.text


def test_the_hand_leans_to_the_left():
    stroke = Image.new("L", (20, 48))
    stroke.paste(255, (8, 0, 12, 48))
    columns = np.asarray(demo.slant(stroke)).argmax(1)
    lean = np.degrees(np.arctan((columns[-1] - columns[0]) / 47))
    assert lean == pytest.approx(demo.SLANT, abs=2)


def test_the_whole_prints_a_table_and_writes_a_picture(roomy, tmp_path):
    console = Console(record=True, width=100, file=io.StringIO())
    demo.run(demo.Demo(tmp_path / "demo", steps=2, train_lines=4, test_lines=2, model=roomy), console)
    printed = console.export_text()
    for word in ("2 held-out lines", "CER before", "CER after", "270°"):
        assert word in printed
    assert "stopped" not in printed
    with Image.open(tmp_path / "demo" / "lines.png") as picture:
        assert picture.width > 600


def test_both_readings_are_the_same_at_every_angle(roomy):
    reader = demo.LineReader.from_pretrained(roomy)
    rows = demo.measure(reader, [demo.slanted_line(seed) for seed in range(2)])
    assert len({row.cer for row in rows}) == 1
    card = demo.card(demo.slanted_line(0), reader, reader)
    assert len(set(card.before)) == len(set(card.after)) == 1


@pytest.mark.slow
def test_a_training_that_the_clock_ended_is_said_to_have_been_cut_short(roomy, tmp_path):
    console = Console(record=True, width=100, file=io.StringIO())
    short = demo.Demo(tmp_path, steps=10**6, minutes=0.001, train_lines=4, test_lines=1, model=roomy)
    demo.run(short, console)
    assert "training stopped at step" in console.export_text()


def test_only_what_is_wrong_is_red():
    seen = [draw_line("abc", 200).rotate(angle, expand=True) for angle in (0, 90, 180, 270)]

    def has_red(before: str) -> bool:
        drawn = demo.draw_cards([demo.Card(seen, "abc", [before] * 4, ["abc"] * 4)])
        red = np.array(ImageColor.getrgb(demo.RED))
        return bool((np.asarray(drawn) == red).all(-1).any())

    assert [has_red(before) for before in ("abc", "abd", "ab", "")] == [False, True, True, True]
