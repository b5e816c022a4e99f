"""`trocr-gsa read --language-model`: passed on to lines and pages, recorded, and refused where it is of no use."""

import hashlib

import pytest
from lxml import etree
from page_makers import make_folder

from trocr_gsa.data.line import Line
from trocr_gsa.reader.language_model import CharacterModel

TEXT = "the cat on the mat\n"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def chooses(monkeypatch):
    """A reader whose text tells which language model it was given."""

    def read(self, images, *_, language_model=None, **__):
        usual = "alone" if language_model is None else f"{language_model.log_p('the mat'):.6f}"
        return [Line(usual, 0.5, 0.0, str(getattr(image, "filename", image))) for image in images]

    monkeypatch.setattr("trocr_gsa.reader.LineReader.read", read)
    return f"{CharacterModel(TEXT).log_p('the mat'):.6f}"


def test_lines_are_read_with_it_only_when_it_is_given(call, lines, text, chooses):
    images = lines / "*.png"
    assert call("read", images).stdout.split() == ["alone"] * 3
    result = call("read", images, "--language-model", text)
    assert (result.exit_code, result.stdout.split()) == (0, [chooses] * 3)


def test_pages_are_read_with_it_and_say_so(call, text, chooses, tmp_path):
    make_folder(tmp_path / "in", "page", [["one", "two"]])
    ask = ("read", tmp_path / "in", "--format", "page", "--language-model", text, "--output-dir", tmp_path / "out")
    assert call(*ask).exit_code == 0
    root = etree.parse(tmp_path / "out" / "0001.xml")
    assert [each.text for each in root.iterfind(".//{*}TextLine/{*}TextEquiv/{*}Unicode")] == [chooses] * 2
    labels = {label.get("type"): label.get("value") for label in root.iterfind(".//{*}MetadataItem//{*}Label")}
    assert labels["language model"] == f"text.txt with SHA-256 {hashlib.sha256(TEXT.encode()).hexdigest()}"


@pytest.mark.usefixtures("chooses")
def test_a_run_with_another_text_is_another_run(call, lines, text, tmp_path, monkeypatch):
    ask = ("read", lines / "*.png", "--output", tmp_path / "out.txt", "--language-model", text)
    with monkeypatch.context() as stopped:
        stopped.setattr("trocr_gsa.reader.parts.Parts.merge", lambda *_: pytest.fail("stopped"))
        with pytest.raises(pytest.fail.Exception, match="stopped"):
            call(*ask)
    text.write_text("another text")
    result = call(*ask)
    assert result.exit_code == 2
    assert "started with another language model: text.txt with SHA-256" in result.stderr


@pytest.mark.parametrize(
    ("content", "problem"), [(b"", "must have 1 to"), (b"\xfcber", "is not UTF-8"), (None, "cannot be read: No such")]
)
def test_a_text_that_cannot_be_used_is_refused_before_anything_is_read(call, lines, tmp_path, content, problem):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    result = call("read", lines / "*.png", "--language-model", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"`language_model`: {path} {problem}" in result.stderr


def test_a_reader_that_cannot_choose_says_so(call, lines, text):
    result = call("read", lines / "*.png", "--language-model", text)  # the tiny reader has no CTC head
    assert (result.exit_code, result.stdout) == (2, "")
    assert "`language_model` needs a reader whose CTC head drafts" in result.stderr
