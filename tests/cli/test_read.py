"""`trocr-gsa read`: what comes out, what is left out, and the exit code that says so."""

import json

import pytest
import transformers
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile
from printed_pages import page
from slow_cases import others_slow
from tiny_checkpoint import draw_line

from trocr_gsa.reader import LineReader


def objects(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def test_bare_text_is_one_line_a_picture_in_the_order_given(call, lines, checkpoint):
    files = [lines / "two.png", lines / "one.png"]
    result = call("read", *files)
    expected = [line.text for line in LineReader.from_pretrained(checkpoint).read(files)]
    assert result.exit_code == 0
    assert result.stdout.splitlines() == expected
    assert result.stderr == ""


def test_jsonl_says_source_text_confidences_orientation_and_adapter(call, lines):
    result = call("read", lines / "one.png", "--format", "jsonl")
    (line,) = objects(result.stdout)
    assert list(line) == [
        "source", "text", "confidence", "character_confidence", "orientation", "adapter", "character_confidences",
        "note",
    ]  # fmt: skip
    assert len(line["character_confidences"]) == len(line["text"])
    assert line["adapter"] is line["note"] is None
    assert line["source"] == str(lines / "one.png")
    assert 0 <= line["confidence"] <= 1
    assert line["orientation"] in (0.0, 90.0, 180.0, 270.0)


def test_hidden_files_and_folders_are_read_only_if_they_are_named(call, lines):
    (lines / ".ipynb_checkpoints").mkdir()
    for name in ("._one.png", ".ipynb_checkpoints/two-checkpoint.png"):
        (lines / name).write_bytes((lines / "two.png").read_bytes())
    (lines / ".DS_Store.pdf").write_bytes(b"x")
    result = call("read", lines)
    assert (result.exit_code, len(result.stdout.splitlines()), result.stderr) == (0, 3, "")
    assert len(call("read", lines / ".ipynb_checkpoints").stdout.splitlines()) == 1


def test_a_folder_and_a_pattern_mean_the_pictures_in_them(call, lines):
    named = [str(lines / f"{name}.png") for name in ("one", "three", "two")]
    for words in (lines, lines / "*.png", f"{lines.parent}/**/*.png"):
        result = call("read", words, "--format", "jsonl")
        assert [line["source"] for line in objects(result.stdout)] == named
        assert result.exit_code == 0


def test_turned_pictures_give_the_same_text(call, lines, tmp_path):
    for angle in (90, 180, 270):
        Image.open(lines / "two.png").rotate(angle, expand=True).save(tmp_path / f"{angle}.png")
    result = call("read", lines / "two.png", *(tmp_path / f"{angle}.png" for angle in (90, 180, 270)))
    assert len(set(result.stdout.splitlines())) == 1


@pytest.mark.parametrize("turn", others_slow([0, 90, 180, 270], 0, 90))
def test_a_page_is_named_with_the_way_out_and_the_lines_are_read(call, lines, tmp_path, turn):
    page(7).rotate(turn, expand=True).save(tmp_path / "page.png")
    result = call("read", tmp_path / "page.png", lines / "one.png")
    assert result.exit_code == 1
    assert result.stdout == call("read", lines / "one.png").stdout
    assert f"left out: {tmp_path / 'page.png'}: looks like 7 lines" in result.stderr
    assert "--segment" in result.stderr


def test_a_picture_without_writing_is_an_empty_line_with_a_note_and_no_error(call, lines, tmp_path):
    Image.new("L", (600, 60), 255).save(tmp_path / "blank.png")
    result = call("read", tmp_path / "blank.png", lines / "one.png", "--format", "jsonl")
    empty, line = objects(result.stdout)
    assert result.exit_code == 0
    assert (empty["text"], empty["character_confidences"], line["note"]) == ("", [], None)
    assert result.stderr == f"note: {tmp_path / 'blank.png'}: {empty['note']}\n"
    assert "no writing" in empty["note"]


def test_bad_pictures_are_reported_skipped_and_told_by_the_exit_code(call, lines, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    result = call("read", tmp_path / "broken.png", lines / "one.png", tmp_path / "empty.png", "nowhere.png")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    messages = result.stderr.splitlines()
    assert len(messages) == 3
    for name in ("broken.png", "empty.png", "nowhere.png"):
        assert any(name in message for message in messages)


def save_pages(path, texts, **options):
    first, *others = [draw_line(text, 20 + 10 * len(text)) for text in texts]
    first.save(path, save_all=True, append_images=others, **options)
    return path


@pytest.mark.parametrize("kind", others_slow(["tif", "TIFF", "png"], "png"))
def test_every_page_of_a_tiff_is_read_and_named_as_those_of_a_pdf(call, lines, tmp_path, kind):
    """Whatever the file is called."""
    path = save_pages(tmp_path / f"multi.{kind}", ["abc", "defghijk", "noon"], format="TIFF")
    rows = objects(call("read", path, lines / "one.png", "--format", "jsonl").stdout)
    names = [f"{tmp_path}/multi-000{number}.{kind}" for number in (1, 2, 3)]
    assert [row["source"] for row in rows] == [*names, str(lines / "one.png")]
    alone = call("read", lines / "one.png", lines / "two.png", lines / "three.png").stdout.splitlines()
    assert [row["text"] for row in rows] == [*alone, alone[0]]


def test_pages_of_a_tiff_in_a_folder_go_to_a_file_and_are_kept_when_stopped(call, lines, tmp_path):
    save_pages(lines / "multi.tif", ["abc", "noon"])
    result = call("read", lines, "--output", tmp_path / "text.txt")
    assert (result.exit_code, result.stderr) == (0, "")
    texts = (tmp_path / "text.txt").read_text(encoding="utf-8").splitlines()
    assert len(texts) == 5
    assert texts[:2] == call("read", lines / "one.png", lines / "three.png").stdout.splitlines()


def test_a_damaged_page_is_named_and_the_others_are_read(call, tmp_path):
    path = save_pages(tmp_path / "multi.tif", ["abc", "noon"])
    with Image.open(path) as image:
        image.seek(1)
        assert isinstance(image, TiffImageFile)
        (start,) = image.tag_v2[273]
    path.write_bytes(path.read_bytes()[:start])
    result = call("read", path)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert f"left out: {tmp_path}/multi-0002.tif: the picture is damaged" in result.stderr


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_picture_is_read_and_that_is_said(call, tmp_path, kind):
    path = save_pages(tmp_path / "moving", ["abc", "abc"[::-1]], format=kind)
    result = call("read", path, "--format", "jsonl")
    (line,) = objects(result.stdout)
    assert line["note"] == "it is an animation; only its first frame was read"
    assert (result.exit_code, result.stderr) == (0, f"note: {path}: {line['note']}\n")


def test_output_goes_to_a_file(call, lines, tmp_path):
    result = call("read", lines, "--output", tmp_path / "text.txt")
    assert result.stdout == ""
    assert (tmp_path / "text.txt").read_text(encoding="utf-8") == call("read", lines).stdout


def test_the_orientation_can_be_told(call, lines):
    for words, angles in (("upright", {0.0}), ("90", {90.0}), ("90,270", {90.0, 270.0}), ("90:0.9,270:0.1", {90, 270})):
        result = call("read", lines, "--format", "jsonl", "--orientation", words)
        assert {line["orientation"] for line in objects(result.stdout)} <= angles


def test_more_files_than_a_window_come_in_order(call, tmp_path, monkeypatch):
    monkeypatch.setattr("trocr_gsa.cli.read_lines.WINDOW", 2)
    for number in range(5):
        draw_line("x" * number, 30 + 10 * number).save(tmp_path / f"{number}.png")
    result = call("read", tmp_path, "--format", "jsonl")
    assert [line["source"][-5] for line in objects(result.stdout)] == list("01234")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--orientation", "sideways"], "`--orientation`"),
        (["--orientation", "45"], "`orientation`"),
        (["--model", "/nowhere"], "`model`: there is no folder /nowhere"),
        (["--adapter", "/nowhere"], "`adapter`: there is no folder /nowhere"),
        (["--device", "abacus"], "`device` abacus"),
        (["--output", "/nowhere/text.txt"], "`--output`"),
        (["*.nothing"], "contains no picture"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_code_2(call, lines, words, complaint):
    result = call("read", lines, *words)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.output


def test_an_archive_has_to_be_unpacked(call, tmp_path):
    path = tmp_path / "export.zip"
    path.write_bytes(b"PK\x03\x04")
    result = call("read", path)
    assert result.exit_code == 2
    assert result.stderr == f"error: `pictures`: {path} is an archive. Unpack it, and name the folder.\n"


@pytest.mark.parametrize("beams", [1, 2])
def test_a_transformers_that_ignores_the_cache_is_one_line_and_not_a_wrong_text(call, lines, beams, monkeypatch):
    monkeypatch.setattr("trocr_gsa.model.fused_decoder.CACHE", "name_of_another_version")
    result = call("read", lines, "--beams", beams)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert f"transformers {transformers.__version__} does not use" in result.stderr


@pytest.mark.parametrize("words", [["read"], ["read", "x.png", "--format", "xml"], ["read", "x.png", "--beams", "-1"]])
def test_a_word_missing_or_unknown_is_exit_code_2(call, words):
    assert call(*words).exit_code == 2
