"""A page's picture is found by what files call it, and never outside of the folder that was given."""

import os
import time
from pathlib import Path

import pytest
from page_makers import alto_line, alto_xml, draw_page, page_line, page_xml
from PIL import Image

from trocr_gsa.data.pages import PageError, PageFile, PageLines, find_pages, fit_picture
from trocr_gsa.data.pages.page_pictures import find_picture

IMAGE, LINES = draw_page(["one"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "given" / "page").mkdir(parents=True)
    IMAGE.save(tmp_path / "secret.png")
    return tmp_path / "given"


def found(folder: Path, reference: str) -> str:
    path = folder / "page" / "0001.xml"
    return find_picture(path, reference, folder, "0001.xml").resolve().relative_to(folder.resolve()).as_posix()


@pytest.mark.parametrize(
    ("place", "reference"),
    [
        ("page/scan.png", "scan.png"),
        ("page/deep/scan.png", "deep/scan.png"),
        ("scan.png", "../scan.png"),
        ("scan.png", "scan.png"),
        ("images/scan.png", "scan.png"),
        ("page/images/scan.png", "scan.png"),
        ("OCR-D-IMG/scan.png", "OCR-D-IMG/scan.png"),
        ("page/scan.png", "/home/somebody/scan.png"),
        ("page/scan.png", r"C:\Users\somebody\scan.png"),
        ("page/scan.png", r"\\server\scans\scan.png"),
        ("page/scan.png", "//server/scans/scan.png"),
        ("page/scan.png", "https://example.org/iiif/scan.png"),
        ("page/scan 1.png", "file:///data/scan%201.png"),
        ("page/scan.jpg", "scan.tif"),
        ("page/0001.png", "gone.png"),
        ("page/0001.TIF".lower(), ""),
        ("0001.jpeg", ""),
        ("images/0001.jp2", "x/y/z.png"),
    ],
)
def test_a_picture_is_found_where_platforms_put_it(folder, place, reference):
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(b"picture")
    assert found(folder, reference) == place


@pytest.mark.parametrize(
    ("place", "reference"),
    [
        ("page/0002.JPG", "0002.jpg"),
        ("page/scan.jpg", "SCAN.JPG"),
        ("Images/Scan.png", "images/scan.png"),
        ("page/Karte Nr 1.jpg", "Karte%20Nr%201.jpg"),
        ("page/Karte%20Nr%201.jpg", "Karte Nr 1.jpg"),
        ("page/B\u00fccher.png", "Bu\u0308cher.png"),
        ("page/Bu\u0308cher.png", "B\u00fccher.png"),
        ("page/BU\u0308CHER 1.PNG", "b%C3%BCcher%201.png"),
        ("deep/Bl\u00e4tter/a.png", "../DEEP/Bla\u0308tter/A.png"),
        ("page/a.PNG", r"images\a.png"),
        ("page/scans/a.png", r"scans\A.png"),
        ("page/0001.JPG", ""),
        ("0001.TIFF", "gone.png"),
        ("images/SCAN.Jp2", "scan.jp2"),
        ("page/a+b & c.png", "a%2Bb%20%26%20c.png"),
        ("page/100%.png", "100%.PNG"),
    ],
)
def test_a_picture_is_found_by_other_letters_that_mean_the_same(folder, place, reference):
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(b"picture")
    assert found(folder, reference) == place


def test_the_name_as_it_is_written_comes_first_and_two_others_are_told(folder):
    for name in ("scan.png", "SCAN.png", "Scan.PNG"):
        (folder / "page" / name).write_bytes(b"picture")
    assert found(folder, "SCAN.png") == "page/SCAN.png"
    with pytest.raises(PageError, match=r"picture 'sCAN\.png' may mean SCAN\.png or Scan\.PNG"):
        found(folder, "sCAN.png")


@pytest.mark.parametrize("reference", ["../../SECRET.png", "../../Sub/x.png", "file://{outside}/SECRET.PNG", "%2e./x"])
def test_folders_outside_are_not_even_listed(folder, reference, monkeypatch):
    listed = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(os.path.realpath(path)) or real(path))
    with pytest.raises(PageError):
        found(folder, reference.format(outside=folder.parent))
    assert all(path.startswith(str(folder)) for path in listed)


@pytest.mark.parametrize(
    "reference",
    [
        "http://[scan/0001.png", "//\u2100.com/x.png", "file:%00", "file:%00.png", "http://h/%00.png", "//[x]/0001.png",
    ],
)  # fmt: skip
def test_a_reference_that_is_none_is_named(folder, reference):
    (folder / "page" / "0001.png").write_bytes(b"picture")
    with pytest.raises(PageError, match=r"^0001\.xml: the picture name .* is not valid"):
        found(folder, reference)


@pytest.mark.parametrize("reference", ["a/" * 1_000_000 + "b.png", "x" * 2_000_000, "../" * 500_000, "%41" * 500_000])
def test_a_reference_of_megabytes_takes_no_time_and_is_not_repeated(folder, reference):
    start = time.process_time()
    with pytest.raises(PageError) as raised:
        found(folder, reference)
    assert time.process_time() - start < 5
    assert len(str(raised.value)) < 1000


def test_an_absolute_path_inside_of_the_folder_is_followed(folder):
    (folder / "scans").mkdir()
    (folder / "scans" / "a.png").write_bytes(b"picture")
    assert found(folder, str(folder / "scans" / "a.png")) == "scans/a.png"


@pytest.mark.parametrize(
    "reference", ["../../secret.png", "{outside}/secret.png", "file://{outside}/secret.png", "link.png"]
)
def test_a_picture_outside_of_the_folder_is_refused(folder, reference):
    os.symlink(folder.parent / "secret.png", folder / "page" / "link.png")
    os.symlink(folder.parent, folder / "page" / "up")
    with pytest.raises(PageError, match=r"0001\.xml: its picture .* leads outside of"):
        found(folder, reference.format(outside=folder.parent))
    with pytest.raises(PageError, match="leads outside"):
        found(folder, "up/secret.png")


@pytest.mark.parametrize("name", ["0001.page.xml", "0001.alto.xml", "0001.gt.XML", "0001.jpg.xml", "0001.read.page"])
def test_a_picture_is_found_by_the_pages_name_without_its_endings(folder, name):
    (folder / "page" / "0001.png").write_bytes(b"picture")
    found = find_picture(folder / "page" / name, "gone.png", folder, name)
    assert found.name == "0001.png"


@pytest.mark.parametrize("name", ["Band1.S017.xml", "Band1.2.page", "Band1.1898-03-01.alto.xml"])
def test_the_page_of_a_volume_is_not_shown_by_the_picture_of_another_page(folder, name):
    (folder / "page" / "Band1.png").write_bytes(b"the cover")
    with pytest.raises(PageError, match=r"there is no picture 'S017\.jpg'"):
        find_picture(folder / "page" / name, "S017.jpg", folder, name)


def test_a_picture_that_is_nowhere_is_named(folder):
    with pytest.raises(PageError, match=r"0001\.xml: there is no picture 'gone\.png'"):
        found(folder, "gone.png")
    with pytest.raises(PageError, match="there is no picture"):
        found(folder, 5000 * "x" + ".png")


def test_a_page_in_a_folder_named_page_may_look_one_folder_up(folder):
    path = folder / "page" / "0001.xml"
    path.write_text(page_xml(page_line(1, LINES[0])))
    IMAGE.save(folder / "0001.png")
    (file,) = find_pages(path)
    assert file.root == folder
    page = file.read()
    assert page is not None
    assert fit_picture(page, file.path, file.root)[1].path.name == "0001.png"


def test_a_page_measured_on_the_stored_pixels_gets_the_stored_pixels(tmp_path):
    exif = Image.Exif()
    for orientation in (5, 6, 7, 8):
        exif[0x0112] = orientation
        IMAGE.save(tmp_path / "0001.png", exif=exif)
        (tmp_path / "0001.xml").write_text(
            page_xml(page_line(1, LINES[0], "<TextEquiv><Unicode>a</Unicode></TextEquiv>"))
        )
        file = PageFile(tmp_path / "0001.xml", tmp_path, "0001.xml")
        page = file.read()
        assert page is not None
        _, picture = fit_picture(page, file.path, tmp_path)
        assert picture.load().tobytes() == IMAGE.tobytes()


def test_points_follow_a_picture_of_another_resolution(tmp_path):
    IMAGE.resize((800, 600)).save(tmp_path / "0001.png")
    (tmp_path / "0001.xml").write_text(alto_xml(alto_line(1, LINES[0], '<String CONTENT="a"/>')))
    (line,) = PageLines(find_pages(tmp_path), "here")
    assert line.image.width == pytest.approx(2 * (LINES[0].polygon[1] - LINES[0].polygon[0])[0], abs=2)
