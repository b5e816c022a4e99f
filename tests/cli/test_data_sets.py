"""Data sets with something wrong: what the commands say of it, and how they end."""

import json
import os
import shutil

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
    written = ["--json", tmp_path / "x.json", "--report", tmp_path / "x.html"]
    assert call("evaluate", folder, "--angles", "0", *written).exit_code == 0
    assert r"L\\udce4nge" in (tmp_path / "x.json").read_text(encoding="utf-8")
    for format in ("text", "jsonl", "csv"):
        result = call("read", folder, "--format", format)
        assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2 if format == "csv" else 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["read", "nowhere"], "`pictures`: there is no folder or file nowhere"),
        (["read", "nowhere/"], "`pictures`: there is no folder or file nowhere/"),
        (["read", "scans.v2/"], "`pictures`: there is no folder or file scans.v2/"),
        (["read", "{lines}", "nowhere"], "`pictures`: there is no folder or file nowhere"),
        (["read", "nowhere", "--segment"], "`pictures`: there is no folder or file nowhere"),
        (["read", "{lines}", "--model", "nowhere/"], "`model`: there is no folder nowhere"),
        (["read", "{lines}", "--adapter", "lines/nowhere"], "`adapter`: there is no folder lines/nowhere"),
        (["read", "{lines}", "--adapter", "a=nowhere/"], "`adapter`: there is no folder nowhere"),
        (["evaluate", "nowhere/"], "`source`: there is no folder or file nowhere/"),
        (["evaluate", "{lines}", "--model", "lines/nowhere"], "`model`: there is no folder lines/nowhere"),
        (["compile", "lines/nowhere", "out.parquet"], "`source`: there is no folder or file lines/nowhere"),
        (["finetune", "train=nowhere/"], "`train`: there is no folder or file nowhere"),
        (["finetune", "train={lines}", "validation=lines/nowhere"], "`validation`: there is no folder or file lines/"),
        (["finetune", "train={lines}", "model=nowhere"], "`model`: there is no folder nowhere"),
        (["convert", "nowhere/", "out"], "`source`: there is no folder nowhere/"),
        (
            ["convert", "{lines}", "out", "--teach-orientation", "nowhere"],
            "`pictures`: there is no folder or file nowhere",
        ),
        (["check", "--model", "nowhere"], "`model`: there is no folder nowhere"),
        (["export", "nowhere", "out"], "`model`: there is no folder nowhere"),
        (["adapters", "nowhere"], "`folder`: there is no folder nowhere"),
        (["push", "nowhere", "owner/name", "--dry-run", "out"], "`folder`: there is no folder nowhere"),
    ],
)
def test_a_mistyped_folder_is_told_before_a_model_is_loaded(call, lines, monkeypatch, words, said):
    monkeypatch.chdir(lines.parent)
    for loads in ("trocr_gsa.checkpoints.models.load_model", "trocr_gsa.checkpoints.loading.load_model"):
        monkeypatch.setattr(loads, None)  # not called
    result = call(*(word.format(lines=lines) for word in words))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {said}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["read", "PICTURE", "--output", "PICTURE"],
        ["read", "LINES", "--output", "PICTURE"],
        ["read", "LINES", "--output", "LINK"],
        ["read", "PICTURE", "--output", "PICTURE", "--format", "jsonl", "--overwrite"],
        ["read", "TABLE", "PICTURE", "--output", "TABLE"],
        ["evaluate", "LINES", "--json", "PICTURE"],
        ["evaluate", "TABLE", "--json", "TABLE"],
        ["compile", "TABLE", "TABLE"],
    ],
)
def test_an_output_never_replaces_an_input(call, lines, tmp_path, words):
    table, link = tmp_path / "lines.parquet", tmp_path / "link.bin"
    call("compile", lines, table)
    link.symlink_to(lines / "one.png")
    before = {path: path.read_bytes() for path in (lines / "one.png", table)}
    names = {"PICTURE": lines / "one.png", "LINES": lines, "LINK": link, "TABLE": table}
    result = call(*(names.get(word, word) for word in words))
    assert result.exit_code == 2
    assert "would be overwritten. Choose another file." in result.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_pictures_of_other_kinds_in_a_folder_are_noted(call, lines):
    for name in ("photo.HEIC", "deep/scan.jxl", "book.pdf"):
        (lines / name).parent.mkdir(exist_ok=True)
        (lines / name).write_bytes(b"x")
    result = call("read", lines)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3)
    assert f"note: {lines}: 3 files are not read (.heic, .jxl, .pdf), the first is {lines}/book.pdf" in result.stderr
    assert "not read" not in call("read", lines / "one.png").stderr


def test_numbers_and_report_need_a_file_each(call, lines, tmp_path):
    result = call("evaluate", lines, "--json", tmp_path / "x", "--report", tmp_path / "x")
    assert result.exit_code == 2
    assert "`--json` and `--report` are both" in result.stderr


def test_a_slash_behind_a_folder_changes_nothing(call, lines, checkpoint, tmp_path):
    numbers = []
    for slash in ("", "/"):
        file = tmp_path / "numbers.json"
        call("evaluate", f"{lines}{slash}", "--angles", "0", "--model", f"{checkpoint}{slash}", "--json", file)
        told = json.loads(file.read_text())
        numbers.append([told["model"], told["adapter"], [(row["name"], row["cer"]) for row in told["rows"]]])
    assert numbers[0] == numbers[1]


def test_a_stopped_reading_goes_on_with_a_slash_behind_its_folders(call, lines, checkpoint, tmp_path):
    words = ["--output", tmp_path / "out.txt", "--model"]
    (lines / "one.png").rename(lines / "one.away")
    (lines / "one.png").write_bytes(b"no picture")
    assert call("read", lines, *words, checkpoint).exit_code == 1
    parts = list(tmp_path.glob("out.txt.parts"))
    again = call("read", f"{lines}/", *words, f"{checkpoint}/")
    assert "was started with another" not in again.stderr
    assert again.exit_code == 1
    assert parts == list(tmp_path.glob("out.txt.parts"))


def test_texts_to_render_are_read_with_a_mark_and_named_in_another_encoding(call, tmp_path):
    text = tmp_path / "text.txt"
    text.write_bytes("Mühe\n".encode("utf-16"))
    assert call("render", tmp_path / "out", "--count", "1", "--text", text).exit_code == 0
    text.write_bytes("gut\nMühe\n".encode("latin-1"))
    result = call("render", tmp_path / "other", "--count", "1", "--text", text)
    assert result.exit_code == 2
    assert f"{text} line 2 is not UTF-8. Save it as UTF-8" in result.stderr


def test_lines_are_not_drawn_into_a_folder_with_pairs(call, tmp_path):
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "one.gt.txt").write_text("text")
    result = call("render", tmp_path / "pairs", "--count", "1")
    assert result.exit_code == 2
    assert "already contains lines" in result.stderr


@pytest.mark.parametrize("key", ["train", "validation"])
def test_a_bad_row_is_named_and_the_rest_learnt_from(call, lines, tmp_path, key):
    bad = tmp_path / "bad"
    shutil.copytree(lines, bad)
    with (bad / "metadata.jsonl").open("a") as metadata:
        metadata.write('{"file_name": "gone.png", "text": "a"}\n{"file_name": "one.png"}\n')
    words = [
        f"train={lines}",
        f"{key}={bad}",
        f"output={tmp_path / 'run'}",
        "max_steps=1",
        "eval_every=1",
        "device=cpu",
    ]
    result = call("finetune", *words)
    assert result.exit_code == 1
    assert "1 steps in" in result.stdout
    assert f"left out: {bad}: gone.png: no such file" in result.stderr
    assert f"left out: {bad}: metadata.jsonl line 5: the field 'text' is missing" in result.stderr
