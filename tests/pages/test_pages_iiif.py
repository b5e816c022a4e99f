"""IIIF manifests: each canvas is a page, in a file beside the manifest or on a server."""

import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from lxml import etree
from page_makers import draw_page
from segmenter_makers import put_stand_in

from trocr_gsa.data.pages import PageError, Scan
from trocr_gsa.data.pages.iiif import RemoteScan, find_canvases

TEXTS = ["eins", "zwei", "drei"]


def version_3(images: list[object]) -> dict:
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json", "type": "Manifest",
        "items": [
            {"type": "Canvas", "items": [{"type": "AnnotationPage", "items": [
                {"type": "Annotation", "motivation": "supplementing", "body": {"id": "not-this"}},
                {"type": "Annotation", "motivation": "painting", "body": image},
            ]}]}
            for image in images
        ],
    }  # fmt: skip


def version_2(images: list[object]) -> dict:
    return {
        "@context": "http://iiif.io/api/presentation/2/context.json", "@type": "sc:Manifest",
        "sequences": [{"canvases": [{"@type": "sc:Canvas", "images": [{"resource": image}]} for image in images]}],
    }  # fmt: skip


def put(folder: Path, manifest: object, name: str = "book.json") -> Path:
    path = folder / name
    path.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest), encoding="utf-8")
    return path


@pytest.fixture
def book(tmp_path) -> Path:
    folder = tmp_path / "book"
    (folder / "pictures").mkdir(parents=True)
    for number, text in enumerate(TEXTS):
        draw_page([text])[0].save(folder / "pictures" / f"{number}.png")
    return folder


@pytest.fixture
def server(book):
    """The address under which the book's folder is served, and what was asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(book))

        def log_message(self, *_):
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", asked
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("make", [version_2, version_3])
@pytest.mark.parametrize("form", ["relative", "file", "key"])
def test_images_beside_the_manifest_are_its_pages_in_order(book, make, form):
    names = [f"pictures/{number}.png" for number in (2, 0, 1)]
    base = book.as_uri() + "/" if form == "file" else ""
    key = "@id" if form == "key" else "id"
    scans, problems = find_canvases(str(put(book, make([{key: base + name} for name in names]))))
    assert problems == []
    assert [(scan.name, scan.is_file) for scan in scans] == [(name, True) for name in names]
    assert [scan.load().size for scan in scans] == [(400, 300)] * 3


@pytest.mark.parametrize(
    "body",
    [
        [{"id": "pictures/0.png"}],
        {"type": "Choice", "items": [{"id": "pictures/0.png"}, {"id": "pictures/1.png"}]},
        {"@type": "oa:Choice", "default": {"@id": "pictures/0.png"}, "item": [{"@id": "pictures/1.png"}]},
        {"type": "SpecificResource", "source": {"id": "pictures/0.png"}},
    ],
)
def test_of_several_images_of_a_canvas_the_first_is_read(book, body):
    (scan,), problems = find_canvases(str(put(book, version_3([body]))))
    assert (scan.name, problems) == ("pictures/0.png", [])


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ([{"id": "https://x.org/iiif/1", "type": "ImageService3"}], "https://x.org/iiif/1/full/max/0/default.jpg"),
        ({"@id": "https://x.org/iiif/1/", "@type": "ImageService2"}, "https://x.org/iiif/1/full/full/0/default.jpg"),
    ],
)
def test_an_image_of_which_only_the_service_is_named_is_asked_for_whole(tmp_path, service, expected):
    (scan,), _ = find_canvases(str(put(tmp_path, version_3([{"service": service}]))))
    assert isinstance(scan, RemoteScan)
    assert (scan.url, scan.name, scan.is_file) == (expected, "book-0001.jpg", False)


def test_an_image_outside_of_the_folder_or_nowhere_is_named_and_the_rest_is_read(book, tmp_path):
    draw_page(["secret"])[0].save(tmp_path / "secret.png")
    draw_page(["cover"])[0].save(book / "book.png")  # has the manifest's name, and is none of its pages
    outside = (tmp_path / "secret.png").as_uri()
    images = [{"id": "../secret.png"}, {"id": outside}, {}, {"id": "gone.png"}, {"id": "pictures/1.png"}]
    scans, problems = find_canvases(str(put(book, version_3(images))))
    assert [scan.name for scan in scans] == ["pictures/1.png"]
    assert len(problems) == 4
    assert "canvas 3 has no image" in problems[2]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no IIIF manifest"),
        ({"items": []}, "has no canvas"),
        ({"items": [{"type": "Manifest"}]}, "Is it a collection"),
        ({"sequences": 3}, "has no canvas"),
        ({"items": [{"type": "Canvas"}] * 10_001}, "more than 10,000"),
    ],
)
def test_what_is_no_manifest_is_named(tmp_path, content, complaint):
    with pytest.raises(PageError, match=complaint):
        find_canvases(str(put(tmp_path, content)))


def test_a_manifest_without_images_on_servers_asks_for_nothing(book, server):
    put(book, version_3([{"id": "pictures/0.png"}]))
    find_canvases(str(book / "book.json"))
    assert server[1] == []


@pytest.mark.parametrize("by_address", [False, True])
def test_images_on_a_server_are_downloaded_when_they_are_read(book, server, by_address):
    address, asked = server
    images = [{"id": f"pictures/{n}.png" if by_address else f"{address}/pictures/{n}.png"} for n in range(3)]
    put(book, version_3(images))
    scans, problems = find_canvases(f"{address}/book.json" if by_address else str(book / "book.json"))
    assert problems == []
    assert asked == ["/book.json"] * by_address
    assert [scan.name for scan in scans] == [f"book-{n:04}.jpg" for n in (1, 2, 3)]
    assert [scans[n].load().tobytes() for n in (0, 0, 2)] == [
        Scan(book / "pictures" / f"{n}.png", book, "").load().tobytes() for n in (0, 0, 2)
    ]
    assert asked == ["/book.json"] * by_address + ["/pictures/0.png", "/pictures/2.png"]  # each once


def test_what_the_server_does_not_have_is_named(book, server):
    address, _ = server
    put(book, version_3([{"id": f"{address}/gone.png"}, {"id": "http://127.0.0.1:9/closed.png"}]))
    scans, _ = find_canvases(str(book / "book.json"))
    for scan in scans:
        with pytest.raises(PageError, match="cannot be downloaded"):
            scan.load()
    with pytest.raises(PageError, match="cannot be downloaded"):
        find_canvases(f"{address}/gone.json")


def test_more_than_an_image_can_have_is_not_downloaded(book, server, monkeypatch):
    monkeypatch.setattr("trocr_gsa.data.pages.iiif.MOST_BYTES", 100)
    (book / "large.json").write_text(json.dumps(version_3([{"id": f"{server[0]}/pictures/0.png"}])))
    monkeypatch.setattr("trocr_gsa.data.pages.iiif._read", lambda path, _: json.loads(path.read_bytes()))
    (scan,), _ = find_canvases(str(book / "large.json"))
    with pytest.raises(PageError, match="more than 100 bytes"):
        scan.load()
    assert not scan.path.exists()


@pytest.fixture
def kraken(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(put_stand_in(tmp_path / "bin").parent), prepend=":")


def test_the_command_reads_a_manifest_and_keeps_downloaded_images(call, kraken, book, server, tmp_path):
    put(book, version_3([{"id": f"{server[0]}/pictures/0.png"}, {"id": f"{server[0]}/gone.png"}]))
    out = tmp_path / "out"
    result = call("read", book / "book.json", "--segment", "--format", "page", "--output-dir", out)
    assert result.exit_code == 1
    assert result.stderr.count("left out: ") == 1
    assert "gone.png cannot be downloaded" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == ["book-0001.jpg", "book-0001.xml"]
    root = etree.parse(out / "book-0001.xml").getroot()
    assert root.find("{*}Page").get("imageFilename") == "book-0001.jpg"


def test_without_segment_the_message_says_what_to_add(call, book):
    put(book, version_3([{"id": "pictures/0.png"}]))
    result = call("read", book / "book.json")
    assert result.exit_code == 2
    assert "is a manifest of pages. Add --segment" in result.stderr
