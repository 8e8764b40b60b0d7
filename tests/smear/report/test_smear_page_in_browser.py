"""The page of a smear in a real browser at three widths: nothing is cut, and a click leads from a cell to its place."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lymphoscope.smear import SmearResult
from lymphoscope.synthetic import TrueCell

pytestmark = pytest.mark.slow

LONGEST = "segmented neutrophil 0.44"
SECONDS = 60_000
"""Milliseconds that a step may take on a busy machine."""


@pytest.fixture
def page(count: Callable[..., SmearResult], apart: tuple[Path, list[TrueCell]], chromium: Browser) -> Iterator[Page]:
    """The page of two fields; an error on the console fails the test."""
    result = count(*sorted(apart[0].iterdir()))
    faults: list[str] = []
    page = chromium.new_page()
    page.set_default_timeout(SECONDS)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.goto((result.out / "report.html").as_uri())
    yield page
    page.close()
    assert faults == []


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_the_page_fits_the_screen_and_the_longest_name_is_not_cut(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_selector(".thumb")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    name = page.locator(".thumb .name").first
    name.evaluate("(element, text) => { element.textContent = text }", LONGEST)
    assert name.evaluate("one => one.scrollHeight <= one.clientHeight + 1 && one.scrollWidth <= one.clientWidth")
    assert name.evaluate("one => one.parentElement.scrollHeight <= one.parentElement.clientHeight")


def test_thumbnails_of_a_row_are_level_whatever_the_length_of_their_names(page: Page) -> None:
    page.wait_for_selector(".thumb")
    first, second = page.locator(".thumb").nth(0), page.locator(".thumb").nth(1)
    first.locator(".name").evaluate("(element, text) => { element.textContent = text }", LONGEST)
    second.locator(".name").evaluate("element => { element.textContent = 'normal' }")
    tops = [one.locator("i").evaluate("element => element.getBoundingClientRect().top") for one in (first, second)]
    assert tops[0] == tops[1]


def test_a_click_shows_a_cell_in_its_place_in_the_field(page: Page) -> None:
    page.locator(".thumb").first.click()
    expect(page.locator("#cell")).to_be_visible()
    expect(page.locator("#cell-name")).to_contain_text("Cell ")
    assert page.locator("#place .box.this").count() == 1
    assert page.locator("#place img").evaluate("async one => { await one.decode(); return one.naturalWidth }") > 0
    page.keyboard.press("Escape")
    expect(page.locator("#cell")).to_be_hidden()
