"""Progress and Ctrl-C: what the commands say while they run, and when they are stopped."""

import io
import json

import pytest
from rich.console import Console
from tiny_checkpoint import draw_line

from trocr_gsa.cli import messages
from trocr_gsa.cli import progress as shown
from trocr_gsa.cli.progress import Meter, progress
from trocr_gsa.data.synthetic.render import LineRenderer
from trocr_gsa.reader import LineReader

PAGE = """<?xml version="1.0"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Page imageFilename="{name}.png" imageWidth="60" imageHeight="40"><TextRegion id="r"><Coords points="0,0 60,0 60,40"/>
<TextLine id="l"><Coords points="0,0 59,0 59,39 0,39"/></TextLine></TextRegion></Page></PcGts>"""


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(shown, "time", clock)
    return clock


@pytest.fixture
def terminal(monkeypatch):
    """Make standard error a terminal; return what is written there."""
    screen = io.StringIO()
    monkeypatch.setattr(shown, "Console", lambda stderr: Console(file=screen, force_terminal=True, width=100))
    return screen


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    for name in ("a", "b", "c"):
        draw_line("abc", 60).resize((60, 40)).save(folder / f"{name}.png")
        (folder / f"{name}.xml").write_text(PAGE.format(name=name))
    return folder


def interrupting(times):
    """A function that raises KeyboardInterrupt at its n-th call, and before that does what another one does."""
    calls = []

    def wrap(function):
        def call(*words, **named):
            calls.append(1)
            if len(calls) == times:
                raise KeyboardInterrupt
            return function(*words, **named)

        return call

    return wrap


def test_amount_speed_and_time_left_are_told(clock):
    meter = Meter("reading", 100)
    clock.now = 10.0
    meter.advance(40)
    assert meter.summary() == "reading: 40 of 100 lines, 4.0 lines/s, 0:00:15 left"


def test_pages_count_their_lines(clock):
    meter = Meter("reading", 4, "pages")
    clock.now = 10.0
    meter.update(lines=30)
    meter.update(1)
    assert meter.summary() == "reading: 1 of 4 pages, 3.0 lines/s, 0:00:30 left"


def test_nothing_is_left_at_the_end_and_unknown_at_the_beginning(clock):
    meter = Meter("reading", 2)
    assert "left" not in meter.summary()
    clock.now = 1.0
    meter.advance(2)
    assert "left" not in meter.summary()


def test_without_a_terminal_a_line_is_printed_every_30_seconds(clock, capsys):
    with progress("reading", 200) as meter:
        for second in range(1, 100):
            clock.now = float(second)
            meter.advance()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line.split(",")[0] for line in printed.err.splitlines()] == [
        f"reading: {second} of 200 lines" for second in (30, 60, 90)
    ]


def test_a_short_run_prints_no_progress(call, lines):
    assert call("read", lines).stderr == ""


@pytest.mark.parametrize("is_first", [True, False])
def test_quiet_commands_and_further_processes_print_no_progress(clock, capsys, monkeypatch, is_first):
    if is_first:
        monkeypatch.setattr(messages, "_verbosity", messages.Verbosity.QUIET)
    with progress("reading", 2, is_first=is_first) as meter:
        clock.now = 31.0
        meter.advance()
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_that_disappears(terminal):
    with progress("reading", 2) as meter:
        meter.advance()
        meter.bar.refresh()
    written = terminal.getvalue()
    assert "1 of 2 lines" in written
    assert written.rindex("\x1b[2K") > written.rindex("1 of 2 lines")  # the line is erased


def test_a_message_is_printed_above_the_bar(terminal):
    with progress("reading", 2):
        messages.say("left out: a[bold]b.png")
    assert "\r\x1b[2Kleft out: a[bold]b.png" in terminal.getvalue()


def test_names_with_brackets_are_drawn_whole(terminal):
    with progress("reading a[bold]b", 2) as meter:
        meter.bar.refresh()
    assert "a[bold]b" in terminal.getvalue()


def test_results_on_the_same_terminal_are_the_progress(terminal, monkeypatch, clock):
    monkeypatch.setattr(shown.sys.stdout, "isatty", lambda: True, raising=False)
    with progress("reading", 2, prints_results=True) as meter:
        clock.now = 31.0
        meter.advance()
    assert terminal.getvalue() == ""


def test_the_reader_counts_every_picture_once(checkpoint, lines):
    (lines / "two.png").write_bytes(b"no picture")
    reader, counts = LineReader.from_pretrained(checkpoint, device="cpu"), []
    read = reader.read([lines / f"{name}.png" for name in ("one", "two", "three")], batch_size=1, advance=counts.append)
    assert len(read) == 3
    assert (len(counts) > 1, sum(counts)) == (True, 3)


def test_a_stopped_reading_says_where_its_lines_are_and_continues(call, lines, tmp_path, monkeypatch):
    output = tmp_path / "out.jsonl"
    words = ["read", lines, "--format", "jsonl", "--output", output]
    with monkeypatch.context() as patch:
        patch.setattr("trocr_gsa.cli.read_lines.WINDOW", 1)
        patch.setattr(LineReader, "read", interrupting(3)(LineReader.read))
        stopped = call(*words)
    assert stopped.exit_code == 130
    assert stopped.stderr.splitlines() == [
        f"stopped: the lines that were read are in {output}.parts. The same command continues."
    ]
    continued = call(*words)
    assert continued.exit_code == 0
    assert "read before and kept: 2 pictures" in continued.stderr
    assert len(list(map(json.loads, output.read_text().splitlines()))) == 3


def test_a_stopped_reading_to_the_screen_says_how_to_be_able_to_continue(call, lines, monkeypatch):
    monkeypatch.setattr("trocr_gsa.cli.read_lines.WINDOW", 1)
    monkeypatch.setattr(LineReader, "read", interrupting(2)(LineReader.read))
    stopped = call("read", lines)
    assert (stopped.exit_code, len(stopped.stdout.splitlines())) == (130, 1)
    assert "--output" in stopped.stderr


@pytest.mark.parametrize("target", ["--output", "--output-dir"])
def test_stopped_pages_say_where_they_are_and_continue(call, pages, tmp_path, monkeypatch, target):
    words = ["read", pages, "--format", "page" if target == "--output-dir" else "text", target, tmp_path / "out"]
    with monkeypatch.context() as patch:
        patch.setattr("trocr_gsa.reader.pages.WINDOW", 1)
        patch.setattr(LineReader, "read", interrupting(3)(LineReader.read))
        stopped = call(*words)
    assert stopped.exit_code == 130
    folder = tmp_path / ("out" if target == "--output-dir" else "out.pages")
    assert stopped.stderr.splitlines() == [f"stopped: the finished pages are in {folder}. The same command continues."]
    continued = call(*words)
    assert continued.exit_code == 0
    assert "already there and left as they are: " in continued.stderr


def test_a_stopped_evaluation_says_that_nothing_is_kept(call, lines, monkeypatch):
    monkeypatch.setattr("trocr_gsa.evaluation.evaluate.read_images", interrupting(1)(None))
    stopped = call("evaluate", lines)
    assert (stopped.exit_code, stopped.stderr.startswith("stopped: nothing is kept")) == (130, True)


def test_a_stopped_compilation_leaves_the_file_as_it_was(call, lines, tmp_path, monkeypatch):
    out = tmp_path / "lines.parquet"
    assert call("compile", lines, out).exit_code == 0
    before = out.read_bytes()
    monkeypatch.setattr("trocr_gsa.data.compile.encode", interrupting(2)(lambda image, quality: b""))
    stopped = call("compile", lines, out)
    assert (stopped.exit_code, out.read_bytes()) == (130, before)
    assert stopped.stderr.startswith(f"stopped: {out} was not written")
    assert [path.name for path in tmp_path.glob("*.parquet*")] == [out.name]


def test_stopped_rendering_can_start_again(call, tmp_path, monkeypatch):
    words = ["render", tmp_path / "drawn", "--count", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(LineRenderer, "__call__", interrupting(2)(LineRenderer.__call__))
        stopped = call(*words)
    assert stopped.exit_code == 130
    assert stopped.stderr.startswith(f"stopped: {tmp_path / 'drawn'} holds a part of the images")
    assert call(*words).exit_code == 0


def test_a_stopped_conversion_of_pages_continues(call, pages, tmp_path, monkeypatch):
    words = ["pages", pages, tmp_path / "alto", "--to", "alto"]
    convert = "trocr_gsa.data.pages.conversion.convert_page"
    from trocr_gsa.data.pages.conversion import convert_page

    with monkeypatch.context() as patch:
        patch.setattr(convert, interrupting(3)(convert_page))
        stopped = call(*words)
    assert stopped.exit_code == 130
    assert "The same command continues" in stopped.stderr
    assert len(list((tmp_path / "alto").iterdir())) == 2
    assert call(*words).exit_code == 0


def test_any_other_command_ends_with_one_line_too(call, monkeypatch):
    monkeypatch.setattr("trocr_gsa.reader.load_reader", interrupting(1)(None))
    stopped = call("check")
    assert (stopped.exit_code, len(stopped.stderr.splitlines())) == (130, 1)
