"""Data sets with something wrong: what the commands say of it, and how they end."""

import os

import pytest


def test_a_bad_row_is_named_and_the_rest_compiled(call, lines, tmp_path):
    with (lines / "metadata.jsonl").open("a") as metadata:
        metadata.write(
            "[" * 50_000 + '\n{"file_name": "../x.png", "text": "a"}\n' + '{"file_name": "%s"}\n' % ("x" * 300)
        )
    result = call("compile", lines, tmp_path / "lines.parquet")
    assert result.exit_code == 1
    assert result.stdout.startswith("3 lines in ")
    assert len(result.stderr.splitlines()) == 3
    assert result.stderr.count("left out: ") == 3


@pytest.mark.parametrize("command", ["compile", "evaluate"])
def test_letters_that_nobody_sees_are_noted_and_kept(call, lines, tmp_path, command):
    metadata = lines / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("abc", "a\u200bc"))
    words = ["--angles", "0"] if command == "evaluate" else [tmp_path / "lines.parquet"]
    result = call(command, lines, *words)
    assert result.exit_code == 0
    assert [line for line in result.stderr.splitlines() if "U+200B ZERO WIDTH SPACE" in line and "note: " in line]


def test_pictures_whose_names_are_not_utf8_are_read_and_compiled(call, lines, tmp_path):
    folder = lines.parent / os.fsdecode(b"L\xe4nge")
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9")
    os.rename(lines / "one.png", folder / f"{name}.png")
    (folder / f"{name}.gt.txt").write_text("abc")
    result = call("compile", folder, tmp_path / "lines.parquet")
    assert (result.exit_code, result.stdout.split()[0]) == (0, "1")
    assert call("evaluate", folder, "--angles", "0").exit_code == 0
