"""Outputs say what made them: in the places that their schemas have for it, and the same each time on request."""

import hashlib
import re
from pathlib import Path

import pytest
from alto_rules import broken_rules
from lxml import etree
from page_makers import ALTO_4, PAGE_2019, SIZE, alto_line, alto_xml, draw_page, make_folder, page_line, page_xml
from tiny_adapters import save_adapter

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.line import Line
from trocr_gsa.data.pages import Page, PageFile
from trocr_gsa.data.pages.conversion import filled_in
from trocr_gsa.data.provenance import Provenance, Weights, current_date, own_version

SCHEMA = Path(__file__).parent / "schemas" / "pagecontent-2019-07-15.xsd"
PAGE_2013 = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15"
DATE = "2020-09-13T12:26:40Z"
MADE = Provenance("1.0", Weights("my\nmodel", "ab"), Weights("fr", "cd"), DATE, {"beams": "1"})
_, LINES = draw_page(["one", "two"])
READ = [Line("ein Wort", 0.5, 0.0), None]


def page_of(folder: Path, content: str) -> Page:
    path = folder / "0001.xml"
    path.write_text(content, encoding="utf-8")
    page = PageFile(path, folder, path.name).read()
    assert page is not None
    return page.scaled_to(SIZE)


def page_content(namespace: str = PAGE_2019) -> str:
    return page_xml(page_line(1, LINES[0]) + page_line(2, LINES[1]), namespace=namespace)


def alto_content(namespace: str = ALTO_4) -> str:
    return alto_xml(alto_line(1, LINES[0]) + alto_line(2, LINES[1]), namespace=namespace)


def test_page_has_a_processing_step_with_all_that_is_known(tmp_path):
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    filled = FORMATS["page"].write_page(page_of(tmp_path, page_content()), READ, MADE)
    root = etree.fromstring(filled)
    schema.assertValid(root)
    (item,) = root.findall("{*}Metadata/{*}MetadataItem")
    assert dict(item.attrib) == {
        "type": "processingStep", "name": "recognition/text-recognition", "value": "trocr-gsa 1.0", "date": DATE
    }  # fmt: skip
    assert {label.get("type"): label.get("value") for label in item.iter("{*}Label")} == {
        "model": "my\\nmodel", "model SHA-256": "ab", "adapter": "fr", "adapter SHA-256": "cd", "beams": "1"
    }  # fmt: skip
    assert root.findtext("{*}Metadata/{*}LastChange") == DATE
    assert root.findtext("{*}Metadata/{*}Created") == "2020-01-01T00:00:00"


def test_page_before_2019_has_it_as_a_comment(tmp_path):
    content = page_content(PAGE_2013)
    filled = FORMATS["page"].write_page(page_of(tmp_path, content), READ, MADE)
    metadata = etree.fromstring(filled).find("{*}Metadata")
    assert [etree.QName(child).localname for child in metadata] == ["Creator", "Created", "LastChange", "Comments"]
    said = metadata.findtext("{*}Comments")
    assert (
        said
        == f"{DATE} trocr-gsa 1.0; model: my\\nmodel; model SHA-256: ab; adapter: fr; adapter SHA-256: cd; beams: 1"
    )
    again = FORMATS["page"].write_page(page_of(tmp_path, filled.decode()), [Line("anders", 0.5, 0.0), None], MADE)
    assert etree.fromstring(again).findtext("{*}Metadata/{*}Comments") == f"{said}\n{said}"


def test_a_page_without_metadata_gets_some(tmp_path):
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    content = re.sub(r"(?s)<Metadata>.*</Metadata>", "", page_content())
    assert not schema.validate(etree.fromstring(content.encode()))
    filled = FORMATS["page"].write_page(page_of(tmp_path, content), READ, MADE)
    schema.assertValid(etree.fromstring(filled))


@pytest.mark.parametrize("namespace", [ALTO_4, "http://www.loc.gov/standards/alto/ns-v2#", ""])
@pytest.mark.parametrize("described", [True, False])
def test_alto_has_a_processing_step(tmp_path, namespace, described):
    content = alto_content(namespace)
    if not described:
        content = re.sub(r"(?s)<Description>.*</Description>", "", content)
    filled = FORMATS["alto"].write_page(page_of(tmp_path, content), READ, MADE)
    assert broken_rules(filled) == []
    root = etree.fromstring(filled)
    assert [etree.QName(child).localname for child in root] == ["Description", "Layout"]
    name = "Processing" if namespace == ALTO_4 else "OCRProcessing"
    (processing,) = root.findall(f"{{*}}Description/{{*}}{name}")
    assert processing.get("ID") == "trocr-gsa_1"
    step = processing if namespace == ALTO_4 else processing.find("{*}ocrProcessingStep")
    order = [etree.QName(child).localname for child in step]
    described_by = ["processingDateTime", "processingStepDescription", "processingStepSettings", "processingSoftware"]
    assert order == ["processingCategory"] * (namespace == ALTO_4) + described_by
    assert step.findtext("{*}processingDateTime") == DATE
    assert "model SHA-256: ab; adapter: fr" in step.findtext("{*}processingStepSettings")
    software = [(etree.QName(child).localname, child.text) for child in step.find("{*}processingSoftware")]
    assert software == [("softwareName", "trocr-gsa"), ("softwareVersion", "1.0")]
    assert etree.QName(root.find("{*}Description")[-1]).localname == name


@pytest.mark.parametrize("format", ["page", "alto"])
def test_a_converted_file_was_not_changed_before_it_was_created(tmp_path, format):
    content = alto_content() if format == "page" else page_content()
    written, _ = filled_in(page_of(tmp_path, content), READ, FORMATS[format], MADE)
    assert set(re.findall(rb"20\d\d-\d\d-\d\dT[\d:]+Z", written)) == {DATE.encode()}


def test_the_history_of_a_file_grows(tmp_path):
    first = FORMATS["alto"].write_page(page_of(tmp_path, alto_content()), READ, MADE)
    second = FORMATS["alto"].write_page(page_of(tmp_path, first.decode()), [Line("neu", 0.5, 0.0), None], MADE)
    ids = [each.get("ID") for each in etree.fromstring(second).iter("{*}Processing")]
    assert ids == ["trocr-gsa_1", "trocr-gsa_2"]


@pytest.mark.parametrize(("format", "content"), [("page", page_content()), ("alto", alto_content())])
def test_a_file_in_which_nothing_else_changed_keeps_its_bytes(tmp_path, format, content):
    assert FORMATS[format].write_page(page_of(tmp_path, content), [None, None], MADE) == content.encode()
    filled = FORMATS[format].write_page(page_of(tmp_path, content), READ, MADE)
    assert FORMATS[format].write_page(page_of(tmp_path, filled.decode()), READ, MADE) == filled


def test_hocr_names_the_system_and_the_date(tmp_path):
    html = etree.fromstring(FORMATS["hocr"].write_page(page_of(tmp_path, page_content()), READ, MADE))
    said = {meta.get("name"): meta.get("content") for meta in html.iter("{*}meta")}
    assert said["ocr-system"].startswith("trocr-gsa 1.0; model: my\\nmodel; model SHA-256: ab")
    assert said["DCTERMS.created"] == DATE


def test_the_date_is_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    assert current_date() == DATE
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", current_date())
    assert current_date() > DATE


@pytest.mark.parametrize("seconds", ["today", "", "1e99", "9" * 30])
def test_a_date_that_is_none_is_refused(monkeypatch, call, tmp_path, seconds):
    make_folder(tmp_path / "in", "page", [["one"]])
    monkeypatch.setenv("SOURCE_DATE_EPOCH", seconds)
    result = call("read", tmp_path / "in", "--format", "page", "--output-dir", tmp_path / "out")
    assert result.exit_code == 2
    assert "`SOURCE_DATE_EPOCH` must be a number of seconds since 1970" in result.stderr


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_command_names_model_and_adapter_with_their_checksums(call, page_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    make_folder(tmp_path / "in", "page", [["one"], ["two"]])
    adapter = save_adapter(page_checkpoint, tmp_path / "fr")
    ask = ("read", tmp_path / "in", "--format", "page", "--adapter", f"fr={adapter}", "--use", "0001.xml=fr")
    assert call(*ask, "--output-dir", tmp_path / "out").exit_code == 0
    of_model = {"model": "packaged", "model SHA-256": sha256(page_checkpoint / "model.safetensors")}
    of_adapter = {"adapter": str(adapter), "adapter SHA-256": sha256(adapter / "adapter_model.safetensors")}
    settings = {"orientation": "any", "beams": "1", "precision": "fp32"}
    for name, expected in (("0001", of_model | of_adapter | settings), ("0002", of_model | settings)):
        root = etree.parse(tmp_path / "out" / f"{name}.xml")
        (item,) = root.findall("{*}Metadata/{*}MetadataItem")
        assert (item.get("value"), item.get("date")) == (f"trocr-gsa {own_version()}", DATE)
        assert {label.get("type"): label.get("value") for label in item.iter("{*}Label")} == expected
    assert call(*ask, "--output-dir", tmp_path / "again").exit_code == 0
    assert all(sha256(path) == sha256(tmp_path / "again" / path.name) for path in (tmp_path / "out").glob("*.xml"))
