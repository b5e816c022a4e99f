"""The HTTP API, without a network: what it answers, and what it refuses."""

import io
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest
from lxml import etree
from page_makers import draw_page, page_line, page_xml
from segmenter_makers import put_stand_in
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.provenance import Provenance, Weights
from trocr_gsa.reader import LineReader

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from trocr_gsa.demo.api import LINE_FORMATS, PAGE_FORMATS, build_api
from trocr_gsa.demo.limits import OVERHEAD, Gate, Limits
from trocr_gsa.demo.uploads import Service

TEXTS = ["abc", "noon", "abcdef"]
CLIENTS = 8
LIMITS = Limits(upload=200_000, pixels=300_000, lines=4, waiting=CLIENTS)


def as_bytes(image, format="PNG", **settings) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **settings)
    return stream.getvalue()


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> LineReader:
    folder = tmp_path_factory.mktemp("api")
    base = save_checkpoint(folder / "base", decoder_max_position_embeddings=8, ctc_steps_per_patch=4)
    adapters = {name: save_adapter(base, folder / name, seed=seed) for seed, name in enumerate(("fr", "de"))}
    return LineReader.from_pretrained(base, adapters, "cpu")


@pytest.fixture(scope="module")
def client(reader) -> Iterator[TestClient]:
    def made_with(adapter):
        return Provenance("1", Weights("tiny"), adapter and Weights(adapter), "2026-01-01T00:00:00Z", {})

    with TestClient(build_api(Service(reader, LIMITS, made_with))) as client:
        yield client


def page(texts=TEXTS):
    """A page's picture, and its PAGE file, which names another picture."""
    picture, drawn = draw_page(texts)
    layout = page_xml("\n".join(page_line(number, line) for number, line in enumerate(drawn, 1)), "/etc/passwd")
    return as_bytes(picture), layout.encode()


def ask_line(client, picture, **wanted):
    wanted = {"orientation": [0]} | wanted  # one pose takes a quarter of the time
    return client.post("/lines", files={"picture": ("a line.png", picture)}, params=wanted)


def ask_page(client, picture, layout=None, **wanted):
    files = {"picture": ("scan.png", picture)} | ({"layout": ("scan.xml", layout)} if layout else {})
    return client.post("/pages", files=files, params={"orientation": [0]} | wanted)


def refused(answer, status=422) -> str:
    assert answer.status_code == status, answer.text
    (message,) = answer.json().values()
    assert list(answer.json()) == ["error"]
    return message


@pytest.mark.parametrize("adapter", [None, "fr"])
def test_a_line_is_read_as_in_python(client, reader, adapter):
    image = draw_line("abc")
    (line,) = reader.read([image], {0: 1.0}, adapter=adapter, with_words=True, alternatives=2)
    found = ask_line(client, as_bytes(image), words=True, alternatives=2, **named(adapter)).json()
    assert (found["text"], found["adapter"], found["source"]) == (line.text, adapter, "a line.png")
    assert len(found["alternatives"]) == len(line.alternatives)
    assert len(found.get("words", [])) == len(line.words or ())


@pytest.mark.parametrize("name", LINE_FORMATS)
def test_a_line_is_written_in_every_format_for_lines(client, name):
    answer = ask_line(client, as_bytes(draw_line("abc")), format=name)
    assert answer.status_code == 200, answer.text
    assert name == "text" or "a line.png" in answer.text
    assert answer.text.strip()


@pytest.mark.parametrize("name", PAGE_FORMATS)
def test_a_page_with_its_layout_is_written_in_every_registered_format(client, name):
    picture, layout = page()
    answer = ask_page(client, picture, layout, format=name)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] != "application/octet-stream"
    if name == "json":
        assert [line["line"] for line in answer.json()["lines"]] == ["l1", "l2", "l3"]
        return
    assert answer.headers["x-left-out"] == "0"
    if FORMATS[name].suffix.endswith(("xml", "hocr")):
        assert etree.fromstring(answer.content) is not None


def test_the_formats_are_those_of_the_registry(client):
    assert set(PAGE_FORMATS) == {"json", *FORMATS}
    assert set(LINE_FORMATS) == {"json", *(name for name, each in FORMATS.items() if not each.needs_layout)}
    described = client.get("/openapi.json").json()["paths"]
    (format,) = [each for each in described["/pages"]["post"]["parameters"] if each["name"] == "format"]
    assert format["schema"]["enum"] == PAGE_FORMATS
    assert {"400", "413", "422", "503"} <= described["/lines"]["post"]["responses"].keys()
    told = client.get("/info").json()
    assert (told["adapters"], told["model"]) == (["fr", "de"], "tiny")


def test_media_types_and_headers_are_described(client):
    """Those of each format that is asked for."""
    picture, layout = page(TEXTS[:1])
    described = client.get("/openapi.json").json()["paths"]["/pages"]["post"]["responses"]["200"]
    for name in PAGE_FORMATS:
        answer = ask_page(client, picture, layout, format=name)
        assert answer.headers["content-type"].partition(";")[0] in described["content"], name
        assert {"x-left-out"} & answer.headers.keys() == ({"x-left-out"} if name != "json" else set())
    assert "X-Left-Out" in described["headers"]


def test_a_page_has_the_date_of_its_reading_and_not_of_the_start(client, monkeypatch):
    picture, layout = page(TEXTS[:1])
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    assert "2027-01-15T08:00:00Z" in ask_page(client, picture, layout, format="page").text


def test_a_page_keeps_the_name_of_its_picture_and_says_who_read_it(client):
    picture, layout = page()
    read = ask_page(client, picture, layout, format="page", adapter="fr").text
    assert 'imageFilename="/etc/passwd"' in read
    assert "tiny" in read
    assert "fr" in read


@pytest.mark.parametrize("angle", [0, 90, 180])
def test_possible_angles_are_heeded(client, angle):
    found = ask_line(client, as_bytes(draw_line("abc")), orientation=[angle]).json()
    assert found["orientation"] == angle


def test_a_page_without_layout_is_segmented(client, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(put_stand_in(tmp_path).parent), prepend=":")
    picture, _ = page()
    assert len(texts_of(ask_page(client, picture))) == len(TEXTS)
    alto = ask_page(client, picture, format="alto")
    assert "<fileName>scan.png" in alto.text
    pdf = as_bytes(draw_page(TEXTS)[0], "PDF", save_all=True, append_images=[draw_page(TEXTS[:1])[0]])
    assert "`page`: scan.png has 2 pages" in refused(ask_page(client, pdf))
    assert "1 … 2" in refused(ask_page(client, pdf, page=3))
    assert len(texts_of(ask_page(client, pdf, page=2))) == 1


def test_without_kraken_a_page_needs_its_layout(client, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert "Send a PAGE or ALTO file as `layout`" in refused(ask_page(client, page()[0]))


PICTURE = as_bytes(draw_line("abc"))
BAD_LINES = {
    "no picture": ((b"no picture", {}), "a line.png: not a picture"),
    "nothing": ((b"", {}), "the file is empty"),
    "half a picture": ((PICTURE[:60], {}), "a line.png"),
    "several lines": ((as_bytes(draw_page(["many lines of text"] * 8)[0]), {}), "looks like"),
    "format": ((PICTURE, {"format": "pdff"}), "`format` must be one of"),
    "format of pages": ((PICTURE, {"format": "alto"}), "one of json, text, jsonl, csv, got 'alto'. alto is for pages"),
    "adapter": ((PICTURE, {"adapter": "es"}), "`adapter`: there is no 'es' on this server, which has fr, de."),
    "angle": ((PICTURE, {"orientation": [37]}), "`orientation` must name angles"),
    "no angle": ((PICTURE, {"orientation": ["left"]}), "`orientation`: "),
    "not finite": ((PICTURE, {"orientation": ["nan"]}), "`orientation` must name angles"),
    "places": ((PICTURE, {"format": "csv", "words": True}), "`words`: the format csv"),
    "alternatives": ((PICTURE, {"alternatives": 1000}), "`alternatives` must lie in"),
    "fewer": ((PICTURE, {"alternatives": -1}), "`alternatives` must lie in"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_what_makes_no_sense_is_refused_with_one_sentence(client, case):
    (picture, wanted), message = BAD_LINES[case]
    assert message in refused(ask_line(client, picture, **wanted))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (b"<", "scan.xml"),
        (b"<html/>", "neither PAGE nor ALTO"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "scan.xml"),
        (page()[1].replace(b'imageWidth="400"', b'imageWidth="40"'), "describes a page of 40"),
    ],
)
def test_a_layout_that_is_none_is_refused(client, layout, message):
    found = refused(ask_page(client, page()[0], layout))
    assert message in found
    assert "/tmp" not in found


def test_forms_that_are_none_are_refused(client):
    assert refused(client.post("/lines")).startswith("`picture` is missing.")
    assert refused(client.post("/lines", data={"picture": "text"})).startswith("`picture` must be a file")
    broken = client.post("/lines", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert "multipart/form-data" in refused(broken, 400)
    assert "/openapi.json" in refused(client.get("/nowhere"), 404)
    assert "does not take GET" in refused(client.get("/lines"), 405)


def test_what_is_too_large_is_refused(client):
    assert "MiB" in refused(ask_line(client, b"x" * (LIMITS.upload + 2 * OVERHEAD)), 413)
    assert "pixels are more than 300,000" in refused(
        ask_line(client, as_bytes(draw_line("a", 2_000).resize((2_000, 200)))), 413
    )
    picture, layout = page(["ab"] * 5)
    assert "5 lines are more than 4" in refused(ask_page(client, picture, layout), 413)
    wide = as_bytes(draw_page(TEXTS, size=(800, 600))[0])
    assert "pixels are more" in refused(ask_page(client, wide, layout), 413)


def test_an_upload_without_a_length_is_counted(client):
    def endless():
        head = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
        yield head
        for _ in range(100):
            yield b"x" * 10_000

    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert "MiB" in refused(client.post("/lines", content=endless(), headers=form), 413)


@pytest.mark.anyio
async def test_one_request_too_many_is_sent_away():
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("nothing of it is read")

    gate = Gate(receive, Limits(waiting=1))
    gate.inside = 1
    await gate({"type": "http", "method": "POST", "headers": []}, receive, send)
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"5") in sent[0]["headers"]
    assert gate.inside == 1


def test_a_limit_is_positive():
    with pytest.raises(ValueError, match="`lines` must be more than 0"):
        Limits(lines=0)


def test_eight_clients_at_once_get_each_their_own(client, reader):
    assert visits(client, reader, seconds=0) == [1] * CLIENTS


@pytest.mark.slow
def test_eight_clients_get_their_own_for_two_minutes(client, reader):
    assert min(visits(client, reader, seconds=120)) > 3


def visits(client, reader, seconds):
    """Ask for lines and pages, with and without adapters, and compare each answer with that of the reader alone."""
    picture, layout = page()
    jobs = [(text, adapter) for text in TEXTS[:2] for adapter in (None, "fr", "de")]
    expected = {job: reader.read([draw_line(job[0])], {0: 1.0}, adapter=job[1])[0].text for job in jobs}
    of_page = {adapter: texts_of(ask_page(client, picture, layout, **named(adapter))) for adapter in (None, "fr")}
    assert len(set(expected.values())) > len(TEXTS)
    assert of_page[None] != of_page["fr"]
    end = monotonic() + seconds

    def visit(number):
        count = 0
        while count == 0 or monotonic() < end:
            text, adapter = jobs[(number + count) % len(jobs)]
            if (number + count) % 4 == 3:
                adapter = "fr" if number % 2 else None
                assert texts_of(ask_page(client, picture, layout, **named(adapter))) == of_page[adapter]
            else:
                answer = ask_line(client, as_bytes(draw_line(text)), **named(adapter))
                assert (answer.status_code, answer.json()["text"]) == (200, expected[text, adapter])
            count += 1
        return count

    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(visit, range(CLIENTS)))


def named(adapter):
    return {"adapter": adapter} if adapter else {}


def texts_of(answer):
    assert answer.status_code == 200, answer.text
    return [line["text"] for line in answer.json()["lines"]]
