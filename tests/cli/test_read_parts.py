"""`trocr-gsa read --output`, stopped and called again: nothing is read twice, nothing of another run is mixed in."""

import json

import pytest
from slow_cases import others_slow
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.reader import LineReader


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(7):
        draw_line("abcdefg"[: number + 1], 30 + 10 * number).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def readings(monkeypatch):
    """Every file that is read, in windows of two; `stop` at a window interrupts there."""
    read, seen = LineReader.read, Readings()

    def counted(reader, files, *args, **kwargs):
        if seen.stop is not None and len(seen) >= seen.stop:
            raise KeyboardInterrupt
        seen.extend(files)
        return read(reader, files, *args, **kwargs)

    monkeypatch.setattr("trocr_gsa.cli.read_lines.WINDOW", 2)
    monkeypatch.setattr(LineReader, "read", counted)
    return seen


class Readings(list):
    stop: int | None = None


def stopped_after(call, readings, count, *words):
    readings.stop = count
    assert call(*words).exit_code == 130  # what a shell calls an interrupt
    readings.stop = None


@pytest.mark.parametrize("format", others_slow(["text", "jsonl", "csv"], "jsonl"))
def test_a_stopped_reading_goes_on_without_reading_twice(call, pictures, readings, tmp_path, format):
    output = tmp_path / "out"
    words = ["read", pictures, "--format", format, "--output", output]
    stopped_after(call, readings, 4, *words)
    assert not output.exists()
    result = call(*words)
    assert result.exit_code == 0
    assert result.stderr == "read before and kept: 4 pictures; --overwrite reads them again\n"
    assert readings == [str(pictures / f"{number}.png") for number in range(7)]
    assert output.read_text(encoding="utf-8") == call("read", pictures, "--format", format).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pictures"]


def test_overwrite_begins_anew(call, pictures, readings, tmp_path):
    words = ["read", pictures, "--output", tmp_path / "out"]
    stopped_after(call, readings, 4, *words)
    result = call(*words, "--overwrite")
    assert (result.exit_code, result.stderr, len(readings)) == (0, "", 4 + 7)


def test_torn_lines_are_read_again(call, pictures, readings, tmp_path):
    output = tmp_path / "out"
    stopped_after(call, readings, 4, "read", pictures, "--output", output)
    (part,) = (tmp_path / "out.parts").iterdir()
    part.write_bytes(part.read_bytes()[:-20])
    (tmp_path / "out.parts" / "begun.jsonl").write_text('{"run": {"pict')
    (tmp_path / "out.parts" / "empty.jsonl").write_text("")
    del readings[:]
    assert call("read", pictures, "--output", output).exit_code == 0
    assert readings == [str(pictures / f"{number}.png") for number in range(3, 7)]
    assert output.read_text(encoding="utf-8") == call("read", pictures).stdout


def test_bad_pictures_are_named_once_a_run_and_tried_again(call, pictures, readings, tmp_path):
    (pictures / "1.png").write_bytes(b"no picture")
    (pictures / "5.png").write_bytes(b"no picture")
    output = tmp_path / "out"
    stopped_after(call, readings, 4, "read", pictures, "--output", output)
    draw_line("x").save(pictures / "5.png")
    result = call("read", pictures, "--output", output)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [line for line in result.stderr.splitlines() if "1.png" in line]
    assert len(result.stderr.splitlines()) == 2
    assert len(output.read_text(encoding="utf-8").splitlines()) == 6


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--format", "csv"], "format"),
        pytest.param(["--beams", "2"], "beams", marks=pytest.mark.slow),
        pytest.param(["--precision", "int8"], "precision", marks=pytest.mark.slow),
        pytest.param(["--orientation", "upright"], "orientation", marks=pytest.mark.slow),
        (["--model", "{other}"], "model"),
        (["{other}.png"], "pictures"),
    ],
)
def test_parts_of_another_run_are_refused(call, pictures, readings, tmp_path, words, what):
    save_checkpoint(tmp_path / "other", encoder_num_frequencies=4)
    draw_line("x").save(tmp_path / "other.png")
    output = tmp_path / "out"
    stopped_after(call, readings, 4, "read", pictures, "--output", output)
    result = call("read", pictures, "--output", output, *(word.format(other=tmp_path / "other") for word in words))
    assert result.exit_code == 2
    (message,) = result.stderr.splitlines()
    assert f"started with another {what}" in message
    assert "out.parts" in message
    assert "--overwrite" in message
    assert call("read", pictures, "--output", output).exit_code == 0  # and they are still whole


def test_other_weights_under_the_same_name_are_another_run(call, pictures, readings, tmp_path):
    model, output = save_checkpoint(tmp_path / "model"), tmp_path / "out"
    words = ["read", pictures, "--model", model, "--output", output]
    stopped_after(call, readings, 4, *words)
    save_checkpoint(model, encoder_num_frequencies=4)
    assert "started with another model" in call(*words).stderr


def test_a_file_that_is_no_part_is_refused(call, pictures, tmp_path):
    (tmp_path / "out.parts").mkdir()
    (tmp_path / "out.parts" / "mine.jsonl").write_text(json.dumps(["mine"]) + "\n")
    result = call("read", pictures, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "mine.jsonl is not a part file of a run" in result.stderr


def test_a_reader_that_cannot_be_loaded_leaves_nothing_behind(call, pictures, tmp_path):
    assert call("read", pictures, "--model", "/nowhere", "--output", tmp_path / "out").exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_the_output_may_be_no_file(call, pictures):
    assert call("read", pictures, "--output", "/dev/null").exit_code == 0


def test_several_processes_need_a_place_for_each_ones_lines(call, pictures, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = call("read", pictures)
    assert result.exit_code == 2
    assert result.stderr == "error: `--output`: several processes would mix their lines. Add --output FILE.\n"
