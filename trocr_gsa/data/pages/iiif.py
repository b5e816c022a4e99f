"""Pages of a IIIF manifest (Presentation API 2 and 3): each canvas is an image, in a file or on a server.

What is unusual: an image on a server is downloaded when its page is read, into a folder that goes when the program
ends; one in a file is opened only if it lies in the manifest's own folder.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from PIL import Image

from trocr_gsa.atomic import open_atomically

from ..names import shown
from .page_pictures import find_picture
from .scans import Scan
from .xml_files import PageError

SUFFIX = ".json"
REMOTE = ("http", "https")
MOST_BYTES = 1_000_000_000  # of an image; a manifest may have a tenth of it
MOST_CANVASES = 10_000
SECONDS = 60  # without a byte


@dataclass(frozen=True)
class RemoteScan(Scan):
    """An image on a server.

    Args:
        url: its address.
    """

    url: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the image is a file of the user's."""
        return False

    def load(self) -> Image.Image:
        """Download the image, if that was not done, and decode it, in mode "L" or "RGB".

        Raises:
            PageError: if this fails.
        """
        if not self.path.exists():
            _download(self.url, self.path, self.name, MOST_BYTES)
        return super().load()


def is_manifest(word: str) -> bool:
    """Whether a word of a command is the name or the address of a manifest."""
    return is_remote(word) or word.lower().endswith(SUFFIX)


def is_remote(word: str) -> bool:
    """Whether a word is the address of something on a server."""
    return urlsplit(word).scheme in REMOTE


def find_canvases(source: str) -> tuple[list[Scan], list[str]]:
    """Return the pages of a manifest in their order, and a message for each canvas without an image that can be used.

    Args:
        source: the manifest's file, or its address.

    Raises:
        PageError: if the manifest cannot be read, or is none.
    """
    if is_remote(source):
        name = PurePosixPath(unquote(urlsplit(source).path)).name or urlsplit(source).netloc
        path = _place(source, SUFFIX)
        _download(source, path, name, MOST_BYTES // 10)
    else:
        path, name = Path(source), Path(source).name
    stem = name.removesuffix(SUFFIX)
    scans: list[Scan] = []
    problems: list[str] = []
    for number, image in enumerate(_images(_read(path, name), name), 1):
        called = f"{stem}-{number:04}.jpg"
        try:
            if image is None:
                raise PageError(f"{name}: canvas {number} has no image. Leave it out of the manifest.")
            scans.append(_scan(image, source, path, called))
        except PageError as error:
            problems.append(str(error))
    return scans, problems


def _scan(image: str, source: str, path: Path, called: str) -> Scan:
    address = urljoin(source, image) if is_remote(source) else image
    if is_remote(address):
        return RemoteScan(_place(address, ".image"), path.parent, called, url=address)
    if is_remote(source):
        raise PageError(f"{called}: its address {shown(image)!r} is none on a server. Download the manifest.")
    # by its own name alone, not by the manifest's
    found = find_picture(path.with_name(PurePosixPath(image).name or path.name), image, path.parent, path.name)
    return Scan(found, path.parent, found.resolve().relative_to(path.parent.resolve()).as_posix())


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES // 10:
            raise PageError(f"{name}: more than {MOST_BYTES // 10:,} bytes. Is it a manifest?")
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise PageError(f"{name}: cannot be read ({error.strerror}). Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise PageError(f"{name}: is no JSON ({shown(str(error))}). Download the manifest again.") from error
    if not isinstance(manifest, dict) or not ("items" in manifest or "sequences" in manifest):
        raise PageError(f"{name}: is no IIIF manifest: it has neither items nor sequences. Give a manifest.")
    return manifest


def _images(manifest: dict[str, Any], name: str) -> Iterator[str | None]:
    """Yield the address of each canvas's image, None for a canvas without."""
    if "items" in manifest:
        canvases = [canvas for canvas in _list(manifest["items"]) if _dict(canvas).get("type") == "Canvas"]
    else:
        first = next(iter(_list(manifest["sequences"])), {})
        canvases = _list(_dict(first).get("canvases"))
    if not canvases:
        raise PageError(f"{name}: has no canvas. Is it a collection? Give one of its manifests.")
    if len(canvases) > MOST_CANVASES:
        raise PageError(f"{name}: has {len(canvases):,} canvases, more than {MOST_CANVASES:,}. Split it.")
    for canvas in map(_dict, canvases):
        yield _address(_painted(canvas))


def _painted(canvas: dict[str, Any]) -> dict[str, Any]:
    """Return the image that a canvas shows first."""
    if "images" in canvas:  # version 2
        body = _dict(next(iter(_list(canvas["images"])), {})).get("resource")
    else:
        pages = map(_dict, _list(canvas.get("items")))
        annotations = (_dict(each) for page in pages for each in _list(page.get("items")))
        body = next((each.get("body") for each in annotations if each.get("motivation") == "painting"), None)
    for _ in range(3):  # a list or a choice of images, of a part of one
        body = next(iter(_list(body)), {}) if isinstance(body, list) else body
        options = _dict(body).get("items") or _dict(body).get("default") or _dict(body).get("source")
        body = options if isinstance(options, list | dict) else body
    return _dict(body)


def _address(image: dict[str, Any]) -> str | None:
    """Return where an image is: its own address, else that of its service with the largest size."""
    own = image.get("id") or image.get("@id")
    if isinstance(own, str) and own:
        return own
    service = _dict(next(iter(_list(image.get("service"))), {}))
    base = service.get("id") or service.get("@id")
    if not isinstance(base, str) or not base:
        return None
    size = "max" if str(service.get("type", "")).endswith("3") else "full"
    return f"{base.rstrip('/')}/full/{size}/0/default.jpg"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _place(url: str, suffix: str) -> Path:
    """Return where something from a server is kept while the program runs."""
    return _folder() / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}{suffix}"


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="trocr-gsa-iiif-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _download(url: str, path: Path, name: str, most: int) -> None:
    """Download a file.

    Raises:
        PageError: if it is not there, or too large.
    """
    import httpx2

    size = 0
    try:
        with (
            httpx2.stream("GET", url, follow_redirects=True, timeout=SECONDS) as answer,
            open_atomically(path, "wb") as stream,
        ):
            answer.raise_for_status()
            for block in answer.iter_bytes():
                size += len(block)
                if size > most:
                    raise PageError(f"{name}: {shown(url)} has more than {most:,} bytes. Download it, and look.")
                stream.write(block)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        what = shown(str(error) or type(error).__name__)
        raise PageError(f"{name}: {shown(url)} cannot be downloaded ({what}). Try again, or check it.") from error
