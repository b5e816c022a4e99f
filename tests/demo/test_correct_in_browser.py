"""Lines are corrected in a headless Chromium that cannot reach the network, on a desktop and on a phone."""

import base64
import importlib.util
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from chromium import FAINT_TEXTS, IS_AS_WIDE_AS_ITS_WINDOW, NEEDED, SIZES, opened
from slow_cases import others_slow

PATIENCE = 30  # seconds
LINES = 30
pytestmark = [
    *NEEDED, pytest.mark.skipif(importlib.util.find_spec("fastapi") is None, reason="fastapi is not installed")
]  # fmt: skip


@pytest.fixture(scope="module", params=others_slow(SIZES, "desktop"))
def browser(request) -> Iterator[Any]:
    with opened(request.param) as driver:
        yield driver


@pytest.fixture
def queue(tmp_path):
    from class_room import make_queue

    return make_queue(tmp_path / "queue", LINES)


@pytest.fixture
def address(queue, tmp_path) -> Iterator[str]:
    import uvicorn
    from class_room import corrections_of

    from trocr_gsa.demo.correct_page import build_correct_page

    app = build_correct_page(corrections_of(queue, tmp_path / "pictures"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def until(is_true) -> None:
    end = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_lines_are_corrected_with_the_keyboard_alone(browser, address, queue, tmp_path):
    from selenium.webdriver.common.keys import Keys

    browser.get(address)
    for number in (1, 2):
        until(lambda number=number: browser.current_url.endswith(f"/lines/{number}"))
        until(lambda: browser.execute_script("return document.activeElement.id") == "text")
        picture = browser.find_element("css selector", ".line img")
        field = browser.find_element("id", "text")
        until(lambda picture=picture: picture.get_property("naturalWidth") > 0)
        assert picture.get_property("alt")
        assert picture.location["y"] + picture.size["height"] <= field.location["y"]
        assert picture.size["height"] >= 20
        assert browser.execute_script(IS_AS_WIDE_AS_ITS_WINDOW)  # nothing but the picture is scrolled sideways
        assert browser.execute_script(FAINT_TEXTS) == []
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(f"corrected {number}")
        if number == 1:
            seen = base64.b64decode(browser.get_screenshot_as_base64())
            (tmp_path / "correct.png").write_bytes(seen)
            assert len(seen) > 5_000
        browser.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: browser.current_url.endswith("/lines/3"))
    assert (queue / f"{LINES:04}.gt.txt").read_text() == "corrected 1\n"
    assert (queue / f"{LINES - 1:04}.gt.txt").read_text() == "corrected 2\n"


def test_every_control_can_be_reached_and_touched(browser, address):
    browser.get(f"{address}/lines/2")
    controls = browser.find_elements("css selector", "a, button, input:not([type=hidden])")
    assert len(controls) >= 6
    assert min(control.size["height"] for control in controls) >= 24  # as WCAG 2.2 asks for
    unlabelled = (
        "return [...document.querySelectorAll('input:not([type=hidden])')].filter(e => !e.labels.length).length"
    )
    assert browser.execute_script(unlabelled) == 0


def test_what_another_has_changed_is_shown_beside_mine(browser, address, queue):
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{address}/lines/1")
    (queue / f"{LINES:04}.gt.txt").write_text("theirs\n")
    field = browser.find_element("id", "text")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("mine", Keys.ENTER)
    until(lambda: browser.find_elements("css selector", ".theirs"))
    assert browser.find_element("css selector", ".theirs").text == "theirs"
    assert browser.find_element("id", "text").get_property("value") == "mine"
    assert (queue / f"{LINES:04}.gt.txt").read_text() == "theirs\n"
