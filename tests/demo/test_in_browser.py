"""The page as people see it, in a headless Chromium that cannot reach the network."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import FAINT_TEXTS, IS_AS_WIDE_AS_ITS_WINDOW, NEEDED, SIZES, opened
from PIL import Image
from test_desk import downloads
from tiny_checkpoint import draw_line

PATIENCE = 30  # seconds
SMALL_CONTROLS = """
return [...document.querySelectorAll("button, input, textarea, #facts a")]
    .map(each => [each, each.getBoundingClientRect()])
    .filter(([each, shape]) => shape.width && Math.min(shape.width, shape.height) < (each.closest("label") ? 20 : 24))
    .map(([each, shape]) => `${each.outerHTML.slice(0, 80)}: ${shape.width} × ${shape.height}`)
"""
NAMELESS_CONTROLS = """
return [...document.querySelectorAll("button, input, textarea, a, [role=img]")].filter(each => each.offsetWidth
    && !each.ariaLabel && !each.innerText?.trim() && !each.labels?.length && !each.title).map(each => each.outerHTML)
"""
pytestmark = [pytest.mark.slow, *NEEDED]


@pytest.fixture(scope="module", params=SIZES)
def browser(request) -> Iterator[Any]:
    with opened(request.param) as driver:
        yield driver


def wait(browser: Any, script: str) -> Any:
    """Return what a script returns, once it is true."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, PATIENCE, 0.1).until(lambda driver: driver.execute_script(f"return {script}"))


def facts_with(words: str) -> str:
    facts = "document.querySelector('#facts')?.innerHTML"
    return f"{facts}?.includes('{words}') && {facts}"


def text_of(browser: Any) -> str:
    return browser.execute_script("return document.querySelector('#text textarea').value")


def write_number(browser: Any, field: str, number: int) -> None:
    """Write a number into the field with this id."""
    from selenium.webdriver.common.keys import Keys

    found = browser.find_element("css selector", f"#{field} input[type=number]")
    found.send_keys(Keys.CONTROL, "a")
    found.send_keys(str(number), Keys.TAB)


def lay_down(browser: Any, path: Path) -> None:
    """Replace the file that is read."""
    browser.execute_script("document.querySelector('#file button[aria-label=Clear]')?.click()")
    wait(browser, "document.querySelector('#file input[type=file]') !== null")
    browser.find_element("css selector", "#file input[type=file]").send_keys(str(path))


def test_a_picture_is_laid_down_turned_read_by_an_adapter_and_taken_home(browser, address, desk, picture, tmp_path):
    browser.get(address)
    wait(browser, facts_with("turn.png"))  # the first example lies there already, too long for this reader

    lay_down(browser, picture)
    wait(browser, facts_with("a line.txt"))
    assert text_of(browser) == desk.read(str(picture), 0)[0]

    lying = browser.execute_script("return document.querySelector('.stage svg').getAttribute('viewBox')").split()
    write_number(browser, "turn", 90)
    wait(browser, f"document.querySelector('.stage svg').getAttribute('viewBox') == '0 0 {lying[3]} {lying[2]}'")
    assert text_of(browser) == desk.read(str(picture), 90)[0]

    browser.find_element("css selector", "#adapter input[value=fr]").click()
    facts = wait(browser, facts_with("with fr"))
    assert text_of(browser) == desk.read(str(picture), 90, "fr")[0]
    assert downloads(facts)["a line.txt"] == text_of(browser) + "\n"

    browser.execute_script("document.querySelector('.t1').focus()")
    assert wait(browser, "getComputedStyle(document.querySelector('.p1')).opacity == 1")
    assert wait(browser, "getComputedStyle(document.querySelector('.p0')).opacity == 0")

    seen = tmp_path / "page.png"
    seen.write_bytes(base64.b64decode(browser.get_screenshot_as_base64()))
    assert seen.stat().st_size > 10_000


def test_it_fits_into_its_window_and_can_be_read_and_touched(browser, address, picture):
    browser.get(address)
    wait(browser, facts_with("turn.png"))
    lay_down(browser, picture)
    wait(browser, "document.querySelector('.strip') !== null")
    wait(browser, "document.querySelector('#examples [aria-label=\"example 1\"]') !== null")
    assert browser.execute_script(IS_AS_WIDE_AS_ITS_WINDOW)
    assert browser.execute_script(FAINT_TEXTS) == []
    assert browser.execute_script(SMALL_CONTROLS) == []
    assert browser.execute_script(NAMELESS_CONTROLS) == []


def test_nothing_is_asked_of_the_network(browser, address):
    browser.get(address)
    wait(browser, facts_with("turn.png"))
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_another_page_of_a_file_is_read_when_its_number_is_written(browser, address, desk, picture, tmp_path):
    browser.get(address)
    wait(browser, facts_with("turn.png"))
    assert not browser.find_elements("css selector", "#page")
    path = tmp_path / "two.tif"
    draw_line("gh").save(path, save_all=True, append_images=[Image.open(picture)])
    lay_down(browser, path)
    wait(browser, facts_with("page 1 of 2"))
    wait(browser, "document.querySelector('#page input') !== null")
    write_number(browser, "page", 2)
    wait(browser, facts_with("page 2 of 2"))
    assert text_of(browser) == desk.read(str(picture), 0)[0]


def test_what_is_no_picture_is_said_to_be_none(browser, address, tmp_path: Path):
    path = tmp_path / "letter.txt"
    path.write_text("no picture")
    browser.get(address)
    wait(browser, facts_with("turn.png"))
    lay_down(browser, path)
    assert "not a picture" in wait(browser, facts_with("letter.txt"))
