"""Photograph the page of `trocr-gsa serve` for the README: `python scripts/serve_picture.py docs/serve.png`.

Needs the extras `demo` and `dev`, and Chromium with its chromedriver.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from browser import browser, save_seen
from selenium.webdriver.support.wait import WebDriverWait

from trocr_gsa.cli.messages import silence_libraries
from trocr_gsa.demo import Desk, build_page
from trocr_gsa.demo.examples import draw_examples
from trocr_gsa.demo.web_page import launch
from trocr_gsa.reader import LineReader

LINE = Path(__file__).parents[1] / "docs" / "line.png"
LETTER = 20  # whose patches are lit
PATIENCE = 60  # seconds


def photograph(address: str, output: Path) -> None:
    """Open the page, wait for the first reading, point at a letter, and save what is seen."""
    with browser(860, 1130) as opened:
        opened.get(address)
        point = f"const letter = document.querySelector('.t{LETTER}'); letter?.focus(); return letter !== null"
        WebDriverWait(opened, PATIENCE).until(lambda page: page.execute_script(point))
        lit = f"return getComputedStyle(document.querySelector('.p{LETTER}')).opacity == 1"
        WebDriverWait(opened, PATIENCE).until(lambda page: page.execute_script(lit))
        save_seen(opened, output)


def main() -> None:
    """Show the page with docs/line.png laid on it, and photograph it."""
    silence_libraries()
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/serve.png")
    with tempfile.TemporaryDirectory() as folder:
        examples = [Path(shutil.copy(LINE, folder)), *draw_examples(Path(folder))[1:]]
        page = build_page(Desk(LineReader.from_pretrained(device="cpu")), examples)
        _, address, _ = launch(page)
        photograph(address, output)
        page.close(verbose=False)


if __name__ == "__main__":
    main()
