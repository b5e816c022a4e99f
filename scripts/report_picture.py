"""Photograph an evaluation report, for the documentation: `python scripts/report_picture.py docs/report.png`.

Lines are drawn in font families that the packaged reader may know and in others, each family a document; `trocr-gsa
evaluate --report` reads them at four angles; the browser shows the page. Needs the extra `dev`, and Chromium with its
chromedriver.
"""

import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from browser import browser, save_seen
from rendered_words import SEEN_FAMILIES, UNSEEN_FAMILIES, find_families

from trocr_gsa.cli.app import app
from trocr_gsa.cli.render import write_lines
from trocr_gsa.data import Corpus, LineRenderer, RenderedLines

LINES = 60
LONGEST = 40  # letters of a line
WORDS = ["evaluate", "lines", "--report", "report.html"]
WIDTH, HEIGHT = 1240, 1400  # pixels of the window


def main() -> None:
    """Render, read, photograph."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/report.png").absolute()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        fonts = find_families((*SEEN_FAMILIES, *UNSEEN_FAMILIES))
        renderer = LineRenderer(fonts, Corpus(("english", "german"), max_length=LONGEST))
        write_lines(RenderedLines(renderer, LINES), Path("lines"))
        sys.argv[1:] = WORDS  # which the report's head names as its command
        app(standalone_mode=False)
        with browser(WIDTH, HEIGHT) as opened:
            opened.get(Path("report.html").absolute().as_uri())
            save_seen(opened, output)


if __name__ == "__main__":
    main()
