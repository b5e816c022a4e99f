"""Damaged PAGE, ALTO and PDF files: each is read or named, nothing beside it is lost, and none takes long or much."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from limits import limited, shares
from lxml import etree
from mutations import mutated
from page_makers import alto_line, alto_xml, draw_page, make_folder, page_equiv, page_line, page_xml
from stub_reader import StubReader

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.pages import PageError, find_pages, find_scans, one_of_each, pdf, pdf_worker
from trocr_gsa.data.pages.page_files import COMPANIONS
from trocr_gsa.data.pages.page_lines import open_pages
from trocr_gsa.data.pages.xml_files import root_name
from trocr_gsa.reader.pages import ReadPage, read_pages

IMAGE, LINES = draw_page(["abc def", "zweite Zeile", "hoch"], [3.0, 90.0, 180.0])
GOOD = "good/0001.xml"
FEW, MANY, SHARE = 100, 10_000, 100  # inputs of a kind, and in a test


def page_seed() -> bytes:
    word = '<Word id="w{0}"{2}><Coords points="5,5 60,5 60,40"/>{1}</Word>'
    glyph = '<Glyph id="g"><Coords points="5,5 9,5 9,9"/>' + page_equiv("z") + "</Glyph>"
    words = word.format(1, page_equiv("zweite"), "") + word.format(2, glyph, ' custom="person {offset:0; length:1;}"')
    custom = ' custom="readingOrder {index:1;} person {offset:0; length:3;} structure {type:heading;}"'
    equivs = page_equiv("abc def", ' index="0" conf="0.5"') + page_equiv("abc", ' index="1"')
    lines = [
        page_line(1, LINES[0], equivs, custom),
        page_line(2, LINES[1], words + page_equiv("")),
        page_line(3, LINES[2], "<TextStyle/>", ' custom="readingOrder {index:0;}"'),
    ]
    bent = page_line(4, LINES[0], page_equiv("bent"))
    bent = bent.replace("<Baseline points=", '<Baseline points="120,60 200,75 280,60" was=')
    region = '<TextRegion id="r{}"><Coords points="0,0 400,0 400,300 0,300"/>{}</TextRegion>'
    references = "".join(f'<RegionRefIndexed index="{2 - number}" regionRef="r{number}"/>' for number in (1, 2))
    order = f'<ReadingOrder><OrderedGroup id="g">{references}</OrderedGroup></ReadingOrder>'
    body = region.format(1, "".join(lines) + page_equiv("abc def\nzweite")) + region.format(2, bent)
    return page_xml(body, order=order).encode()


def alto_seed() -> bytes:
    box = 'HPOS="120" VPOS="60" WIDTH="60" HEIGHT="20"'
    strings = f'<String CONTENT="zwei" WC="0.5" {box}/><SP/><String CONTENT="Wor" {box} SUBS_TYPE="HypPart1"/><HYP/>'
    glyphs = f'<String CONTENT="" {box}><Glyph CONTENT="a"/><ALTERNATIVE>b</ALTERNATIVE></String>'
    lines = [alto_line(1, LINES[0], strings), alto_line(2, LINES[1], glyphs, polygon=False), alto_line(3, LINES[2])]
    no_box = f'<TextLine ID="l4">{strings}</TextLine>'
    block = '<TextBlock ID="b{}" ROTATION="0">{}</TextBlock>'
    references = '<ElementRef ID="e" REF="b2"/><ElementRef ID="f" REF="l2 gone"/>'
    order = f'<ReadingOrder><OrderedGroup ID="g">{references}</OrderedGroup></ReadingOrder>'
    body = block.format(1, "".join(lines)) + block.format(2, no_box)
    return alto_xml(body).replace("<Layout>", order + "<Layout>").encode()


SEEDS = {"page": page_seed(), "alto": alto_seed()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fuzzed")
    make_folder(folder / "good", "page", [["one", "two"]], transcribed=True)
    IMAGE.save(folder / "0001.png")
    return folder


def outcome(folder: Path, name: str) -> str:
    """Read a folder in every way, and say what became of one of its files."""
    files, _ = one_of_each(find_pages(folder))
    read = {page.file.name: page for page in read_pages(StubReader(), files)}
    assert read[GOOD].problems == []
    assert None not in read[GOOD].readings
    lines = open_pages(folder)
    assert {"one", "two"} <= {line.text for line in lines}
    assert all(problem.startswith(f"{name}: ") for problem in lines.problems)
    if name not in read:
        assert root_name(folder / name) in COMPANIONS
        return "passed over"
    page = read[name]
    assert all(problem.startswith(f"{name}: ") for problem in page.problems)
    assert all(len(problem) < 1000 for problem in page.problems)
    if page.page is None:
        assert len(page.problems) == 1
        return "named"
    assert page.readings.count(None) == len(page.problems)
    check_written(page)
    return "named in part" if page.problems else "read"


def check_written(read: ReadPage) -> None:
    """Write a page in every form, and read back the one that it came in."""
    page = read.page
    assert page is not None
    kind = page.kind.lower()
    for format in ("text", "csv", "jsonl", "hocr", kind):
        content = FORMATS[format].write_page(page, read.readings)
        if format in ("hocr", kind):
            etree.fromstring(content, etree.XMLParser(resolve_entities=False))
        else:
            assert content.decode().count("read anew") == len(read.readings) - read.readings.count(None)


@pytest.mark.parametrize("kind", ["page", "alto"])
@pytest.mark.parametrize("start", shares(FEW, MANY, SHARE))
def test_a_damaged_page_is_read_or_named_and_the_one_beside_it_read(folder, kind, start):
    path = folder / "0001.xml"
    outcomes: Counter[str] = Counter()
    for seed in range(start, start + SHARE):
        path.write_bytes(mutated(SEEDS[kind], Random(f"{kind} {seed}"), is_xml=True))
        with limited(f"{kind} {seed}"):
            outcomes[outcome(folder, "0001.xml")] += 1
    path.unlink()
    print(f"{kind} {start} to {start + SHARE}: {dict(outcomes)}")
    assert min(outcomes["read"], outcomes["named"], outcomes["named in part"]) > 0


@pytest.mark.parametrize("kind", ["page", "alto"])
def test_an_undamaged_page_is_read_whole(folder, kind):
    """The control: what is damaged above is more than that."""
    (folder / "0001.xml").write_bytes(SEEDS[kind])
    assert outcome(folder, "0001.xml") == "read"
    (folder / "0001.xml").unlink()


@pytest.mark.parametrize("start", shares(FEW, MANY, SHARE))
def test_a_damaged_pdf_is_drawn_or_named(tmp_path, start, monkeypatch):
    pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    monkeypatch.setattr(pdf, "_run", lambda words, _: pdf_worker.answer(words))  # not a process for each
    path = tmp_path / "a.pdf"
    image, other = (draw_page([text], size=(80, 60))[0] for text in ("a", "b"))
    image.save(path, save_all=True, append_images=[other], resolution=300)
    whole = path.read_bytes()
    outcomes: Counter[str] = Counter()
    for seed in range(start, start + SHARE):
        path.write_bytes(mutated(whole, Random(f"pdf {seed}"), is_xml=False))
        with limited(f"pdf {seed}"):
            outcomes[drawn(path)] += 1
    print(f"pdf {start} to {start + SHARE}: {dict(outcomes)}")
    assert min(outcomes["drawn"], outcomes["named"]) > 0


def drawn(path: Path) -> str:
    """Draw every page of a PDF, and say what became of it."""
    scans, problems = find_scans(path)
    assert bool(scans) != bool(problems)
    assert all(problem.startswith("a.pdf: ") for problem in problems)
    named = []
    for scan in scans:
        try:
            assert scan.load().mode in ("L", "RGB")
        except PageError as error:
            named.append(str(error))
    assert all(problem.startswith(("a.pdf: ", "a-000")) for problem in named)
    return "named" if problems else "named in part" if named else "drawn"
