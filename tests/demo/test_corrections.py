"""Texts are saved at once, and nobody loses what another has written."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from class_room import Pupil, corrections_of, make_page, make_queue
from tiny_checkpoint import draw_line

pytest.importorskip("fastapi")

from trocr_gsa.data.pages import PageFile
from trocr_gsa.data.sources import open_source
from trocr_gsa.demo import corrections as module
from trocr_gsa.demo.corrections import ChangedError, LineFolder, open_lines


def test_the_least_certain_lines_come_first_and_a_saved_one_is_a_text_file(tmp_path):
    folder = make_queue(tmp_path / "queue")
    corrections = corrections_of(folder, tmp_path / "pictures")
    assert corrections.names == ["0003.png", "0002.png", "0001.png"]
    assert corrections.next_open(0) == 1
    shown = corrections.shown(1)
    assert (shown.text, shown.saved.is_corrected) == ("draft 3", False)
    corrections.save(1, "  line  3 ", shown.saved.version)
    assert (folder / "0003.gt.txt").read_text() == "line 3\n"
    assert corrections.corrected() == {1}
    assert corrections.next_open(1) == 2
    assert len(open_source(folder)) == 3


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    folder = make_queue(tmp_path / "queue")
    (folder / "queue.csv").write_bytes("größer".encode("latin-1"))
    with pytest.raises(ValueError, match=r"queue\.csv is not UTF-8"):
        LineFolder(folder)


def test_a_list_longer_than_any_text_is_read(tmp_path):
    folder = make_queue(tmp_path / "queue")
    with (folder / "queue.csv").open("a") as file:
        file.writelines(f"gone.png,0.5,scan.png,{'x' * 1000}\n" for _ in range(1001))
    assert LineFolder(folder).confidences["0003.png"] == 0.97


def test_a_draft_that_was_right_is_corrected_once_it_is_saved(tmp_path):
    folder = make_queue(tmp_path / "queue")
    corrections = corrections_of(folder, tmp_path / "pictures")
    corrections.save(2, "draft 2", corrections.shown(2).saved.version)
    assert corrections.corrected() == {2}
    again = corrections_of(folder, tmp_path / "pictures")
    assert (again.corrected(), again.next_open(0)) == ({2}, 1)


def test_in_a_folder_without_a_list_texts_are_by_people_and_the_rest_is_read(tmp_path):
    for number, width in enumerate((60, 40, 50)):
        draw_line("a", width).save(tmp_path / f"{number}.png")
    (tmp_path / "0.gt.txt").write_text("mine\n")
    corrections = corrections_of(tmp_path, tmp_path / "pictures")
    assert corrections.names == ["1.png", "2.png", "0.png"]
    assert [corrections.shown(number).text for number in (1, 2, 3)] == ["read", "read", "mine"]
    assert corrections.corrected() == {3}
    assert not (tmp_path / "1.gt.txt").exists()  # what was read is no text of the folder before somebody saves it


def test_the_text_of_a_picture_is_the_one_that_is_learnt(tmp_path):
    for name, text in {"1.bin.png": "1.gt.txt", "2.png": "2.GT.TXT", "3.png": None}.items():
        draw_line("a").save(tmp_path / name)
        if text is not None:
            (tmp_path / text).write_text(f"old {text[0]}\n")
    draw_line("a").save(tmp_path / "._3.png")
    lines = LineFolder(tmp_path)
    assert lines.names == ["1.bin.png", "2.png", "3.png"]
    for name in lines.names:
        lines.save(name, f"new {name[0]}", lines.saved(name).version, 0.0)
    learnt = open_source(tmp_path)
    assert sorted(learnt.texts()) == ["new 1", "new 2", "new 3"]
    assert learnt.problems == []


def test_pictures_that_share_a_text_file_are_named_and_left_out(tmp_path):
    for name in ("a.png", "a.tif", "b.png"):
        draw_line("a").save(tmp_path / name)
    (tmp_path / "a.gt.txt").write_text("mine\n")
    lines = LineFolder(tmp_path)
    assert lines.names == ["b.png"]
    assert lines.problems == ["a.gt.txt: 2 pictures have this text file. Give each its own name."]


@pytest.mark.parametrize("kind", ["PAGE", "ALTO"])
def test_a_line_of_a_page_is_saved_into_its_file_and_the_others_stay(tmp_path, kind):
    folder = make_page(tmp_path / "pages", kind, ["ab", "abcd"])
    corrections = corrections_of(folder, tmp_path / "pictures")
    first = corrections.shown(1)
    assert first.name == "0001.xml: line l1"
    corrections.save(1, "corrected", first.saved.version)
    page = PageFile(folder / "0001.xml", folder, "0001.xml", is_named=True).read()
    assert [line.text for line in page.lines] == ["corrected", "abcd" if kind == "PAGE" else ""]
    assert corrections.corrected() == {1}
    corrections.save(2, "second", corrections.shown(2).saved.version)
    page = PageFile(folder / "0001.xml", folder, "0001.xml", is_named=True).read()
    assert [line.text for line in page.lines] == ["corrected", "second"]


@pytest.mark.parametrize("kind", ["lines", "PAGE"])
def test_what_another_has_changed_since_is_not_overwritten(tmp_path, kind):
    folder = make_queue(tmp_path / "f") if kind == "lines" else make_page(tmp_path / "f", kind, ["ab", "abcd"])
    mine, theirs = (corrections_of(folder, tmp_path / f"pictures {who}") for who in "ab")
    seen = mine.shown(1).saved.version
    theirs.save(1, "theirs", theirs.shown(1).saved.version)
    with pytest.raises(ChangedError) as refused:
        mine.save(1, "mine", seen)
    assert refused.value.saved.text == "theirs"
    assert mine.shown(1).text == "theirs"
    mine.save(1, "theirs", seen)  # both mean the same
    mine.save(1, "mine", refused.value.saved.version)  # having seen it
    assert theirs.shown(1).text == "mine"


def test_a_text_that_an_editor_has_changed_is_not_overwritten(tmp_path):
    folder = make_queue(tmp_path / "queue")
    corrections = corrections_of(folder, tmp_path / "pictures")
    seen = corrections.shown(1).saved.version
    (folder / "0003.gt.txt").write_text("by hand\n")
    with pytest.raises(ChangedError):
        corrections.save(1, "mine", seen)
    (folder / "0003.gt.txt").unlink()
    with pytest.raises(ChangedError):
        corrections.save(1, "mine", seen)


@pytest.mark.parametrize("kind", ["lines", "PAGE"])
def test_of_two_who_save_at_the_same_moment_nothing_is_lost(tmp_path, kind, monkeypatch):
    """Each has its own store, as in two processes, and no lock of this process."""
    count = 6
    if kind == "lines":
        folder = make_queue(tmp_path / "f", count)
    else:
        folder = make_page(tmp_path / "f", kind, [f"line {n}" for n in range(count)])
    people = [corrections_of(folder, tmp_path / f"pictures {who}") for who in range(3)]
    monkeypatch.setattr(module, "_saving", NoLock())
    start = threading.Barrier(len(people))
    seen: list[str] = []

    def work(person):
        start.wait()
        won: list[int] = []
        for number in range(1, count + 1):
            try:
                corrections = people[person]
                corrections.save(number, f"by {person}", corrections.shown(number).saved.version)
                won.append(number)
            except ChangedError as refused:
                seen.append(refused.saved.text)
        return won

    with ThreadPoolExecutor(len(people)) as pool:
        won = list(pool.map(work, range(len(people))))
    assert sorted({number for numbers in won for number in numbers}) == list(range(1, count + 1))
    assert all(text.startswith("by ") for text in seen)
    assert people[0].corrected() == set(range(1, count + 1))
    assert all(people[0].shown(number).text.startswith("by ") for number in range(1, count + 1))


class NoLock:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_lines_of_one_id_are_left_alone_as_a_text_could_go_to_the_wrong_one(tmp_path):
    folder = make_page(tmp_path / "pages", "PAGE", ["ab", "abcd", "abcdef"])
    page = folder / "0001.xml"
    page.write_text(page.read_text().replace('id="l2"', 'id="l1"'))
    (tmp_path / "pictures").mkdir()
    lines, readings, problems = open_lines(folder, tmp_path / "pictures", Pupil())
    assert list(readings) == list(lines.names) == ["0001.xml: line l3"]
    assert problems == ["0001.xml: line l1: 2 lines have this id. Give each its own."]


def test_a_page_that_was_exported_anew_is_not_written_to_at_the_old_place(tmp_path):
    folder = make_page(tmp_path / "pages", "PAGE", ["ab", "abcd"])
    corrections = corrections_of(folder, tmp_path / "pictures")
    page = folder / "0001.xml"
    page.write_text(page.read_text().replace('id="l1"', 'id="other"'))
    with pytest.raises(ValueError, match="this line is gone"):
        corrections.save(1, "mine", "none")


def test_damaged_marks_are_named_and_no_text_is_touched(tmp_path):
    folder = make_queue(tmp_path / "queue")
    corrections = corrections_of(folder, tmp_path / "pictures")
    (folder / "corrected.json").write_text("{")
    with pytest.raises(ValueError, match=r"corrected\.json: is damaged"):
        corrections.save(1, "mine", corrections_version(folder))
    assert (folder / "0003.gt.txt").read_text() == "draft 3\n"


def corrections_version(folder):
    (folder / "corrected.json").rename(folder / "aside")
    version = LineFolder(folder).saved("0003.png").version
    (folder / "aside").rename(folder / "corrected.json")
    return version


@pytest.mark.parametrize("kind", ["queue", "PAGE", "ALTO"])
def test_the_list_of_all_lines_reads_the_marks_once(tmp_path, monkeypatch, kind):
    folder = tmp_path / "folder"
    make_queue(folder) if kind == "queue" else make_page(folder, kind, ["one", "two", "three"])
    corrections = corrections_of(folder, tmp_path / "pictures")
    corrections.save(2, "seen", corrections.shown(2).saved.version)
    read = []
    marks = module._marks
    monkeypatch.setattr(module, "_marks", lambda folder: read.append(folder) or marks(folder))
    shown = corrections.all_shown()
    assert len(read) == 1
    assert shown == [corrections.shown(number) for number in (1, 2, 3)]
    assert [line.saved.is_corrected for line in shown] == [False, True, False]


def test_a_folder_without_lines_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`--correct`: there is no folder"):
        open_lines(tmp_path / "missing", tmp_path, Pupil())
    with pytest.raises(ValueError, match="has no pictures of lines"):
        open_lines(tmp_path, tmp_path, Pupil())


def test_marks_are_the_names_of_lines(tmp_path):
    folder = make_queue(tmp_path / "queue")
    corrections = corrections_of(folder, tmp_path / "pictures")
    corrections.save(1, "line 3", corrections.shown(1).saved.version)
    assert json.loads((folder / "corrected.json").read_text()) == ["0003.png"]
