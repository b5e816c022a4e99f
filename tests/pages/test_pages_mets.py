"""METS: says which files are a work's pages, and in which order; written, and read again."""

import re
from pathlib import Path

import pytest
from lxml import etree
from page_makers import draw_page, make_folder, make_ocr_d_folder
from segmenter_makers import put_stand_in

from trocr_gsa.data.pages.mets import pages_in_mets, scans_in_mets, write_mets
from trocr_gsa.data.provenance import Provenance, Weights

MADE = Provenance("1.0", Weights("packaged"), None, "2020-09-13T12:26:40Z", {})
XLINK = "{http://www.w3.org/1999/xlink}href"
FILE = '<mets:file ID="{0}" MIMETYPE="{1}"><mets:FLocat LOCTYPE="{2}" xlink:href="{3}"/></mets:file>'


def mets(groups: dict[str, list[tuple[str, str, str]]], order: list[str] | None = None, numbered: bool = True) -> str:
    """METS of groups of (id, MIME type, address), and the order of the pages by the ids of their files."""
    sections = "".join(
        f'<mets:fileGrp USE="{use}">' + "".join(FILE.format(i, mime, "OTHER", href) for i, mime, href in files)
        + "</mets:fileGrp>"
        for use, files in groups.items()
    )  # fmt: skip
    number = ' ORDER="{}"' if numbered else ""
    pages = "".join(
        f'<mets:div TYPE="page"{number.format(n)}><mets:fptr FILEID="{i}"/></mets:div>'
        for n, i in enumerate(order or ())
    )
    return (
        '<mets:mets xmlns:mets="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<mets:fileSec>{sections}</mets:fileSec><mets:structMap TYPE="PHYSICAL">'
        f'<mets:div TYPE="physSequence">{pages}</mets:div></mets:structMap></mets:mets>'
    )


@pytest.fixture
def workspace(tmp_path) -> Path:
    return make_ocr_d_folder(tmp_path / "workspace", [["one"], ["two"], ["three"]])


def put(workspace: Path, groups: dict, **options: object) -> Path:
    path = workspace / "mets.xml"
    path.write_text(mets(groups, **options), encoding="utf-8")
    return path


IMAGES = [(f"img_{n}", "image/png", f"OCR-D-IMG/000{n}.png") for n in (1, 2, 3)]
PAGES = [(f"seg_{n}", "application/vnd.prima.page+xml", f"OCR-D-SEG/000{n}.xml") for n in (1, 2, 3)]
GROUPS = {"OCR-D-IMG": IMAGES, "OCR-D-SEG": PAGES}


def test_pages_are_those_of_the_only_group_that_has_some(workspace):
    files, problems = pages_in_mets(put(workspace, GROUPS))
    assert [file.name for file in files] == [f"OCR-D-SEG/000{n}.xml" for n in (1, 2, 3)]
    assert problems == []
    assert all(file.open() is not None for file in files)


@pytest.mark.parametrize("numbered", [True, False])
def test_they_come_in_the_order_of_the_physical_structure(workspace, numbered):
    path = put(workspace, GROUPS, order=["seg_3", "seg_1", "seg_2"], numbered=numbered)
    assert [file.name[-8:] for file in pages_in_mets(path)[0]] == ["0003.xml", "0001.xml", "0002.xml"]
    path.write_text(mets(GROUPS, ["img_2", "img_1", "img_3"]))
    assert [scan.name[-8:] for scan in scans_in_mets(path)[0]] == ["0002.png", "0001.png", "0003.png"]


def test_of_several_groups_with_pages_one_has_to_be_named(workspace):
    path = put(workspace, GROUPS | {"OCR-D-GT": PAGES[:1]})
    with pytest.raises(ValueError, match=r"several groups have pages: OCR-D-SEG, OCR-D-GT\. Name one of them\.$"):
        pages_in_mets(path)
    assert len(pages_in_mets(path, "OCR-D-GT")[0]) == 1
    with pytest.raises(ValueError, match=r"has no group 'OCR'. Its groups are OCR-D-IMG, OCR-D-SEG, OCR-D-GT"):
        pages_in_mets(path, "OCR")


def test_groups_of_transkribus_have_an_id_and_lie_in_each_other(workspace):
    path = put(workspace, {"IMG": IMAGES, "PAGEXML": PAGES})
    written = path.read_text().replace(" USE=", " ID=").replace('"PHYSICAL"', '"MANUSCRIPT"')
    written = re.sub(r' MIMETYPE="[^"]*"', "", written).replace(
        "<mets:fileGrp", '<mets:fileGrp ID="MASTER"><mets:fileGrp', 1
    )
    path.write_text(written.replace("</mets:fileSec>", "</mets:fileGrp></mets:fileSec>"))
    assert [file.name for file in pages_in_mets(path)[0]] == [f"OCR-D-SEG/000{n}.xml" for n in (1, 2, 3)]
    assert [scan.name for scan in scans_in_mets(path)[0]] == [f"OCR-D-IMG/000{n}.png" for n in (1, 2, 3)]
    assert len(pages_in_mets(path, "PAGEXML")[0]) == 3
    with pytest.raises(ValueError, match="Its groups are IMG, PAGEXML"):
        pages_in_mets(path, "ALTO")


def test_a_work_without_pages_says_which_groups_it_has(workspace):
    path = put(workspace, {"OCR-D-IMG": IMAGES})
    with pytest.raises(ValueError, match=r"no group has pages \(PAGE, ALTO\). Groups are OCR-D-IMG"):
        pages_in_mets(path)
    with pytest.raises(ValueError, match=r"no group has pages .* Groups are missing"):
        pages_in_mets(put(workspace, {}))


@pytest.mark.parametrize("href", ["https://x.org/0001.xml", "../secret.xml", "/etc/passwd", "gone.xml", "", "http://["])
def test_what_is_not_in_the_folder_is_named_and_the_rest_is_read(workspace, tmp_path, href):
    (tmp_path / "secret.xml").write_text((workspace / "OCR-D-SEG" / "0001.xml").read_text())
    path = put(workspace, {"OCR-D-SEG": [("x", "application/xml", href), *PAGES[1:]]})
    files, problems = pages_in_mets(path)
    assert [file.name[-8:] for file in files] == ["0002.xml", "0003.xml"]
    assert len(problems) == 1
    assert "is not in the folder of the METS file" in problems[0]


def test_addresses_of_files_are_understood(workspace):
    name = (workspace / "OCR-D-SEG" / "0001.xml").as_uri()
    (file,), _ = pages_in_mets(put(workspace, {"A": [("a", "", name)]}))
    assert file.name == "OCR-D-SEG/0001.xml"


def test_the_command_reads_the_group_that_is_named(call, workspace, tmp_path):
    path = put(workspace, GROUPS | {"OCR-D-GT": PAGES[:1]}, order=["seg_2", "seg_1", "seg_3"])
    ask = ("read", path, "--format", "jsonl")
    assert "several groups have pages" in call(*ask).stderr
    result = call(*ask, "--file-group", "OCR-D-SEG")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 3)
    assert result.stdout.index("0002.xml") < result.stdout.index("0001.xml")
    refused = call("read", workspace / "OCR-D-SEG", "--file-group", "OCR-D-SEG")
    assert "applies to METS files" in refused.stderr


def test_the_command_segments_the_images_of_a_work(call, workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(put_stand_in(tmp_path / "bin").parent), prepend=":")
    path = put(workspace, GROUPS)
    result = call("read", path, "--segment", "--format", "page", "--output-dir", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(each.name for each in (tmp_path / "out").rglob("*.xml")) == [f"000{n}.xml" for n in (1, 2, 3)]


@pytest.mark.parametrize("format", ["page", "hocr", "tei"])
def test_what_was_written_is_listed_and_can_be_read_again(call, tmp_path, format):
    folder = make_folder(tmp_path / "in", "page", [["one"], ["two"]])
    out = tmp_path / "out"
    ask = ("read", folder, "--format", format, "--output-dir", out, "--mets")
    assert call(*ask).exit_code == 0
    root = etree.parse(out / "mets.xml").getroot()
    groups = {group.get("USE"): group for group in root.iter("{*}fileGrp")}
    suffix = {"page": ".xml", "hocr": ".hocr", "tei": ".tei.xml"}[format]
    assert [each.get(XLINK) for each in groups["TEXT"].iter("{*}FLocat")] == [f"0001{suffix}", f"0002{suffix}"]
    assert [each.get(XLINK) for each in groups["IMAGES"].iter("{*}FLocat")] == ["../in/0001.png", "../in/0002.png"]
    ids = [file.get("ID") for file in root.iter("{*}file")]
    assert sorted(pointer.get("FILEID") for pointer in root.iter("{*}fptr")) == sorted(ids)
    assert root.findtext(".//{*}agent/{*}name").startswith("trocr-gsa ")
    assert call(*ask).exit_code == 0  # all are there already, and are listed again
    assert len(list(etree.parse(out / "mets.xml").iter("{*}fptr"))) == 4
    if format == "page":
        assert [file.name for file in pages_in_mets(out / "mets.xml")[0]] == ["0001.xml", "0002.xml"]


def test_names_with_spaces_come_back(tmp_path):
    folder = make_folder(tmp_path, "page", [["one"]])
    (folder / "0001.xml").rename(folder / "a b ü.xml")
    (folder / "mets.xml").write_bytes(write_mets([("a b ü.xml", None)], MADE))
    (file,), problems = pages_in_mets(folder / "mets.xml")
    assert (file.name, problems) == ("a b ü.xml", [])


def test_without_a_folder_there_is_nothing_to_list(call, tmp_path):
    make_folder(tmp_path / "in", "page", [["one"]])
    result = call("read", tmp_path / "in", "--mets")
    assert result.exit_code == 2
    assert "`--mets` lists the files in --output-dir" in result.stderr


def test_a_picture_s_place_is_its_kept_copy_for_pages_of_a_pdf(call, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(put_stand_in(tmp_path / "bin").parent), prepend=":")
    (tmp_path / "in").mkdir()
    draw_page(["eins"])[0].convert("RGB").save(tmp_path / "in" / "a.pdf")
    out = tmp_path / "out"
    ask = ("read", tmp_path / "in", "--segment", "--format", "page", "--output-dir", out, "--mets")
    assert call(*ask).exit_code == 0
    places = [each.get(XLINK) for each in etree.parse(out / "mets.xml").iter("{*}FLocat")]
    assert places == ["a-0001.jpg", "a-0001.xml"]
