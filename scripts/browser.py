"""A headless Chromium that photographs pages for the documentation; needs Chromium with its chromedriver."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from selenium import webdriver

COLOURS = 192  # of a picture: a third of the bytes


@contextmanager
def browser(width: int, height: int) -> Iterator[webdriver.Chrome]:
    """Open a window of that many pixels."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"):
        options.add_argument(word)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))) as opened:
        yield opened


def save_seen(opened: webdriver.Chrome, output: Path, element: str | None = None) -> None:
    """Save what the window shows, or one element of it, named by its tag, as a PNG of few colours."""
    if element is None:
        opened.save_screenshot(str(output))
    else:
        opened.find_element("tag name", element).screenshot(str(output))
    Image.open(output).convert("RGB").quantize(COLOURS).save(output, optimize=True)
