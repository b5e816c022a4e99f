"""The real kraken, where it is on the PATH: it finds lines for us, and takes what we write."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from alto_rules import broken_rules
from lxml import etree
from page_makers import make_folder
from PIL import Image, ImageDraw, ImageFont
from test_pages_tools import written

from trocr_gsa.data.pages import KrakenSegmenter

KRAKEN = shutil.which("kraken")
SIZE = (1300, 1050)
SCHEMA = Path(__file__).parent / "schemas" / "pagecontent-2019-07-15.xsd"
TEXTS = ["the first line goes on", "and then a second one"] * 4
PARSE = """
import json, sys
from kraken.lib.xml import XMLPage
pages = [XMLPage(path).to_container() for path in sys.argv[1:]]
print(json.dumps([[str(page.imagename), [[line.text, line.baseline] for line in page.lines]] for page in pages]))
"""

pytestmark = pytest.mark.skipif(KRAKEN is None, reason="kraken is not on the PATH (pipx install kraken)")


def parsed(*paths: Path) -> list:
    """What kraken's own parser makes of files: each picture's name, and each line's text and baseline."""
    python = Path(str(KRAKEN)).resolve().parent / "python"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [python, "-c", PARSE, *paths]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    page = Image.new("L", SIZE, 235)
    for number, text in enumerate(TEXTS):
        ImageDraw.Draw(page).text((150, 150 + 90 * number), text, fill=30, font=ImageFont.load_default(44))
    page.save(folder / "0001.png")
    (folder / "0002.png").write_bytes((folder / "0001.png").read_bytes()[:2000])
    return folder


def test_a_picture_at_which_it_stops_costs_itself_alone(scans, tmp_path):
    bad, good = tmp_path / "0.png", tmp_path / "1.png"
    shutil.copy(scans / "0002.png", bad)
    shutil.copy(scans / "0001.png", good)
    problems = KrakenSegmenter.find()([bad, good], "PAGE")
    assert list(problems) == [bad]
    assert re.match("kraken found no layout: .*truncated", problems[bad])
    assert good.with_suffix(".xml").is_file()


@pytest.mark.parametrize("kind", ["page", "alto"])
def test_it_takes_what_is_written(call, tmp_path, kind):
    """Files of others that were filled in."""
    pages = make_folder(tmp_path / "pages", kind, [["one line", "and another"]])
    assert call("read", pages, "--format", kind, "--output-dir", tmp_path / "out").exit_code == 0
    (before, lines), (after, filled) = parsed(pages / "0001.xml", tmp_path / "out" / "0001.xml")
    assert (Path(before).name, Path(after).name) == ("0001.png", "0001.png")
    assert [baseline for _, baseline in filled] == [baseline for _, baseline in lines]
    root = etree.parse(tmp_path / "out" / "0001.xml").getroot()
    texts = root.xpath("//*[local-name()='Unicode']") if kind == "page" else root.xpath("//@CONTENT")
    assert [text.strip() for text, _ in filled] == [(getattr(text, "text", text) or "").strip() for text in texts]


@pytest.mark.parametrize(("kind", "other"), [("page", "alto"), ("alto", "page")])
def test_it_takes_what_is_converted(call, tmp_path, kind, other):
    texts = ["one line", "and another"]
    pages = make_folder(tmp_path / "pages", kind, [texts], transcribed=True)
    assert call("pages", pages, tmp_path / "out", "--to", other).exit_code == 0
    (_, before), (_, after) = parsed(pages / "0001.xml", tmp_path / "out" / "0001.xml")
    assert [text.strip() for text, _ in after] == texts
    assert [baseline for _, baseline in after] == [baseline for _, baseline in before]


def test_it_takes_words_and_characters(tmp_path):
    """Of a line with words, it takes the text of the line."""
    ((_, lines),) = parsed(written(tmp_path, "page"))
    assert [text for text, _ in lines] == ["ein <Wort> & noch", "ſchöne Zeile", ""]


@pytest.mark.parametrize("kind", ["page", "alto"])
def test_it_finds_the_lines_and_takes_what_we_read_in_them(call, scans, tmp_path, kind):
    shutil.copy(scans / "0001.png", tmp_path)
    call("read", tmp_path, "--segment", "--format", kind, "--output-dir", tmp_path)
    ((image, lines),) = parsed(tmp_path / "0001.xml")
    assert Path(image) == tmp_path / "0001.png"
    assert len(lines) == len(TEXTS)
    if kind == "page":
        etree.XMLSchema(etree.parse(SCHEMA)).assertValid(etree.parse(tmp_path / "0001.xml"))
    else:
        assert broken_rules((tmp_path / "0001.xml").read_bytes()) == []
