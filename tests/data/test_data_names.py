"""A file is found by the name that another system gave it, and never outside of the folder."""

import os
import time
import unicodedata

import pytest

from trocr_gsa.data.names import FolderNames, NameProblem, shown

NFD = unicodedata.normalize("NFD", "é")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "given"
    (folder / "Bücher" / "eins").mkdir(parents=True)
    names = ("a.png", f"caf{NFD}.PNG", "drei blätter.png", "Bücher/eins/1.png", "100%.png", "b\\c.png", "funf%201.png")
    for name in names:
        (folder / name).touch()
    (tmp_path / "secret.png").touch()
    return folder


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.png", "a.png"),
        ("A.PNG", "a.png"),
        ("./a.png", "a.png"),
        ("café.png", f"caf{NFD}.PNG"),
        ("CAFÉ.png", f"caf{NFD}.PNG"),
        ("drei%20bl%C3%A4tter.png", "drei blätter.png"),
        ("Bücher\\eins\\1.png", "Bücher/eins/1.png"),
        (unicodedata.normalize("NFD", "bücher\\EINS/1.PNG"), "Bücher/eins/1.png"),
        ("Bücher/../a.png", "a.png"),
        ("100%.png", "100%.png"),
        ("funf 1.png", "funf%201.png"),
        ("b\\c.png", "b\\c.png"),
    ],
)
def test_a_name_is_found_however_it_travelled(folder, name, found):
    path = FolderNames(folder).find(folder, name)
    assert path is not None
    assert path.samefile(folder / found)


@pytest.mark.parametrize("name", ["", ".", "b.png", "Bücher", "x" * 300, "a\0.png", "a%00.png", "\ud800.png", "ſ.png"])
def test_what_is_not_there_is_not_found(folder, name):
    (folder / "s.png").touch()
    assert FolderNames(folder).find(folder, name) is None


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "Bücher/../../secret.png", "..\\secret.png", "%2e%2e/secret.png", "../SECRET.png", "{root}"],
)
def test_nothing_outside_is_followed(folder, name):
    with pytest.raises(NameProblem, match="leads outside of"):
        FolderNames(folder).find(folder, name.format(root=folder.parent / "secret.png"))


def test_a_link_is_followed_inside_alone(folder):
    (folder / "in.png").symlink_to(folder / "a.png")
    (folder / "out.png").symlink_to(folder.parent / "secret.png")
    (folder / "OUT").symlink_to(folder.parent)
    names = FolderNames(folder)
    assert names.find(folder, "in.png") == folder / "in.png"
    for name in ("out.png", "Out.png", "OUT/secret.png", "out/secret.png"):
        with pytest.raises(NameProblem, match="leads outside of"):
            names.find(folder, name)


def test_a_folder_beside_whose_name_begins_alike_is_outside(folder):
    beside = folder.with_name("given too")
    beside.mkdir()
    (beside / "a.png").touch()
    with pytest.raises(NameProblem):
        FolderNames(folder).find(folder, "../given too/a.png")
    assert FolderNames(folder, beside).find(folder, "../given too/a.png") is not None


def test_an_exact_name_wins_and_two_near_ones_are_told(folder):
    (folder / "A.png").touch()
    names = FolderNames(folder)
    assert names.find(folder, "A.png") == folder / "A.png"
    with pytest.raises(NameProblem, match=r"may mean A\.png or a\.png"):
        names.find(folder, "a.PNG")


def test_a_snapshot_of_the_hub_may_link_to_its_blobs(tmp_path):
    snapshot, blobs = tmp_path / "datasets--a--b" / "snapshots" / "1" / "train", tmp_path / "datasets--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "0f").touch()
    (tmp_path / "secret.png").touch()
    (snapshot / "a.png").symlink_to(blobs / "0f")
    (snapshot / "b.png").symlink_to(tmp_path / "secret.png")
    names = FolderNames(snapshot)
    assert names.find(snapshot, "a.png") is not None
    with pytest.raises(NameProblem):
        names.find(snapshot, "b.png")


@pytest.mark.parametrize("name", ["a/" * 1_000_000 + "b.png", "../" * 1_000_000, "x" * 5_000_000])
def test_a_name_of_megabytes_is_not_followed(folder, name):
    start = time.process_time()
    assert FolderNames(folder).find(folder, name) is None
    assert time.process_time() - start < 2


def test_names_that_are_not_utf8_are_found_and_shown(folder):
    name = os.fsdecode(b"caf\xe9.png")
    (folder / name).touch()
    assert FolderNames(folder).find(folder, name) == folder / name
    assert shown(name) == "caf\\udce9.png"
    assert shown("a\nb\x1b.png") == "a\\nb\\x1b.png"
    assert len(shown("x" * 10_000)) < 200
