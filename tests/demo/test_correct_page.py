"""The pages on which lines are corrected, without a browser."""

import html
import io
import re
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Event, Timer
from types import SimpleNamespace

import pytest
from class_room import Pupil, corrections_of, make_queue
from PIL import Image
from slow_cases import others_slow
from tiny_checkpoint import save_checkpoint
from typer.testing import CliRunner

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from trocr_gsa.cli.app import app
from trocr_gsa.demo import teaching
from trocr_gsa.demo.correct_page import STYLE, build_correct_page
from trocr_gsa.demo.teaching import HELD_OUT, LEAST_LINES, Lesson, Progress, Teacher, split
from trocr_gsa.reader import LineReader


@pytest.fixture
def folder(tmp_path) -> Path:
    return make_queue(tmp_path / "queue", LEAST_LINES + 2)


@pytest.fixture
def corrections(folder, tmp_path):
    return corrections_of(folder, tmp_path / "pictures")


@pytest.fixture
def client(corrections):
    with TestClient(build_correct_page(corrections)) as client:
        yield client


def field(page: str, name: str) -> str:
    (tag,) = re.findall(rf'<input[^>]*name="{name}"[^>]*>', page)
    return html.unescape(re.search(r'value="([^"]*)"', tag)[1])


def test_enter_saves_a_line_at_once_and_shows_the_next(client, folder):
    page = client.get("/")
    assert page.url.path == "/lines/1"
    assert field(page.text, "text") == f"draft {LEAST_LINES + 2}"
    form = {"text": "it's <1> & done", "version": field(page.text, "version")}
    following = client.post("/lines/1", data=form)
    assert following.url.path == "/lines/2"
    assert (folder / f"{LEAST_LINES + 2:04}.gt.txt").read_text() == "it's <1> & done\n"
    assert f"1 of {LEAST_LINES + 2} lines are corrected" in following.text
    assert field(client.get("/lines/1").text, "text") == "it's <1> & done"
    assert "it&#39;s &lt;1&gt; &amp; done" in client.get("/lines").text


def test_how_sure_the_reader_is_is_a_number_for_people(tmp_path):
    folder = make_queue(tmp_path / "queue")
    listed = folder / "queue.csv"
    listed.write_text(listed.read_text().replace("0.97", "6.9e-11"))
    with TestClient(build_correct_page(corrections_of(folder, tmp_path / "pictures"))) as client:
        assert "less than 0.1 % sure" in client.get("/lines/1").text
        assert "98.0 % sure" in client.get("/lines/2").text


def test_the_page_can_be_used_with_a_keyboard_and_read_aloud(client):
    page = client.get("/lines/1").text
    assert re.search(r'<input id="text"[^>]* autofocus', page)
    assert page.count("<form") == 1  # so that Enter in the field saves
    assert page.index("<img") < page.index('<input id="text"')
    assert re.search(r'<img [^>]*alt="Picture of line 1: [^"]+"', page)
    assert '<label for="text">' in page
    assert '<html lang="en">' in page
    assert 'name="viewport" content="width=device-width' in page
    assert "<script" not in page
    assert 'tabindex="-1"' not in page


def test_the_picture_is_upright(client, corrections):
    name = corrections.names[0]
    lying = corrections.lines.picture(name)
    corrections.readings[name] = type(corrections.readings[name])("", 0.1, 90.0)
    shown = Image.open(io.BytesIO(client.get("/lines/1/picture").content))
    assert shown.size == (lying.height, lying.width)


def test_a_text_that_another_has_changed_is_shown_beside_mine(client, folder):
    version = field(client.get("/lines/1").text, "version")
    client.post("/lines/1", data={"text": "theirs", "version": version})
    answer = client.post("/lines/1", data={"text": "mine", "version": version})
    assert answer.status_code == 409
    assert '<p class="theirs">theirs</p>' in answer.text
    assert field(answer.text, "text") == "mine"
    assert (folder / f"{LEAST_LINES + 2:04}.gt.txt").read_text() == "theirs\n"
    client.post("/lines/1", data={"text": "mine", "version": field(answer.text, "version")})
    assert (folder / f"{LEAST_LINES + 2:04}.gt.txt").read_text() == "mine\n"


def test_what_cannot_be_saved_stays_in_the_field(client, folder):
    version = field(client.get("/lines/1").text, "version")
    answer = client.post("/lines/1", data={"text": " ", "version": version})
    assert answer.status_code == 422
    assert "There is no text" in answer.text
    long = client.post("/lines/1", data={"text": "x" * 6000, "version": version})
    assert "6,000 characters" in html.unescape(long.text)
    assert field(long.text, "text") == "x" * 6000
    assert (folder / f"{LEAST_LINES + 2:04}.gt.txt").read_text() == f"draft {LEAST_LINES + 2}\n"
    assert client.post("/lines/1", content=b"x" * 300_000).status_code == 413
    assert client.get("/lines/999").status_code == 404
    assert client.get("/nowhere").status_code == 404
    assert client.get("/lines/first").status_code == 422


def test_a_form_of_another_site_is_refused(client, folder):
    form = {"text": "mine", "version": field(client.get("/lines/1").text, "version")}
    assert client.post("/lines/1", data=form, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/learn", headers={"Origin": "null"}).status_code == 403
    assert (folder / f"{LEAST_LINES + 2:04}.gt.txt").read_text() == f"draft {LEAST_LINES + 2}\n"
    assert client.post("/lines/1", data=form, headers={"Origin": "http://testserver"}).url.path == "/lines/2"


def correct(client, count):
    for number in range(1, count + 1):
        client.post(
            f"/lines/{number}",
            data={"text": "learned", "version": field(client.get(f"/lines/{number}").text, "version")},
        )


def test_with_enough_lines_the_reader_learns_and_reads_the_others_again(client, corrections, monkeypatch):
    assert f"{LEAST_LINES} more corrected lines are needed" in client.get("/learn").text
    assert "are needed" in client.post("/learn").text
    correct(client, LEAST_LINES)
    assert "Learn from these" in client.get("/lines/1").text
    monkeypatch.setattr(Teacher, "_train", lambda self, folder: folder / "run" / "best")
    client.post("/learn")
    assert corrections.teacher.wait().stage == "done"
    page = client.get("/learn").text
    assert re.findall(r"<td>(.+) %</td>", page) == ["57.1", "0.0"]  # of "learned", "read" has 4 of 7 wrong
    assert f"{LEAST_LINES - LEAST_LINES // HELD_OUT} lines" in page
    assert client.post("/read-again").url.path == f"/lines/{LEAST_LINES + 1}"
    assert field(client.get(f"/lines/{LEAST_LINES + 1}").text, "text") == "learned"
    assert corrections.lines.saved(corrections.names[-1]).text == "draft 1"  # not before somebody has looked at it


def test_while_it_learns_there_is_a_bar(client, corrections, monkeypatch):
    monkeypatch.setattr(Teacher, "progress", Progress("learning", 0.4, 20, 5))
    page = client.get("/learn").text
    assert '<progress id="share" max="100" value="40">' in page
    assert 'http-equiv="refresh"' in page


def test_a_training_that_fails_says_why(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nsleep 0.3\necho 'error: `rank` is wrong' >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(teaching.sys, "executable", str(program))
    teacher = Teacher(Pupil(), lambda path: Pupil(), tmp_path / "learned", {})
    lessons = [Lesson(str(number), Image.new("L", (40, 20), 255), "text") for number in range(LEAST_LINES)]
    with pytest.raises(ValueError, match="25 corrected lines are needed, and there are 24"):
        teacher.start(lessons[1:])
    teacher.start(lessons)
    with pytest.raises(ValueError, match="learning already"):
        teacher.start(lessons)
    found = teacher.wait()
    assert (found.stage, found.problem) == ("failed", "the training ended early: error: `rank` is wrong")


LESSONS = [Lesson(str(number), Image.new("L", (40, 20), 255), "text") for number in range(LEAST_LINES)]


def test_a_training_that_is_stopped_before_its_first_step_never_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(teaching, "subprocess", SimpleNamespace(Popen=None, DEVNULL=DEVNULL, PIPE=PIPE))
    teacher = Teacher(Pupil(), lambda path: Pupil(), tmp_path / "learned", {})
    read, may_read = Pupil().read, Event()

    def read_later(images, *_, **__):
        may_read.wait(10)
        return read(images)

    monkeypatch.setattr(teacher.reader, "read", read_later)
    teacher.start(LESSONS)
    Timer(0.2, may_read.set).start()
    teacher.stop()
    assert teacher.progress.problem == "the training ended early: it was stopped"


def test_after_an_error_that_nobody_expected_another_training_may_begin(tmp_path, monkeypatch):
    teacher = Teacher(Pupil(), lambda path: Pupil(), tmp_path / "learned", {})
    monkeypatch.setattr(teacher, "_train", lambda folder: {}["key"])
    for _ in range(2):
        teacher.start(LESSONS)
        assert teacher.wait().stage == "failed"


def test_held_out_lines_are_not_learned_from_and_stay_when_others_come():
    image = Image.new("L", (4, 4))
    lessons = [Lesson(f"{number}.png", image, "") for number in range(40)]
    held_out, learned = split(lessons)
    assert len(held_out) == 8
    assert {each.name for each in held_out}.isdisjoint({each.name for each in learned})
    assert split(lessons[::-1]) == (held_out, learned)
    earlier, _ = split(lessons[:30])
    assert len({each.name for each in earlier} & {each.name for each in held_out}) >= 4


class InThisProcess:
    """Runs the command of a training without loading torch again; otherwise like a process."""

    def __init__(self, command, **_):
        assert command[:3] == [teaching.sys.executable, "-m", "trocr_gsa"]
        self.words = command[3:]

    def communicate(self):
        done = CliRunner().invoke(app, self.words)
        return None, f"{done.stderr}\n{done.exception!r}"


@pytest.mark.parametrize("process", others_slow([InThisProcess, Popen], InThisProcess))
def test_a_tiny_reader_is_taught_by_the_packaged_configuration(tmp_path, monkeypatch, process):
    monkeypatch.setattr(teaching, "subprocess", SimpleNamespace(Popen=process, DEVNULL=DEVNULL, PIPE=PIPE))
    model = save_checkpoint(tmp_path / "model", ctc_steps_per_patch=2)
    reader = LineReader.from_pretrained(model, device="cpu")
    settings = {"model": model, "max_steps": 2, "batch_patches": 64, "device": "cpu"}
    teacher = Teacher(
        reader, lambda path: LineReader.from_pretrained(model, str(path), "cpu"), tmp_path / "out", settings
    )
    folder = make_queue(tmp_path / "queue", LEAST_LINES)
    images = [Image.open(path).convert("L") for path in sorted(folder.glob("*.png"))]
    teacher.start([Lesson(str(number), image, f"line {number}"[:8]) for number, image in enumerate(images)])
    shares = set()
    while teacher.progress.stage == "learning":
        shares.add(teacher.progress.share)
        time.sleep(0.01)
    found = teacher.wait()
    assert found.problem is None
    assert (found.stage, found.learned, found.held_out) == ("done", 20, 5)
    assert found.adapter == tmp_path / "out" / "1" / "run" / "best"
    assert found.before > 0
    assert found.after > 0
    assert shares <= {0.0, 0.5, 1.0}
    assert len(list((tmp_path / "out" / "1" / "lines").glob("*.gt.txt"))) == 20
    assert teaching._new_folder(tmp_path / "out").name == "2"


def test_a_log_whose_last_line_is_only_half_written_tells_the_step_before(tmp_path):
    log = tmp_path / "log.jsonl"
    assert teaching._steps(log) == 0
    log.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert teaching._steps(log) == 2


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("ink", ["ink", "quiet", "link", "alert"])
def test_every_colour_of_text_stands_out_from_the_paper(ink):
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", STYLE.read_text()))
    light, dark = luminance(colours["paper"]), luminance(colours[ink])
    assert (light + 0.05) / (dark + 0.05) >= 4.5
    assert (luminance(colours["button-ink"]) + 0.05) / (luminance(colours["button"]) + 0.05) >= 4.5
