"""A page as a PDF: its image, or the PDF page it came from, with the text as an invisible layer for searching.

What is unusual:
- the font has no outlines: every character is an empty glyph of the same size, stretched over its word by the text
  matrix, so that a single font of a kilobyte holds any script, tilted words and words of any width;
- a word of a slightly tilted line lies level, about its own middle: pdftotext and the viewers that are built on the
  same library, poppler, begin a new word wherever the baseline has risen by half a point;
- a page of a PDF stays as it is, and a JPEG is copied byte for byte; other images are stored without loss.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
from PIL import ExifTags, Image

from ..images import unlimited
from ..line import Line
from ..names import writable
from ..provenance import Provenance
from ..words import Points
from .page import Page, PageImage, PageLine
from .scans import PDF_SUFFIX, Scan
from .xml_files import PageError

VERSION = "1.5"  # of PDF
POINTS = 72  # of PDF, per inch
USUAL_DPI, SENSIBLE_DPI = 300, (50, 2400)  # of an image that does not say, or says something else than this
LONGEST = 14_400  # points of a page's side: programs refuse more
ADVANCE = 0.5  # of a glyph, for a font size of 1
MOST_MAPPED = 100  # characters in one block of a CMap
SHORTEST = 1e-3  # pixels of a space between words
MOST_APART = 1.6  # times its highest word, the height of a line that does not bend
LEVELLED = 4.0  # degrees of tilt up to which words lie level; beyond, PDFium no longer finds them to be one line
INVISIBLE = 3  # PDF's number of the rendering mode
LAYER = "/RecognisedText"  # our form on a page, with a number behind
MADE_BY = "/TextRecognition"  # our entry in the document information


def write_pdf(page: Page, lines_read: Sequence[Line | None], made: Provenance | None = None) -> bytes:
    """Return a PDF of one page: the page's image and, invisible, the lines that were read.

    Args:
        page: with its image, and its points in pixels of that.
        lines_read: its readings, with their words where these are known.
        made: what read it, for the document information.

    Raises:
        PageError: if the image is gone or damaged.
    """
    import pikepdf

    layer = TextLayer(page.size or (1, 1))
    for line, read in zip(page.lines, lines_read, strict=True):
        if read is not None:
            layer.add_line(*_placed_text(line, read))
    with pikepdf.new() as pdf:
        _add_image(pdf, page)
        _lay_over(pdf.pages[0], layer.as_page(pdf).as_form_xobject())
        if made is not None:
            _sign(pdf, made.software, made.date, [str(made)])
        stream = io.BytesIO()
        pdf.save(stream, min_version=VERSION, deterministic_id=True)
    return stream.getvalue()


def join_pdfs(parts: Iterable[Path], stream: IO[bytes]) -> None:
    """Write one PDF of several that `write_pdf` returned, in the order given."""
    import pikepdf

    with pikepdf.new() as pdf:
        said: dict[str, None] = {}
        software = date = ""
        for part in parts:
            with pikepdf.open(part) as single:
                pdf.pages.extend(single.pages)
                information = single.docinfo
                if MADE_BY in information:
                    said[str(information[MADE_BY])] = None
                    software, date = str(information["/Producer"]), str(information["/ModDate"])
        if said:
            _sign(pdf, software, date, list(said))
        pdf.save(cast(BinaryIO, stream), min_version=VERSION, deterministic_id=True)


class TextLayer:
    """The text of a page, in pixels of its image.

    Args:
        size: width and height of the image.
    """

    def __init__(self, size: tuple[float, float]) -> None:
        self.size = size
        self._codes: dict[str, int] = {}
        self._content: list[str] = []

    def add_line(self, texts: Sequence[str], polygons: Sequence[Points]) -> None:
        """Add the words of a line, each over its polygon, with a space between any two.

        Args:
            texts: of the words.
            polygons: of each, as `Word.polygon`.
        """
        if not texts:
            return
        corners = np.array([0, self.size[1]]) + np.array(polygons) * (1, -1)  # y up, as PDF has it
        boxes = _of_one_height(corners)
        self._content.append(f"BT {INVISIBLE} Tr /F 1 Tf")
        for place, (text, (begin_top, _, end, begin)) in enumerate(zip(texts, boxes, strict=True)):
            following = boxes[place + 1][3] if place + 1 < len(boxes) else None
            has_space = following is not None and np.hypot(*(following - end)) >= SHORTEST
            self._show(text if following is None or has_space else f"{text} ", begin, end, begin_top - begin)
            if following is not None and has_space:
                self._show(" ", end, following, begin_top - begin)
        self._content.append("ET")

    def _show(self, text: str, begin: np.ndarray, end: np.ndarray, up: np.ndarray) -> None:
        begin, end, up = _levelled(begin, end, up)
        along = (end - begin) / (ADVANCE * len(text))
        matrix = " ".join(f"{value:.4f}" for value in (*along, *up, *begin))
        codes = "".join(f"{self._codes.setdefault(letter, len(self._codes) + 1):04X}" for letter in text)
        self._content.append(f"{matrix} Tm <{codes}> Tj")

    def as_page(self, pdf: Any) -> Any:
        """Return the layer as a page of the image's size, for a PDF that it will be laid into."""
        import pikepdf

        resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=_font(pdf, self._codes)))
        width, height = self.size
        layer = pikepdf.Dictionary(
            Type=pikepdf.Name.Page,
            MediaBox=[0, 0, round(width), round(height)],
            Resources=resources,
            Contents=pdf.make_stream("\n".join(self._content).encode()),
        )
        return pikepdf.Page(pdf.make_indirect(layer))


def _levelled(begin: np.ndarray, end: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn a word about the middle of its baseline to the nearest quarter turn, if it is nearly there."""
    length, middle = np.hypot(*(end - begin)), (begin + end) / 2
    quarter = np.round((end - begin) / max(length, SHORTEST))
    tilt = math.degrees(math.acos(min(1.0, float(np.dot(end - begin, quarter)) / max(length, SHORTEST))))
    if np.abs(quarter).sum() != 1 or tilt > LEVELLED:
        return begin, end, up
    half = quarter * length / 2
    return middle - half, middle + half, np.array([-quarter[1], quarter[0]]) * np.hypot(*up)


def _of_one_height(corners: np.ndarray) -> np.ndarray:
    """Return the boxes of a line's words, (word, corner, 2) with y up, each as high as the line.

    Programs take words whose feet are at different heights for words of different lines. Words of a line that bends
    stay as they are.
    """
    upright = (corners[:, :2] - corners[:, [3, 2]]).mean(axis=(0, 1))
    height = float(np.hypot(*upright))
    if height < SHORTEST:
        return corners
    up = upright / height
    along = np.array([up[1], -up[0]])
    u, v = corners @ along, corners @ up
    low, high = v.min(), v.max()
    if high - low > MOST_APART * np.ptp(v, axis=1).max():
        return corners
    heights = np.where(np.arange(4) < 2, high, low)
    return u[..., None] * along + heights[:, None] * up


def _placed_text(line: PageLine, read: Line) -> tuple[list[str], list[Points]]:
    """Return the words of a line and where they are; where that is unknown, the whole text over the whole line."""
    if read.words:
        return [word.text for word in read.words], [word.polygon for word in read.words]
    if not read.text or line.polygon is None:
        return [], []
    turn = np.radians(read.orientation)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])  # along the line, and down
    seen = line.polygon @ axes
    (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) @ axes.T
    return [read.text], [tuple((x, y) for x, y in corners.tolist())]


def _add_image(pdf: Any, page: Page) -> None:
    """Add a page that shows a page's image, or the PDF page itself that the image was drawn from."""
    import pikepdf

    picture = page.picture
    if picture is None:
        raise PageError(f"{page.name}: there is no image of it to put into a PDF.")
    if isinstance(picture, Scan) and picture.page is not None and picture.path.suffix.lower() == PDF_SUFFIX:
        with pikepdf.open(picture.path) as original:
            pdf.pages.append(original.pages[picture.page - 1])
        return
    image, dpi = _image_stream(pdf, picture)
    width, height = int(image.Width), int(image.Height)
    scale = min(POINTS / dpi, LONGEST / max(width, height))
    size = f"{width * scale:.4f}", f"{height * scale:.4f}"
    pdf.pages.append(
        pikepdf.Page(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Page,
                MediaBox=[0, 0, *(pikepdf.Object.parse(side.encode()) for side in size)],
                Resources=pikepdf.Dictionary(XObject=pikepdf.Dictionary(Image=image)),
                Contents=pdf.make_stream(f"q {size[0]} 0 0 {size[1]} 0 0 cm /Image Do Q".encode()),
            )
        )
    )


def _image_stream(pdf: Any, picture: PageImage) -> tuple[Any, float]:
    """Return an image as PDF holds it, and its dots per inch: a JPEG as it is, anything else without loss."""
    import pikepdf

    image, dpi, is_jpeg = _open_image(picture)
    stream = pdf.make_stream(picture.path.read_bytes() if is_jpeg else zlib.compress(image.tobytes()))
    stream.Type, stream.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    stream.Width, stream.Height, stream.BitsPerComponent = *image.size, 8
    stream.ColorSpace = pikepdf.Name.DeviceGray if image.mode == "L" else pikepdf.Name.DeviceRGB
    stream.Filter = pikepdf.Name.DCTDecode if is_jpeg else pikepdf.Name.FlateDecode
    return stream, dpi


def _open_image(picture: PageImage) -> tuple[Image.Image, float, bool]:
    """Return an image, its dots per inch, and whether its file is a JPEG that PDF holds as it is."""
    with unlimited(Image.open, picture.path) as opened:
        dpi = float(np.max(opened.info.get("dpi", USUAL_DPI)))
        dpi = dpi if SENSIBLE_DPI[0] <= dpi <= SENSIBLE_DPI[1] else USUAL_DPI
        is_upright = opened.getexif().get(ExifTags.Base.Orientation, 1) == 1
        if opened.format == "JPEG" and opened.mode in ("L", "RGB") and is_upright:
            return opened, dpi, True
    return picture.load(), dpi, False


def _lay_over(target: Any, layer: Any) -> None:
    """Lay a form over what is seen of a page, however the page is turned and cropped.

    pikepdf's own `add_overlay` does the same under a random name, which would make other bytes each time.
    """
    import pikepdf

    used = set(target.get_resources().get(pikepdf.Name.XObject, {}))
    name = next(each for number in count(1) if (each := f"{LAYER}{number}") not in used)
    placed = target.add_resource(layer, pikepdf.Name.XObject, pikepdf.Name(name))
    placement = target.calc_form_xobject_placement(
        layer, placed, pikepdf.Rectangle(target.cropbox), allow_shrink=True, allow_expand=True
    )
    target.contents_add(b"q\n", prepend=True)  # whatever the page's own content leaves behind
    target.contents_add(b"Q\n")
    target.contents_add(placement)
    target.contents_coalesce()


def _sign(pdf: Any, software: str, date: str, made: Sequence[str]) -> None:
    """Say in the document information what made the text."""
    stamp = date if date.startswith("D:") else f"D:{date.translate(dict.fromkeys(map(ord, '-:TZ')))}Z"
    information = {"/Producer": software, "/CreationDate": stamp, "/ModDate": stamp}
    for name, value in (information | {MADE_BY: writable(" | ".join(made))}).items():
        pdf.docinfo[name] = value


def _font(pdf: Any, codes: dict[str, int]) -> Any:
    """Return a font whose glyphs show nothing, with a code for every character that a page uses."""
    import pikepdf

    name = pikepdf.Name.Invisible
    file = pdf.make_stream(_empty_truetype())
    descriptor = pikepdf.Dictionary(
        Type=pikepdf.Name.FontDescriptor, FontName=name, Flags=4, FontBBox=[0, 0, 500, 1000], ItalicAngle=0,
        Ascent=1000, Descent=0, CapHeight=1000, StemV=80, FontFile2=file,
    )  # fmt: skip
    system = pikepdf.Dictionary(Registry=pikepdf.String("Adobe"), Ordering=pikepdf.String("Identity"), Supplement=0)
    glyphs = pikepdf.Dictionary(
        Type=pikepdf.Name.Font, Subtype=pikepdf.Name.CIDFontType2, BaseFont=name, CIDSystemInfo=system,
        FontDescriptor=pdf.make_indirect(descriptor), DW=round(1000 * ADVANCE),
        CIDToGIDMap=pdf.make_stream(b"\0\1" * (len(codes) + 1)),
    )  # fmt: skip
    font = pikepdf.Dictionary(
        Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type0, BaseFont=name, Encoding=pikepdf.Name("/Identity-H"),
        DescendantFonts=[pdf.make_indirect(glyphs)], ToUnicode=pdf.make_stream(_to_unicode(codes)),
    )  # fmt: skip
    return pdf.make_indirect(font)


def _to_unicode(codes: dict[str, int]) -> bytes:
    """Return the CMap that tells which character a code stands for."""
    pairs = [f"<{code:04X}> <{letter.encode('utf-16-be').hex()}>" for letter, code in codes.items()]
    blocks = [pairs[start : start + MOST_MAPPED] for start in range(0, len(pairs), MOST_MAPPED)]
    mapped = "\n".join(f"{len(block)} beginbfchar\n{chr(10).join(block)}\nendbfchar" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
        "/CMapName /Adobe-Identity-UCS def /CMapType 2 def\n"
        f"1 begincodespacerange <0000> <FFFF> endcodespacerange\n{mapped}\n"
        "endcmap CMapName currentdict /CMap defineresource pop end end"
    ).encode()


@cache
def _empty_truetype() -> bytes:
    """Return a TrueType font whose glyph is a line: it has an extent, which viewers mark, and no area to be drawn."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((round(1000 * ADVANCE), 1000))
    pen.closePath()
    glyph = pen.glyph()
    font = FontBuilder(1000, isTTF=True)
    names = [".notdef", "empty"]
    font.setupGlyphOrder(names)
    font.setupCharacterMap({})
    font.setupGlyf(dict.fromkeys(names, glyph))
    font.setupHorizontalMetrics({name: (round(1000 * ADVANCE), 0) for name in names})
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupNameTable({"familyName": "Invisible", "styleName": "Regular", "psName": "Invisible"})
    font.setupOS2(sTypoAscender=1000, usWinAscent=1000)
    font.setupPost()
    font.setupHead(unitsPerEm=1000, created=0, modified=0)
    stream = io.BytesIO()
    font.font.recalcTimestamp = False
    font.save(stream)
    return stream.getvalue()
