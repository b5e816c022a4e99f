"""Small pages with rendered lines, and the PAGE and ALTO files that describe them."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER, INK = 225, 20
PAGE_2019 = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
ALTO_4 = "http://www.loc.gov/standards/alto/ns-v4#"
SIZE = (400, 300)


@dataclass
class Drawn:
    """A rendered line: text, polygon, baseline in reading direction, and upright image."""

    text: str
    polygon: np.ndarray
    baseline: np.ndarray
    upright: Image.Image = field(repr=False)


def draw_page(
    texts: list[str], angles: list[float] | None = None, size: tuple[int, int] = SIZE
) -> tuple[Image.Image, list[Drawn]]:
    """Draw lines one below the other, each turned counter-clockwise about its centre by its angle."""
    page = Image.new("L", size, PAPER)
    angles = angles or [0.0] * len(texts)
    lines = []
    step = size[1] / (len(texts) + 1)
    for number, (text, angle) in enumerate(zip(texts, angles, strict=True), 1):
        line = Image.new("L", (max(24, 11 * len(text) + 12), 26), PAPER)
        ImageDraw.Draw(line).text((6, 3), text, fill=INK, font=ImageFont.load_default(16))
        turned = line.rotate(angle, expand=True, fillcolor=PAPER, resample=Image.Resampling.BICUBIC)
        centre = np.array([size[0] / 2, number * step]).round()
        corner = (centre - np.array(turned.size) / 2).round().astype(int)
        page.paste(turned, tuple(corner.tolist()))
        centre = corner + np.array(turned.size) / 2
        half = np.array(line.size) / 2
        box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        base = np.array([[-half[0], half[1] - 6], [half[0], half[1] - 6]])
        lines.append(Drawn(text, centre + box @ turn(angle), centre + base @ turn(angle), line))
    return page, lines


def turn(degrees: float) -> np.ndarray:
    """Return the matrix that turns rows (x, y), with y down, counter-clockwise as seen on the page."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]]).round(12)


def points(values: np.ndarray) -> str:
    return " ".join(f"{max(0, round(x))},{max(0, round(y))}" for x, y in values)


def page_line(number: int, line: Drawn, equiv: str = "", more: str = "") -> str:
    """Return a PAGE TextLine; `equiv` is the XML of its text."""
    return f"""      <TextLine id="l{number}"{more}>
        <Coords points="{points(line.polygon)}"/>
        <Baseline points="{points(line.baseline)}"/>{equiv}
      </TextLine>"""


def page_equiv(text: str, more: str = "") -> str:
    return f"\n        <TextEquiv{more}>\n          <Unicode>{text}</Unicode>\n        </TextEquiv>"


def page_xml(
    body: str, image: str = "0001.png", size: tuple[int, int] = SIZE, namespace: str = PAGE_2019, order: str = ""
) -> str:
    """Return a PAGE file with the regions in `body`, or with its lines in one region."""
    if "<TextRegion" not in body:
        body = f'    <TextRegion id="r1">\n      <Coords points="0,0 {size[0]},{size[1]}"/>\n{body}\n    </TextRegion>'
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<!-- made by hand -->
<PcGts xmlns="{namespace}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Metadata>
    <Creator>somebody &amp; sons</Creator>
    <Created>2020-01-01T00:00:00</Created>
    <LastChange>2020-01-01T00:00:00</LastChange>
  </Metadata>
  <Page imageFilename={quoteattr(image)} imageWidth="{size[0]}" imageHeight="{size[1]}">
{order}{body}
  </Page>
</PcGts>
"""


def alto_line(number: int, line: Drawn, content: str | None = None, polygon: bool = True) -> str:
    """Return an ALTO TextLine; `content` is the XML of its strings."""
    low, extent = line.polygon.min(axis=0).round(), np.ptp(line.polygon, axis=0).round()
    box = f'HPOS="{low[0]:.0f}" VPOS="{low[1]:.0f}" WIDTH="{extent[0]:.0f}" HEIGHT="{extent[1]:.0f}"'
    shape = f'\n            <Shape>\n              <Polygon POINTS="{points(line.polygon)}"/>\n            </Shape>'
    strings = '\n            <String CONTENT=""/>' if content is None else content
    inside = shape + strings if polygon else strings
    return f"""          <TextLine ID="l{number}" {box} BASELINE="{points(line.baseline)}">{inside}
          </TextLine>"""


def alto_xml(
    body: str, image: str = "0001.png", size: tuple[int, int] = SIZE, namespace: str = ALTO_4, unit: str = "pixel"
) -> str:
    """Return an ALTO file with the blocks in `body`, or with its lines in one block."""
    if "<TextBlock" not in body:
        body = f'        <TextBlock ID="b1">\n{body}\n        </TextBlock>'
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="{namespace}">
  <Description>
    <MeasurementUnit>{unit}</MeasurementUnit>
    <sourceImageInformation>
      <fileName>{image}</fileName>
    </sourceImageInformation>
  </Description>
  <Layout>
    <Page ID="p1" PHYSICAL_IMG_NR="1" WIDTH="{size[0]}" HEIGHT="{size[1]}">
      <PrintSpace>
{body}
      </PrintSpace>
    </Page>
  </Layout>
</alto>
"""


def make_folder(
    folder: Path, kind: str, pages: list[list[str]], angles: list[float] | None = None, transcribed: bool = False
) -> Path:
    """Write pages 0001.xml, 0001.png, … in PAGE or ALTO to a folder, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, texts in enumerate(pages, 1):
        image, lines = draw_page(texts, angles)
        name = f"{number:04}"
        image.save(folder / f"{name}.png")
        if kind == "page":
            parts = [
                page_line(i, line, page_equiv(line.text) if transcribed else "") for i, line in enumerate(lines, 1)
            ]
            xml = page_xml("\n".join(parts), f"{name}.png")
        else:
            texts_in = [f"\n            <String CONTENT={quoteattr(line.text)}/>" for line in lines]
            parts = [alto_line(i, line, texts_in[i - 1] if transcribed else None) for i, line in enumerate(lines, 1)]
            xml = alto_xml("\n".join(parts), f"{name}.png")
        (folder / f"{name}.xml").write_text(xml, encoding="utf-8")
    return folder


def make_ocr_d_folder(folder: Path, pages: list[list[str]]) -> Path:
    """Write pages as OCR-D has them, images in one group and pages in another, and return the folder."""
    make_folder(folder / "OCR-D-SEG", "page", pages)
    (folder / "OCR-D-IMG").mkdir()
    for path in (folder / "OCR-D-SEG").glob("*.png"):
        path.rename(folder / "OCR-D-IMG" / path.name)
    for path in (folder / "OCR-D-SEG").glob("*.xml"):
        path.write_text(path.read_text().replace('imageFilename="', 'imageFilename="OCR-D-IMG/'))
    return folder
