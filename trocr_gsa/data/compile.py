"""Compiles any source of lines into one Parquet file with images at training height, which is fast to read.

The columns are `image` (an encoded image), `text`, `document`, `name` and `angle`; `open_source` opens the file.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from trocr_gsa.atomic import open_atomically

from .images import ImageError
from .samples import LineDataset

SCHEMA = pa.schema(
    {"image": pa.binary(), "text": pa.string(), "document": pa.string(), "name": pa.string(), "angle": pa.float64()}
)
GROUP_ROWS = 512
JPEG_QUALITY = 90
MAX_PNG_COLOURS = 64  # an image with more colours is always smaller as JPEG


@dataclass(frozen=True)
class CompileReport:
    """The result: the file, the number of lines, and one message for each line that was left out."""

    path: Path
    lines: int
    problems: tuple[str, ...]


def shrink(image: Image.Image, line_height: int) -> Image.Image:
    """Scale an image so that its short side is `line_height` pixels; smaller images are not changed."""
    short = min(image.size)
    if short <= line_height:
        return image
    width, height = (max(line_height, round(side * line_height / short)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def encode(image: Image.Image, quality: int = JPEG_QUALITY) -> bytes:
    """Encode an image as JPEG, or as PNG if that is smaller."""
    png, jpeg = io.BytesIO(), io.BytesIO()
    image.save(jpeg, "JPEG", quality=quality)
    if image.getcolors(MAX_PNG_COLOURS) is None:
        return jpeg.getvalue()
    image.save(png, "PNG", compress_level=4)
    return min(png.getvalue(), jpeg.getvalue(), key=len)


def compile_lines(
    source: LineDataset,
    out: str | Path,
    line_height: int = 48,
    quality: int = JPEG_QUALITY,
    advance: Callable[[int], object] = lambda count: None,
) -> CompileReport:
    """Write every line of `source` to the Parquet file `out`, at `line_height` pixels and a JPEG quality of 1 to 100.

    The file appears only when it is complete; after a failure an old file is unchanged. `advance` is called with 1 for
    each line, to show progress.

    Raises:
        ValueError: if `out` does not end in .parquet, `line_height` is too small, or no line could be read.
    """
    out = Path(out)
    if out.suffix != ".parquet":
        raise ValueError(f"`out` must end in .parquet, got {out}. Name it {out.with_suffix('.parquet')}.")
    if line_height < 16:
        raise ValueError(f"`line_height` must be at least 16 pixels, got {line_height}. The reader's default is 48.")
    problems, lines = list(source.problems), 0
    with open_atomically(out, "wb") as stream:
        with pq.ParquetWriter(stream, SCHEMA, compression="none", write_page_checksum=True) as writer:
            for rows in _groups(source, line_height, quality, problems, advance):
                writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
                lines += len(rows)
        if not lines:
            raise ValueError(f"`source` has no line that can be read, so {out} was not written.")
    return CompileReport(out, lines, tuple(problems))


def _groups(
    source: LineDataset,
    line_height: int,
    quality: int,
    problems: list[str],
    advance: Callable[[int], object],
) -> Iterator[list[dict[str, object]]]:
    rows: list[dict[str, object]] = []
    for index in range(len(source)):
        advance(1)
        try:
            sample = source[index]
        except ImageError as error:
            problems.append(str(error))
            continue
        rows.append(
            {
                "image": encode(shrink(sample.image, line_height), quality),
                "text": sample.text,
                "document": sample.document,
                "name": sample.name,
                "angle": sample.angle,
            }
        )
        if len(rows) == GROUP_ROWS:
            yield rows
            rows = []
    if rows:
        yield rows
