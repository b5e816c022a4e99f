"""A headless Chromium of the size of a desktop or of a phone, which cannot reach the network."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
NEEDED = [
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="there is no chromium with its chromedriver"),
    pytest.mark.skipif(importlib.util.find_spec("selenium") is None, reason="selenium is not installed"),
]
IS_AS_WIDE_AS_ITS_WINDOW = "return document.documentElement.scrollWidth <= window.innerWidth"
# The contrast of every text with the nearest background behind it that is not transparent, by the rule of WCAG 2.2
FAINT_TEXTS = r"""
const lightness = ([r, g, b]) => {
    const parts = [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const numbers = colour => (colour.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
const behind = element => {
    for (let each = element; each; each = each.parentElement) {
        const colour = numbers(getComputedStyle(each).backgroundColor);
        if (colour.length < 4 || colour[3] == 1) return colour;
    }
    return [255, 255, 255];
};
const faint = [];
for (const element of document.querySelectorAll("body *")) {
    const isField = element.tagName == "TEXTAREA" || ["text", "number"].includes(element.type);
    const text = isField ? element.value
        : [...element.childNodes].filter(n => n.nodeType == Node.TEXT_NODE).map(n => n.data).join("").trim();
    const shape = element.getBoundingClientRect();
    if (!text || !shape.width || !shape.height || ["STYLE", "SCRIPT", "TITLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const ink = element.tagName == "text" ? style.fill : style.webkitTextFillColor || style.color;
    const [one, other] = [lightness(numbers(ink)), lightness(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)}: ${element.tagName} ${text.slice(0, 40)}`);
}
return faint;
"""


@contextmanager
def opened(size: str) -> Iterator[Any]:
    """Open a browser with a window of a size in `SIZES`; that of a phone knows touches."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", OFFLINE):
        options.add_argument(word)
    width, height = SIZES[size]
    shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": size == "phone"})
        yield driver
    finally:
        driver.quit()
