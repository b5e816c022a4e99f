"""`trocr-gsa evaluate --report`: the page is there, or one line says why it cannot be."""

import json
import os
import tempfile

import pytest
from tiny_adapters import save_adapter
from typer.testing import CliRunner

from trocr_gsa.cli.app import app


@pytest.fixture
def call(checkpoint, monkeypatch):
    """Run `trocr-gsa evaluate` with the tiny reader."""
    monkeypatch.setattr("trocr_gsa.checkpoints.models.PACKAGED_CHECKPOINT", checkpoint)
    return lambda *words: CliRunner().invoke(app, ["evaluate", *map(str, words)], catch_exceptions=False)


def test_the_page_says_what_the_numbers_do(call, lines, tmp_path):
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    (lines / "test" / "two.png").write_bytes(b"no picture")
    result = call(lines, "--angles", "0,45", "--report", page, "--json", numbers)
    assert result.exit_code == 1
    text = page.read_text(encoding="utf-8")
    row = json.loads(numbers.read_text())["rows"][0]
    assert f"{100 * row['cer']:.1f} %" in text
    assert "2 lines of one document" in text
    assert "Read at 0°, 45°; other angles were not." in text
    assert "two.png" in text.partition("Left out, as they cannot be read, 1:")[2]
    assert text.count("data:image/jpeg;base64,") == 2


def test_adapters_stand_beside_the_model_alone(call, lines, checkpoint, tmp_path):
    words = []
    for name, rank in (("fr", 4), ("de", 2)):
        words += ["--adapter", f"{name}={save_adapter(checkpoint, tmp_path / name, rank=rank, seed=rank)}"]
    assert call(lines, "--angles", "0", "--report", tmp_path / "page.html", *words).exit_code == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in ("Side by side", "Differences are to “the model alone”", "Adapter fr", '<th scope="row">de</th>'):
        assert words in text


def test_one_adapter_is_named(call, lines, checkpoint, tmp_path):
    adapter = save_adapter(checkpoint, tmp_path / "fr")
    assert call(lines, "--angles", "0", "--report", tmp_path / "page.html", "--adapter", adapter).exit_code == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"with {adapter}" in text
    assert "Side by side" not in text


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("nowhere/page.html", "there is no folder"),
        ("lines", "is a directory"),
        ("file/page.html", "there is no folder"),
    ],
)
def test_a_page_that_has_no_place_is_refused_before_anything_is_read(call, lines, tmp_path, path, complaint):
    (tmp_path / "file").write_text("")
    result = call(lines, "--report", tmp_path / path)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""


def test_a_folder_that_may_not_be_written_is_refused_before_anything_is_read(call, lines, tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    result = call(lines, "--report", tmp_path / "page.html")
    assert result.exit_code == 2
    assert "`--report`" in result.stderr
    assert "cannot be written: Permission denied" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_may_not_be_changed_is_refused_and_left_as_it_is(call, lines, tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    page.write_text("old")
    monkeypatch.setattr("os.access", lambda path, mode: path != page or mode != os.W_OK)
    result = call(lines, "--report", page)
    assert result.exit_code == 2
    assert "it is write-protected" in result.stderr
    assert page.read_text() == "old"
