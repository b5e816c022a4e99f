"""Create images for the documentation: a page and its reading, an evaluation report, the page of `serve`.

    python -m scripts.pictures page | report | serve

page    A page is typeset in free fonts, with one line upside down and one along the margin. It is described in a PAGE
        file, as from a layout tool, and read by `trocr-gsa read --format hocr`. The image shows the page, and beside it
        the lines of the hOCR at their places; the higher the confidence, the darker the background.
report  Lines are rendered in font families that may have been in the packaged reader's training and in others; each
        family is one document. `trocr-gsa evaluate --report` reads them at four angles.
serve   The page of `trocr-gsa serve` with the image docs/line.png and a selected character, and the same on a phone.

Each image is written to docs/NAME.png, that of the phone to docs/serve_phone.png. Needs the extras `dev` and `demo`,
and Chromium with its chromedriver.
"""

import html
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # it has no stubs
from PIL import Image, ImageFilter
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.marked_tables import ROOT
from benchmarks.pages import PAGE_LINE, PAGE_XML
from experiments.rendered_words import SEEN_FAMILIES, UNSEEN_FAMILIES, find_families
from trocr_gsa.cli.app import app
from trocr_gsa.cli.messages import silence_libraries
from trocr_gsa.cli.render import write_lines
from trocr_gsa.data import Corpus, LineRenderer, RenderedLines
from trocr_gsa.data.synthetic.fonts import Font, find_fonts, matches
from trocr_gsa.data.synthetic.ink import InkStyle, draw_line
from trocr_gsa.demo import Desk, build_page
from trocr_gsa.demo.examples import draw_examples
from trocr_gsa.demo.web_page import launch
from trocr_gsa.reader import LineReader

COLOURS = 192  # colours of an image: this reduces its size to a third
FAMILIES = ("Old Standard TT", "Blankenburg_UNZ1A")  # a book typeface, and a Fraktur with a free licence
TEXT = (
    "Vor einem großen Walde wohnte ein",
    "armer Holzhacker mit seiner Frau und",
    "seinen zwei Kindern; das Bübchen hieß",
    "Hänsel und das Mädchen Gretel. Er hatte",
    "wenig zu beißen und zu brechen, und",
    "einmal, als große Teuerung ins Land kam,",
    "konnte er das tägliche Brot nicht mehr",
    "schaffen.",
)  # by the brothers Grimm
UPSIDE_DOWN, MARGIN_NOTE = "Das Blatt wurde zweimal beschrieben", "Märchen, Seite achtzig"
WIDTH, HEIGHT, LINE, STEP, LEFT, TOP = 1000, 760, 46, 66, 160, 50  # pixels
BOX = re.compile(r"bbox (\d+) (\d+) (\d+) (\d+)")
INK = InkStyle(margin=0.1, slant=0, skew=0.4, curve=0.015, tracking=0, neighbours=0)
PAPER, BLACK = 240, 40  # grey values
SHOWN_WIDTH = 680  # width of the page in the image, in pixels
REPORT_WINDOW = (1240, 1400)  # pixels
REPORT_LINES, LONGEST = 60, 40  # number of lines, and maximum number of characters per line
SERVE_WINDOW = (860, 1130)  # pixels
PHONE = {"width": 390, "height": 1230, "deviceScaleFactor": 1, "mobile": True}  # as high as the page
LETTER = 20  # the character whose patches are highlighted
TIMEOUT = 60  # seconds


@contextmanager
def browser(width: int, height: int) -> Iterator[webdriver.Chrome]:
    """Open a browser window of `width` × `height` pixels."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"):
        options.add_argument(word)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))) as opened:
        yield opened


def save_screenshot_of(opened: webdriver.Chrome, output: Path, element: str | None = None) -> None:
    """Save a screenshot of the window, or of the element with tag `element`, as a PNG with few colours."""
    if element is None:
        opened.save_screenshot(str(output))
    else:
        opened.find_element("tag name", element).screenshot(str(output))
    Image.open(output).convert("RGB").quantize(COLOURS).save(output, optimize=True)


@dataclass(frozen=True)
class Placed:
    """A line on the page: its ink coverage, its counter-clockwise quarter turns, and its upper left corner."""

    ink: Image.Image
    quarters: int
    left: int
    top: int

    @property
    def points(self) -> dict[str, str]:
        """Polygon and baseline in the notation of PAGE."""
        width, height = self.ink.size
        corners = [(0, 0), (width, 0), (width, height), (0, height)]
        base = [(0, height - 11), (width, height - 11)]
        return {"points": self._on_page(corners), "baseline": self._on_page(base)}

    def _on_page(self, points: list[tuple[int, int]]) -> str:
        width, height = self.ink.size
        for _ in range(self.quarters):
            points, (width, height) = [(y, width - x) for x, y in points], (height, width)
        return " ".join(f"{self.left + x},{self.top + y}" for x, y in points)


def set_lines() -> list[Placed]:
    """Return all lines of the page, with their positions."""
    fonts = {font.family: font for font in find_fonts() if matches(font.family, FAMILIES) and font.style == "Regular"}
    body, other = (fonts.get(name, Font("", "Pillow built-in")) for name in reversed(FAMILIES))

    def ink(text: str, font: Font, seed: int) -> Image.Image:
        return draw_line(font, text, ("", ""), LINE, INK, np.random.default_rng(seed))

    placed = [Placed(ink(text, body, place), 0, LEFT, TOP + place * STEP) for place, text in enumerate(TEXT)]
    below = ink(UPSIDE_DOWN, other, 20)
    beside = ink(MARGIN_NOTE, other, 21)
    return [*placed, Placed(below, 2, LEFT, HEIGHT - 100), Placed(beside, 1, 50, TOP + 100)]


def write_page(folder: Path) -> None:
    """Write page.png and page.xml."""
    lines = set_lines()
    coverage = Image.new("L", (WIDTH, HEIGHT))
    for line in lines:
        coverage.paste(line.ink.rotate(90 * line.quarters, expand=True), (line.left, line.top))
    inked = coverage.filter(ImageFilter.GaussianBlur(0.6))  # as from a scanner
    inked.point(lambda covered: PAPER + (BLACK - PAPER) * covered / 255).save(folder / "page.png")
    inside = "\n".join(PAGE_LINE.format(i=place, **line.points) for place, line in enumerate(lines, 1))
    page = PAGE_XML.format(name="page", width=WIDTH, height=HEIGHT, lines=inside)
    (folder / "page.xml").write_text(page, encoding="utf-8")


def draw_reading(hocr: Path) -> str:
    """Return the lines of an hOCR file as SVG, each in its box and at the angle that was read."""
    drawn = []
    for span in etree.parse(str(hocr)).iter("{*}span"):
        title = span.get("title")
        left, top, right, bottom = map(int, BOX.search(title).groups())  # pyright: ignore[reportOptionalMemberAccess]
        turned = re.search(r"textangle (\d+)", title)
        angle = int(turned[1]) if turned else 0
        sure = int(re.search(r"x_wconf (\d+)", title)[1])  # pyright: ignore[reportOptionalSubscript]
        length = (bottom - top) if angle % 180 else (right - left)
        middle = f"translate({(left + right) / 2} {(top + bottom) / 2}) rotate({-angle})"
        note = f"{sure} % sure" + (f", {angle}°" if angle else "")
        drawn.append(
            f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" rx="6" '
            f'fill="rgb(42 111 187 / {0.2 * sure / 100:.2f})"/><g transform="{middle}">'
            f'<text x="{10 - length / 2}" y="9">{html.escape(span.text or "")}</text>'
            f'<text x="{10 + length / 2}" y="6" class="sure">{note}</text></g>'
        )
    return "".join(drawn)


def page_html(folder: Path) -> str:
    """Return HTML with the page and its reading side by side."""
    size = f'width="{SHOWN_WIDTH}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return (
        "<!doctype html><meta charset=utf-8><style>body{margin:0;width:max-content;display:flex;gap:12px;padding:12px;"
        "background:#e9e7e1}svg,img{background:#fff;border-radius:6px}text{font:33px Georgia,serif;fill:#22262b}"
        f".sure{{font:16px sans-serif;fill:#5c6068}}</style><img src=page.png width={SHOWN_WIDTH}>"
        f"<svg {size}>{draw_reading(folder / 'read' / 'page.hocr')}</svg>"
    )


def capture_page(output: Path) -> None:
    """Create the page, read it, and save a screenshot of both."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_page(folder)
        words = ["read", str(folder), "--format", "hocr", "--output-dir", str(folder / "read")]
        app(words, standalone_mode=False)
        (folder / "both.html").write_text(page_html(folder), encoding="utf-8")
        with browser(2 * SHOWN_WIDTH + 200, HEIGHT) as opened:
            opened.get((folder / "both.html").as_uri())
            save_screenshot_of(opened, output, "body")


def capture_report(output: Path) -> None:
    """Render lines, evaluate the reader on them, and save a screenshot of the report."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        fonts = find_families((*SEEN_FAMILIES, *UNSEEN_FAMILIES))
        renderer = LineRenderer(fonts, Corpus(("english", "german"), max_length=LONGEST))
        write_lines(RenderedLines(renderer, REPORT_LINES), Path("lines"))
        sys.argv[1:] = ["evaluate", "lines", "--report", "report.html"]  # the report's head shows the command
        app(standalone_mode=False)
        with browser(*REPORT_WINDOW) as opened:
            opened.get(Path("report.html").absolute().as_uri())
            save_screenshot_of(opened, output)


def capture_serve(output: Path) -> None:
    """Open the page, wait for the first reading, select a character, and save a screenshot; the same on a phone."""
    silence_libraries()
    with tempfile.TemporaryDirectory() as folder:
        examples = [Path(shutil.copy(ROOT / "docs" / "line.png", folder)), *draw_examples(Path(folder))[1:]]
        page = build_page(Desk(LineReader.from_pretrained(device="cpu")), examples)
        _, address, _ = launch(page)
        with browser(*SERVE_WINDOW) as opened:
            opened.get(address)
            point = f"const letter = document.querySelector('.t{LETTER}'); letter?.focus(); return letter !== null"
            WebDriverWait(opened, TIMEOUT).until(lambda seen: seen.execute_script(point))
            lit = f"return getComputedStyle(document.querySelector('.p{LETTER}')).opacity == 1"
            WebDriverWait(opened, TIMEOUT).until(lambda seen: seen.execute_script(lit))
            save_screenshot_of(opened, output)
            opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
            opened.get(address)
            WebDriverWait(opened, TIMEOUT).until(lambda seen: seen.execute_script(point))
            WebDriverWait(opened, TIMEOUT).until(lambda seen: seen.execute_script(lit))
            opened.execute_script("window.scrollTo(0, 0)")
            save_screenshot_of(opened, output.with_stem(f"{output.stem}_phone"))
        page.close(verbose=False)


PICTURES: dict[str, Callable[[Path], None]] = {
    "page": capture_page,
    "report": capture_report,
    "serve": capture_serve,
}


def main() -> None:
    """Create the image that the command line names."""
    if sys.argv[1:] not in [[name] for name in PICTURES]:
        sys.exit(f"Give one of {', '.join(PICTURES)}.")
    name = sys.argv[1]
    PICTURES[name](ROOT / "docs" / f"{name}.png")


if __name__ == "__main__":
    main()
