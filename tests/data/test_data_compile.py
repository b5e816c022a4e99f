import pickle

import numpy as np
import pytest
from line_makers import lines_in_memory, picture
from PIL import Image

from trocr_gsa.data import AugmentedLines, RenderedLines, compile_lines, open_source
from trocr_gsa.data.stored import ParquetPictures, Record, StoredLines


def smooth(width, height):
    ramp = np.linspace(0, 255, width)[None] * np.linspace(0.5, 1, height)[:, None]
    return Image.fromarray(ramp.astype(np.uint8))


def test_compiled_lines_come_back(tmp_path, renderer):
    source = RenderedLines(renderer, 12)
    report = compile_lines(source, tmp_path / "lines.parquet")
    assert (report.lines, report.problems) == (12, ())
    back = open_source(report.path)
    for sent, got in zip(source, back, strict=True):
        assert (got.text, got.name, got.document) == (sent.text, sent.name, sent.document)
        assert got.image.size == sent.image.size
        difference = np.abs(np.asarray(got.image, dtype=int) - np.asarray(sent.image, dtype=int))
        assert difference.mean() < 6  # JPEG


def test_large_pictures_shrink_to_the_line_height_and_small_ones_stay(tmp_path):
    pictures = [smooth(900, 96), smooth(96, 900), smooth(200, 30)]
    lines = StoredLines([Record(i, "text", str(i)) for i in range(3)], pictures, (), "memory")
    back = open_source(compile_lines(lines, tmp_path / "lines.parquet", line_height=48).path)
    assert back.sizes() == [(450, 48), (48, 450), (200, 30)]


def test_the_angle_comes_back(tmp_path):
    lines = lines_in_memory(["turned"], angle=90.0)
    assert open_source(compile_lines(lines, tmp_path / "lines.parquet").path)[0].angle == 90.0


def test_equal_names_from_several_sources_are_all_kept(tmp_path):
    lines = StoredLines([Record(i, "text", "00001.png") for i in range(2)], [picture(), picture(seed=1)], (), "memory")
    assert len(open_source(compile_lines(lines, tmp_path / "lines.parquet").path)) == 2


def test_more_lines_than_one_group_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr("trocr_gsa.data.compile.GROUP_ROWS", 3)
    texts = [f"line {i}" for i in range(8)]
    assert open_source(compile_lines(lines_in_memory(texts), tmp_path / "lines.parquet").path).texts() == texts


def test_a_damaged_picture_is_reported_and_left_out(tmp_path, imagefolder):
    damaged = imagefolder / "train" / "2.png"
    damaged.write_bytes(damaged.read_bytes()[:3000])
    report = compile_lines(open_source(imagefolder), tmp_path / "lines.parquet")
    assert report.lines == 5
    assert report.problems[0].startswith("2.png: the picture is damaged")


def test_a_failure_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    out = compile_lines(lines_in_memory(["old"]), tmp_path / "lines.parquet").path

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trocr_gsa.data.compile.encode", full)
    with pytest.raises(OSError, match="No space left"):
        compile_lines(lines_in_memory(["new"]), out)
    assert open_source(out).texts() == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["lines.parquet"]


def test_a_wrong_suffix_or_height_is_refused(tmp_path):
    lines = lines_in_memory(["text"])
    with pytest.raises(ValueError, match=r"`out` must end in \.parquet"):
        compile_lines(lines, tmp_path / "lines.zip")
    with pytest.raises(ValueError, match="`line_height` must be at least 16"):
        compile_lines(lines, tmp_path / "lines.parquet", line_height=3)


def test_pictures_travel_to_another_process_as_a_path(tmp_path):
    out = compile_lines(lines_in_memory(["one", "two"]), tmp_path / "lines.parquet").path
    sent = pickle.dumps(ParquetPictures(str(out), "image"))
    assert len(sent) < 500
    assert pickle.loads(sent)[1] == ParquetPictures(str(out), "image")[1]


@pytest.mark.parametrize("content", [b"", b"no table any more", bytes(10**6)])
def test_lines_stay_what_they_were_when_their_table_is_written_over(tmp_path, content):
    out = compile_lines(lines_in_memory(["one", "two"]), tmp_path / "lines.parquet").path
    back = open_source(out)
    before = [sample.image.tobytes() for sample in back]
    out.write_bytes(content)
    assert [sample.image.tobytes() for sample in back] == before


def test_compiled_lines_can_be_augmented(tmp_path):
    back = open_source(compile_lines(lines_in_memory(["one"]), tmp_path / "lines.parquet").path)
    assert AugmentedLines(back)[0].text == "one"
