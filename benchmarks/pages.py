"""Measure the speed of reading and writing whole pages, compared with the reader alone on the same line images.

    OMP_NUM_THREADS=1 python -m benchmarks pages --pages 4 --lines 25

Pages of rendered lines are written as PAGE and as ALTO into a temporary folder, read, and written back. Times are
processor time, so that other load on the machine hardly matters. The model is loaded and warmed up before.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from trocr_gsa.atomic import write_bytes
from trocr_gsa.data import Corpus, LineRenderer, find_fonts
from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.pages import find_pages, fit_picture, plan_cut
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.pages import read_pages

PAGE_XML = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
  <Page imageFilename="{name}.png" imageWidth="{width}" imageHeight="{height}">
    <TextRegion id="r1">
      <Coords points="0,0 {width},0 {width},{height} 0,{height}"/>
{lines}
    </TextRegion>
  </Page>
</PcGts>
"""
PAGE_LINE = '      <TextLine id="l{i}"><Coords points="{points}"/><Baseline points="{baseline}"/></TextLine>'
ALTO_XML = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">
  <Description><MeasurementUnit>pixel</MeasurementUnit>
    <sourceImageInformation><fileName>{name}.png</fileName></sourceImageInformation></Description>
  <Layout><Page ID="p" PHYSICAL_IMG_NR="1" WIDTH="{width}" HEIGHT="{height}"><PrintSpace><TextBlock ID="r1">
{lines}
  </TextBlock></PrintSpace></Page></Layout>
</alto>
"""
ALTO_LINE = """    <TextLine ID="l{i}" BASELINE="{baseline}"><Shape><Polygon POINTS="{points}"/></Shape>
      <String CONTENT=""/></TextLine>"""
KINDS = {"page": (PAGE_XML, PAGE_LINE), "alto": (ALTO_XML, ALTO_LINE)}
MARGIN, HEIGHT, STEP, SLOPE = 60, 64, 90, 6  # pixels; every baseline rises by SLOPE over its length


def draw(folder: Path, number: int, lines: int, renderer: LineRenderer) -> None:
    """Draw a page of lines, and write its image and XML in both formats."""
    images = [renderer(1000 * number + place).image.convert("L") for place in range(lines)]
    images = [image.resize((round(image.width * HEIGHT / image.height), HEIGHT)) for image in images]
    width, height = max(image.width for image in images) + 2 * MARGIN, lines * STEP + 2 * MARGIN
    page, boxes = Image.new("L", (width, height), 235), []
    for place, image in enumerate(images):
        left, top = MARGIN, MARGIN + place * STEP
        page.paste(image, (left, top))
        right, bottom = left + image.width, top + HEIGHT
        boxes.append(
            {
                "i": place + 1,
                "points": f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}",
                "baseline": f"{left},{bottom - 12} {right},{bottom - 12 - SLOPE}",
            }
        )
    for kind, (page_form, line_form) in KINDS.items():
        (folder / kind).mkdir(exist_ok=True)
        name, inside = f"{number:04}", "\n".join(line_form.format(**box) for box in boxes)
        page.save(folder / kind / f"{name}.png")
        (folder / kind / f"{name}.xml").write_text(
            page_form.format(name=name, width=width, height=height, lines=inside)
        )


def cut_lines(folder: Path) -> list[Image.Image]:
    """Return the line images of all pages in a folder."""
    cut = []
    for file in find_pages(folder):
        described = file.read()
        if described is not None:
            page, picture = fit_picture(described, file.path, file.root)
            image = picture.load()
            cut += [plan_cut(line, page.size, page.name).cut(image) for line in page.lines]
    return cut


def rewrite(reader: LineReader, folder: Path, kind: str) -> None:
    """Read every page in a folder, and write it with the texts filled in."""
    for read in read_pages(reader, find_pages(folder / kind)):
        if read.page is not None:
            write_bytes(folder / "out" / kind / read.file.name, FORMATS[kind].write_page(read.page, read.readings))


def main() -> None:
    """Measure, and print one row for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=4)
    parser.add_argument("--lines", type=int, default=25, help="lines per page")
    parser.add_argument("--model", default=None, help="checkpoint; by default the packaged one")
    options = parser.parse_args()
    reader = LineReader.from_pretrained(options.model, device="cpu")
    renderer = LineRenderer(find_fonts(), Corpus())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in range(options.pages):
            draw(folder, number, options.lines, renderer)
        cut = cut_lines(folder / "page")
        reader.read(cut[:8])
        ways: dict[str, Callable[[], object]] = {
            "reader alone, on the same cut lines": lambda: reader.read(cut, batch_size=64),
            "cutting alone": lambda: cut_lines(folder / "page"),
            "PAGE in, read, PAGE out": lambda: rewrite(reader, folder, "page"),
            "ALTO in, read, ALTO out": lambda: rewrite(reader, folder, "alto"),
        }
        for name, way in ways.items():
            start = time.process_time()
            way()
            print(f"{name:40} {len(cut) / (time.process_time() - start):8.1f} lines/s of processor time")
