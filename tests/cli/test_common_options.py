"""What every command shares: version, help, completion, `-q`, `-v`, standard input."""

import inspect
import io
import json
import logging
import os
import warnings

import pytest
import typer
from rich.text import Text
from tiny_checkpoint import draw_line
from typer.testing import CliRunner

from trocr_gsa.cli.app import app
from trocr_gsa.cli.command import help_of
from trocr_gsa.data.provenance import own_version
from trocr_gsa.reader import LineReader

COMMANDS = sorted(each.name or each.callback.__name__ for each in app.registered_commands)


def png(text, width=60):
    stream = io.BytesIO()
    draw_line(text, width).save(stream, "PNG")
    return stream.getvalue()


def test_version_is_printed(call):
    result = call("--version")
    assert (result.exit_code, result.stdout) == (0, f"trocr-gsa {own_version()}\n")


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_h_is_help(call, name):
    words = [] if name is None else [name]
    short, long = call(*words, "-h"), call(*words, "--help")
    assert (short.exit_code, short.stdout) == (0, long.stdout)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_text_of_help_loses_its_brackets(name):
    command = typer.main.get_command(app).commands[name]
    (function,) = [each.callback for each in app.registered_commands if (each.name or each.callback.__name__) == name]
    assert Text.from_markup(command.help).plain == inspect.getdoc(function)
    for option in command.params:
        assert Text.from_markup(option.help or "").plain == (option.help or ""), option.name


def test_brackets_are_shown_in_help(call):
    def needs_more():
        """Needs trocr-gsa[demo]."""

    assert Text.from_markup(help_of(needs_more)).plain == "Needs trocr-gsa[demo]."
    assert Text.from_markup(needs_more.__doc__).plain != "Needs trocr-gsa[demo]."  # the control
    assert "trocr-gsa[demo]" in call("serve", "--help").stdout
    assert "trocr-gsa[onnx]" in call("export", "--help").stdout


def test_a_set_whose_name_has_brackets_is_printed_whole(call, lines, monkeypatch):
    folder = lines.rename(lines.with_name("a[bold]b:smile:"))
    monkeypatch.chdir(folder.parent)
    assert folder.name in call("evaluate", folder.name, "--angles", "0").stdout


def test_completion_is_offered_for_the_shell():
    runner = CliRunner(env={"_TROCR_GSA_COMPLETE": "complete_bash", "COMP_WORDS": "trocr-gsa ev", "COMP_CWORD": "1"})
    assert runner.invoke(app, [], prog_name="trocr-gsa").stdout.split() == ["evaluate"]


def test_a_picture_comes_from_standard_input(call, lines):
    (expected,) = map(json.loads, call("read", lines / "one.png", "--format", "jsonl").stdout.splitlines())
    ran = CliRunner().invoke(app, ["read", "-", "--format", "jsonl"], input=(lines / "one.png").read_bytes())
    assert ran.exit_code == 0
    assert json.loads(ran.stdout) == expected | {"source": "-"}


def test_standard_input_goes_together_with_files_and_a_queue(lines, tmp_path):
    words = ["read", str(lines / "two.png"), "-", "--format", "csv", "--queue", "2", "--queue-dir", str(tmp_path / "q")]
    ran = CliRunner().invoke(app, words, input=png("abc"), catch_exceptions=False)
    assert [row.split(",")[0] for row in ran.stdout.splitlines()[1:]] == [str(lines / "two.png"), "-"]
    assert len(list((tmp_path / "q").glob("*.png"))) == 2


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_standard_input_without_a_picture_is_named(content):
    ran = CliRunner().invoke(app, ["read", "-"], input=content)
    assert ran.exit_code == 1
    assert "left out: -: " in ran.stderr


def test_standard_input_is_no_page(call):
    result = call("read", "-", "--segment")
    assert result.exit_code == 2
    assert "`pictures`: - " in result.stderr


def test_a_file_named_like_standard_input_is_found_by_its_path(call, lines, monkeypatch):
    monkeypatch.chdir(lines)
    os.rename("one.png", "-")
    assert call("read", "./-").exit_code == 0


def test_quiet_leaves_results_and_problems_alone(call, lines):
    draw_line("", 60).save(lines / "one.png")  # nothing is written there: a note
    (lines / "two.png").write_bytes(b"no picture")
    normal, quiet = call("read", lines), call("read", lines, "-q")
    assert normal.stdout == quiet.stdout
    assert "note: " in normal.stderr
    assert "note: " not in quiet.stderr
    assert "left out: " in quiet.stderr


def test_quiet_ends_with_its_command(call, lines):
    draw_line("", 60).save(lines / "one.png")
    call("read", lines / "one.png", "-q")
    assert "note: " in call("read", lines / "one.png").stderr


def test_quiet_and_verbose_exclude_each_other(call, lines):
    result = call("read", lines, "-q", "-v")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_verbose_shows_where_an_error_arose(call, tmp_path):
    words = ["read", tmp_path / "missing", "--orientation", "sideways"]
    verbose, normal = call(*words, "-v"), call(*words)
    assert verbose.exit_code == normal.exit_code == 2
    assert "parse_orientation" in verbose.stderr
    assert "parse_orientation" not in normal.stderr
    assert normal.stderr.splitlines()[-1] == verbose.stderr.splitlines()[-1]


@pytest.mark.parametrize("category", [UserWarning, FutureWarning])
def test_warnings_of_libraries_are_silenced(call, lines, monkeypatch, category):
    read = LineReader.read

    def warn(self, *words, **named):
        for module in ("peft.tuners.tuners_utils", "transformers.modeling_utils", "PIL.TiffImagePlugin"):
            warnings.warn_explicit("look", category, "file.py", 1, module)
        logging.getLogger("transformers.modeling_utils").warning("loading")
        return read(self, *words, **named)

    monkeypatch.setattr(LineReader, "read", warn)
    result = call("read", lines / "one.png")
    assert (result.exit_code, result.stderr) == (0, "")
