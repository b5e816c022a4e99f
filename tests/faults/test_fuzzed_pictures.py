"""Damaged pictures of every kind, and odd arrays: each is read, found empty or named, and none takes long or much."""

import io
import math
import struct
import zlib
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
from limits import limited, shares
from mutations import mutated
from picture_forms import every_form
from PIL import Image, features
from tiny_checkpoint import draw_line

from trocr_gsa.data import pages_of
from trocr_gsa.reader import LineReader

LINE = draw_line("abc def", 60)
FEW, MANY, SHARE = 100, 10_000, 100  # inputs, and in a test
DTYPES = ["bool", "uint8", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64", "complex64"]
SHAPES = [(), (0,), (3,), (0, 0), (0, 9), (20, 0, 3), (1, 1), (3, 400), (20, 60), (60, 20), (4, 401), (20, 60, 1),
          (20, 60, 2), (20, 60, 3), (3, 20, 60), (4, 4, 4), (20, 60, 4), (20, 60, 5), (1, 20, 60, 3)]  # fmt: skip
VALUES = [0, 1, 0.5, -1, 16, 127, 255, 256, 4095, 65535, 65536, 2**31, 1e300, -1e300, float("nan"), float("inf")]
EDGES = [b"\0", b"\1", b"\x7f", b"\xff", b"\0\0", b"\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff",
         b"\xff\xff\xff\x7f", b"\0\0\x40\0", b"\0\x40\0\0"]  # fmt: skip


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def every_kind() -> dict[str, bytes]:
    colour, other = LINE.convert("RGB"), draw_line("noon", 60)
    deep = Image.fromarray(np.asarray(LINE).astype(np.uint16) * 257)
    bilevel = LINE.convert("1", dither=Image.Dither.NONE)
    kinds = {
        "grey.png": saved(LINE, "PNG"),
        "clear.png": saved(LINE.convert("RGBA"), "PNG"),
        "deep.png": saved(deep, "PNG"),
        "palette.png": saved(LINE.convert("P"), "PNG", transparency=3),
        "bilevel.png": saved(bilevel, "PNG"),
        "colour.jpg": saved(colour, "JPEG", exif=turned()),
        "passes.jpg": saved(colour, "JPEG", progressive=True),
        "print.jpg": saved(colour.convert("CMYK"), "JPEG"),
        "grey.tif": saved(LINE, "TIFF", compression="tiff_lzw", tiffinfo={274: 6}),
        "raw.tif": saved(colour, "TIFF"),
        "float.tif": saved(Image.fromarray(np.asarray(LINE).astype(np.float32)), "TIFF"),
        "fax.tif": saved(bilevel, "TIFF", compression="group4"),
        "pages.tif": saved(LINE, "TIFF", save_all=True, append_images=[other, LINE]),
        "grey.bmp": saved(LINE, "BMP"),
        "moving.gif": saved(LINE, "GIF", save_all=True, append_images=[other]),
        "grey.pgm": saved(LINE, "PPM"),
    }
    if features.check("webp"):
        kinds["colour.webp"] = saved(colour, "WEBP")
    if features.check_codec("jpg_2000"):
        kinds["grey.jp2"] = saved(LINE, "JPEG2000")
    return kinds


KINDS = every_kind()


def with_edges(content: bytes, random: Random) -> bytes:
    """Overwrite a number of a header by one at the edge of what it can be."""
    edge, place = random.choice(EDGES), random.randrange(min(len(content), 160))
    return content[:place] + edge + content[place + len(edge) :]


def with_checksums(content: bytes) -> bytes:
    """Put a PNG's checksums right, so that damage is found by what it does."""
    fixed, place = bytearray(content), 8
    while place + 12 <= len(fixed):
        end = place + 8 + struct.unpack(">I", fixed[place : place + 4])[0]
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = struct.pack(">I", zlib.crc32(fixed[place + 4 : end]))
        place = end + 4
    return bytes(fixed)


def damaged(content: bytes, random: Random) -> bytes:
    """Damage a picture's file."""
    damage = with_edges(content, random) if random.random() < 0.4 else mutated(content, random, is_xml=False)
    return with_checksums(damage) if content.startswith(b"\x89PNG") and random.random() < 0.7 else damage


def odd_array(random: Random) -> np.ndarray | Image.Image:
    """Make an array, or a Pillow image, whose shape, type or values may mean no picture."""
    if random.random() < 0.3:
        grey = np.asarray(LINE).copy()
        grey[: random.randrange(20), : random.randrange(60)] = random.randrange(256)
        return random.choice([form for form in every_form(grey).values() if isinstance(form, np.ndarray | Image.Image)])
    rng = np.random.default_rng(random.randrange(2**32))
    low, high = random.choice(VALUES), random.choice(VALUES)
    with np.errstate(all="ignore"):
        values = np.where(rng.random(random.choice(SHAPES)) < 0.5, low, high)
        return values.astype(random.choice(DTYPES))


def outcome(reader: LineReader, path: Path, seed: int) -> str:
    """Read one input, whose number says what it is, and say what became of it."""
    random = Random(f"picture {seed}")
    if seed % 10 == 9:
        (line,) = reader.read([odd_array(random)])
        lines, name = [line], "images[0]"
    else:
        kind = sorted(KINDS)[seed % len(KINDS)]
        path.with_name(kind).write_bytes(damaged(KINDS[kind], random))
        lines, name = reader.read(pages_of(path.with_name(kind))), kind
    for line in lines:
        assert 0 <= line.confidence <= 1 or (math.isnan(line.confidence) and line.text == "")
        if line.error is not None:
            assert Path(name).stem in line.error
            assert len(line.error.splitlines()) == 1
            assert len(line.error) < 1000
    if all(line.error for line in lines):
        return "named"
    return "named in part" if any(line.error for line in lines) else "read" if lines[0].text else "empty"


@pytest.fixture(scope="module")
def reader(checkpoint):
    return LineReader.from_pretrained(checkpoint, device="cpu")


@pytest.mark.filterwarnings("ignore")  # of Pillow's, about metadata and truncated files
@pytest.mark.parametrize("start", shares(FEW, MANY, SHARE))
def test_a_damaged_picture_is_read_or_named(reader, tmp_path, start):
    outcomes: Counter[str] = Counter()
    for seed in range(start, start + SHARE):
        with limited(f"picture {seed}"):
            outcomes[outcome(reader, tmp_path / "x", seed)] += 1
    print(f"pictures {start} to {start + SHARE}: {dict(outcomes)}")
    assert min(outcomes["read"], outcomes["named"]) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_undamaged_picture_is_read(reader, tmp_path, kind):
    """The control: what is damaged above is more than that."""
    (tmp_path / kind).write_bytes(KINDS[kind])
    lines = reader.read(pages_of(tmp_path / kind))
    assert len(lines) == (3 if kind == "pages.tif" else 1)
    assert all(line.error is None and "no writing" not in str(line.note) for line in lines)
