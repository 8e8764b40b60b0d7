"""The work of each role in a real browser, by keyboard alone, and what a person with a screen reader is told."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from lymphoscope.review.tables import Reading

pytestmark = pytest.mark.slow

SECONDS = 60_000
"""Milliseconds that a step may take on a busy machine."""
SERIOUS = ("serious", "critical")
OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, served: Any, helpers: ModuleType) -> Iterator[OpenPage]:
    """Opens pages of people who are logged in; an error on the console or a dialog fails the test."""
    contexts, faults = [], []

    def open_as(person: str | None, address: str = "/", **options: Any) -> Page:
        context = chromium.new_context(base_url=served.url, **options)
        contexts.append(context)
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        if person:
            answer = context.request.post("/api/login", data={"name": person, "password": helpers.PASSWORD})
            assert answer.ok, answer.text()
        page.goto(address)
        return page

    yield open_as
    for context in contexts:
        context.close()
    refused = ("409 (Conflict)", "403 (Forbidden)", "423 (Locked)")  # what the tests provoke
    assert [fault for fault in faults if not any(one in fault for one in refused)] == []


def tab_to(page: Page, words: str, most: int = 120) -> None:
    """Press Tab until the focus is on the control with these words, as a person without a mouse does."""
    for _ in range(most):
        focused = page.evaluate(
            "() => { const e = document.activeElement; return e === document.body ? '' :"
            " [e.getAttribute('aria-label'), e.labels?.[0]?.textContent, e.textContent].find(Boolean) ?? '' }"
        )
        if words in " ".join(focused.split()):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"no way to {words!r} by the Tab key")


def wait_saved(page: Page) -> None:
    expect(page.locator("#saving")).to_have_text("All saved", timeout=SECONDS)
    assert page.locator("#alert").inner_text() == ""


def answers_of(page: Page, reading: int) -> list[dict[str, Any]]:
    cells = page.context.request.get(f"/api/readings/{reading}/cells?limit=1000").json()["cells"]
    return list(cells)


def enter_gallery(page: Page, address: str = "/cases/1") -> None:
    page.goto(address)
    page.wait_for_selector(".tile.focus")
    expect(page.locator("#detail-title")).to_contain_text(re.compile(r"Cell \d"), timeout=SECONDS)


def review_all(page: Page, disagree_with: int = 0) -> None:
    """Answer every cell with the keys; the first `disagree_with` suggestions are changed to monocyte."""
    tab_to(page, "blast, suggested")
    for _ in range(240):
        if "All" in page.locator("#said").inner_text():
            break
        label = page.evaluate("document.activeElement.getAttribute('aria-label')")
        if "no suggestion" in label:
            page.keyboard.press("2")
        elif disagree_with and "monocyte" not in label:
            page.keyboard.press("5")
            disagree_with -= 1
        else:
            page.keyboard.press("Enter")
    wait_saved(page)


def test_the_whole_work_of_each_role_by_keyboard_alone(open_page: OpenPage, helpers: ModuleType) -> None:
    # the first reader logs in and answers all cells
    page = open_page(None, "/login")
    page.keyboard.type("ben")
    page.keyboard.press("Tab")
    page.keyboard.type(helpers.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    tab_to(page, "subject S01")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tile.focus")
    assert page.locator("#state").inner_text() == "imported"
    review_all(page)
    assert page.locator("#state").inner_text() == "in review"
    answers = answers_of(page, 1)
    assert len(answers) == 240
    assert {one["status"] for one in answers} == {"confirmed"}
    assert {one["by"] for one in answers} == {"ben"}
    page.goto("/")  # he leaves: the case is free

    # the second reader does not see these answers
    page = open_page("cleo", "/cases/1/second")
    tab_to(page, "Read it a second time")
    page.keyboard.press("Enter")
    page.get_by_text("To the cells").wait_for()
    tab_to(page, "To the cells")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tile.focus")
    assert page.locator(".tile.confirmed").count() == 0
    review_all(page, disagree_with=4)
    page.goto("/cases/1/second")
    tab_to(page, "Finish my reading")
    page.keyboard.press("Enter")
    page.get_by_text("kappa").wait_for()

    # the senior reader settles the differences and signs
    page = open_page("ada", "/cases/1/second")
    forms = page.locator("form.adjudicate")
    assert forms.count() >= 4
    while (left := forms.count()) > 0:
        tab_to(page, "Reason")
        page.keyboard.type("seen again under the microscope")
        page.keyboard.press("Enter")
        expect(forms).to_have_count(left - 1, timeout=SECONDS)
    sign(page, helpers, "I have reviewed the cells and approve this count.")
    assert "Final" in pdf_text(page) or "final" in page.goto("/cases/1/report").text()

    # she amends it with a reason; the signed revision stays readable
    page.goto("/cases/1/sign")
    tab_to(page, "Reason")
    page.keyboard.type("one cell was read again")
    tab_to(page, "Open an amendment")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/1")
    page.wait_for_selector(".tile.focus")
    tab_to(page, ", confirmed")
    page.keyboard.press("3")
    wait_saved(page)
    sign(page, helpers, "I have reviewed the cells and corrected an earlier count.")
    page.goto("/cases/1/report")
    assert "amended" in page.locator("main").inner_text()
    assert page.get_by_role("link", name="1 (superseded by an amendment)").or_(page.get_by_text("Revisions")).count()

    # everything can be exported, and the chain is whole
    for kind in ("csv", "geojson", "fhir", "hl7"):
        assert page.context.request.get(f"/api/cases/1/export/{kind}").ok, kind
    page = open_page("root", "/audit")
    assert "is whole" in page.locator("main").inner_text()


def sign(page: Page, helpers: ModuleType, meaning: str) -> None:
    page.goto("/cases/1/sign")
    tab_to(page, "I have reviewed")
    while not page.get_by_label(meaning).is_checked():
        page.keyboard.press("ArrowDown")
    if page.locator("[name=override_reason]").count():
        tab_to(page, "Reason to sign all the same")
        page.keyboard.type("a case with few white cells")
    tab_to(page, "Your password again")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.locator("form [role=alert]").last).not_to_be_empty(timeout=SECONDS)
    page.keyboard.type(helpers.PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_text("signed and locked").wait_for()
    assert "Ada Tester" in page.locator(".signature").last.inner_text()


def pdf_text(page: Page) -> str:
    import io

    from pypdf import PdfReader

    content = page.context.request.get("/cases/1/report.pdf").body()
    return " ".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(content)).pages)


PAGES = (
    "/",
    "/cases/1",
    "/cases/1/fields/1?cell=5",
    "/cases/1/sign",
    "/cases/1/second",
    "/cases/1/comments",
    "/cases/1/events",
    "/cases/1/report",
    "/account",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("person", ["ada", "root", None])
def test_axe_finds_no_serious_fault(open_page: OpenPage, person: str | None, scheme: str) -> None:
    page = open_page(person, "/login", color_scheme=scheme)
    addresses = {"ada": PAGES, "root": ("/users", "/audit", "/cases/1"), None: ("/login",)}[person]
    for address in addresses:
        page.goto(address, wait_until="networkidle")
        faults = [one for one in Axe().run(page).response["violations"] if one["impact"] in SERIOUS]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in faults] == [], address


def test_the_first_person_makes_her_account_and_imports_results(
    chromium: Browser, results: Path, tmp_path: Path, helpers: ModuleType
) -> None:
    with (
        helpers.serve(results, tmp_path / "empty.db", setup_token="a token of the start") as served,  # noqa: S106
        chromium.new_context(base_url=served.url) as context,
    ):
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        page.goto("/")
        page.wait_for_url("**/setup")
        page.goto("/setup?token=a token of the start")
        faults = [one for one in Axe().run(page).response["violations"] if one["impact"] in SERIOUS]
        assert faults == []
        page.get_by_label("Login name").fill("eva")
        page.get_by_label("Name as shown under a signature").fill("Eva First")
        page.get_by_label("Password").fill(helpers.PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/login")
        page.goto("/setup?token=a token of the start")
        page.wait_for_url("**/login")
        page.get_by_label("Name").fill("eva")
        page.get_by_label("Password").fill(helpers.PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_text("There is no case yet").wait_for()
        page.get_by_label("Folder of results").fill(str(results))
        page.keyboard.press("Enter")
        page.get_by_role("link", name="subject S01").wait_for()


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_pages_fit_the_width_of_the_screen(open_page: OpenPage, width: int) -> None:
    page = open_page("ada", "/", viewport={"width": width, "height": 844})
    for address in PAGES:
        page.goto(address, wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address


def test_a_screen_reader_is_told_class_state_and_place_of_a_cell(open_page: OpenPage) -> None:
    page = open_page("ada")
    enter_gallery(page)
    gallery = page.get_by_role("listbox", name="Cells")
    options = gallery.get_by_role("option")
    assert options.first.get_attribute("aria-posinset") == "1"
    assert options.first.get_attribute("aria-setsize") == "240"
    name = options.first.get_attribute("aria-label") or ""
    assert re.match(r"Cell \d+, blast, suggested, not confirmed", name)
    options.first.focus()
    page.keyboard.press("Enter")
    wait_saved(page)
    assert ", blast, confirmed" in (options.first.get_attribute("aria-label") or "")
    assert "✓" in options.first.inner_text()
    assert "blast ?" in options.nth(1).inner_text()


def test_a_range_takes_one_label_and_undo_takes_it_back(open_page: OpenPage) -> None:
    page = open_page("ada")
    enter_gallery(page)
    before = {one["id"]: one["label"] for one in answers_of(page, 1)}
    tab_to(page, "blast, suggested")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    assert page.locator("#selection").inner_text() == "6 selected"
    page.keyboard.press("4")
    wait_saved(page)
    changed = [one for one in answers_of(page, 1) if one["status"] == "confirmed"]
    assert [one["label"] for one in changed] == ["lymphocyte"] * 6
    page.keyboard.press("Control+z")
    expect(page.locator("#said")).to_have_text("Undone.", timeout=SECONDS)
    assert {one["id"]: one["label"] for one in answers_of(page, 1)} == before
    expect(page.locator(".tile.confirmed")).to_have_count(0)


def test_a_reference_is_shown_as_confirmed_as_soon_as_it_is_and_not_after_undo(open_page: OpenPage) -> None:
    page = open_page("ada")
    first = page.context.request.get("/readings/1/references/blast").json()["cells"][0]["cell"]
    enter_gallery(page, f"/cases/1?cell={first}")
    references = page.locator("[data-references] figure")
    expect(references).to_have_text(["suggested"] * 5, timeout=SECONDS)
    page.locator(".tile.focus").focus()
    page.keyboard.press("Enter")
    wait_saved(page)
    expect(page.locator("#detail-title")).not_to_have_text(f"Cell {first}", timeout=SECONDS)
    expect(references).to_have_text(["confirmed"] + ["suggested"] * 4, timeout=SECONDS)
    page.keyboard.press("Control+z")
    expect(references).to_have_text(["suggested"] * 5, timeout=SECONDS)


def test_keys_can_be_changed_and_switched_off_and_stay_so(open_page: OpenPage) -> None:
    page = open_page("ada")
    enter_gallery(page)
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Confirm the suggestion").press("q")
    page.get_by_label("Undo my last change").press("q")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#keys [role=alert]")).to_contain_text("choose another", timeout=SECONDS)
    page.get_by_label("Undo my last change").press("z")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#keys")).to_be_hidden()
    enter_gallery(page)
    tab_to(page, "blast, suggested")
    page.keyboard.press("q")
    wait_saved(page)
    assert sum(one["status"] == "confirmed" for one in answers_of(page, 1)) == 1
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Switch these keys off").check()
    page.get_by_role("button", name="Save").click()
    enter_gallery(page)
    tab_to(page, "blast, suggested")
    page.keyboard.press("q")
    page.keyboard.press("4")
    page.get_by_role("toolbar", name="Answers").get_by_role("button", name="lymphocyte", exact=True).click()
    wait_saved(page)
    assert sum(one["status"] == "confirmed" for one in answers_of(page, 1)) == 2


def expire_leases(served: Any) -> None:
    with served.context.database.write() as session:
        session.execute(update(Reading).values(lease_until="2026-01-01T00:00:00Z"))


def test_who_works_on_a_case_holds_it_and_the_next_person_gets_it_when_she_leaves(
    open_page: OpenPage, served: Any
) -> None:
    ben = open_page("ben")
    enter_gallery(ben)
    expect(ben.locator("#held")).to_be_hidden()
    ada = open_page("ada")
    enter_gallery(ada)
    expect(ada.locator("#held")).to_contain_text("Ben Tester is working on this case", timeout=SECONDS)
    ada.locator(".tile.focus").focus()
    ada.keyboard.press("Enter")
    expect(ada.locator("#alert")).to_contain_text("Ben Tester", timeout=SECONDS)
    expect(ada.get_by_role("button", name="Undo")).to_be_disabled()
    assert {one["status"] for one in answers_of(ada, 1)} <= {"suggested", "unanswered"}
    ada.goto("/")
    assert "ben is working on it" in ada.locator("main").inner_text()
    enter_gallery(ada)

    ben.locator(".tile.focus").focus()
    ben.keyboard.press("Enter")
    wait_saved(ben)
    ben.goto("/account")  # the lease is given back
    expect(ada.locator("#held")).to_be_hidden(timeout=SECONDS)  # asked for again after half a minute
    expect(ada.locator(".tile.confirmed")).to_have_count(1)
    ada.locator(".tile.focus").focus()
    ada.keyboard.press("ArrowRight")
    ada.keyboard.press("2")
    wait_saved(ada)
    assert {one["by"] for one in answers_of(ada, 1)} == {None, "ben", "ada"}

    # a lease that nobody renews ends by itself
    expire_leases(served)
    enter_gallery(ben)
    expect(ben.locator("#held")).to_be_hidden()
    ben.locator(".tile.focus").focus()
    ben.keyboard.press("3")
    wait_saved(ben)


def test_cells_are_answered_on_the_field_with_the_same_keys(open_page: OpenPage) -> None:
    page = open_page("ben")
    cells = answers_of(page, 1)
    first, second = next(pair for pair in pairwise(cells) if pair[0]["label"] and pair[1]["label"])
    page.goto(f"/cases/1/fields/{first['field']}?cell={first['id']}")
    expect(page.locator("#picked")).to_contain_text(f"Cell {first['id']}:", timeout=SECONDS)
    page.keyboard.press("4")
    expect(page.locator("#said")).to_contain_text(f"Saved: Cell {first['id']}: lymphocyte, confirmed", timeout=SECONDS)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text(f"Saved: Cell {second['id']}:", timeout=SECONDS)
    page.keyboard.press("k")
    expect(page.locator("#picked")).to_contain_text(f"Cell {first['id']}:", timeout=SECONDS)
    found = {one["id"]: (one["label"], one["status"]) for one in answers_of(page, 1)}
    assert found[first["id"]] == ("lymphocyte", "confirmed")
    assert found[second["id"]] == (second["label"], "confirmed")


def test_the_sign_page_leads_to_the_cells_that_are_left(open_page: OpenPage) -> None:
    page = open_page("ada", "/cases/1/sign")
    page.get_by_role("listitem").filter(has_text="have no class").get_by_role("link", name="show them").click()
    page.wait_for_selector("#case[data-open]")
    left = [one["id"] for one in answers_of(page, 1) if one["label"] is None]
    expect(page.locator("#count")).to_have_text(f"{len(left)} cells")
    assert page.locator("#filter").input_value() == "open"


def test_an_answer_that_somebody_else_changed_is_not_overwritten(
    open_page: OpenPage, client: httpx.Client, served: Any
) -> None:
    page = open_page("ben")
    enter_gallery(page)
    cell = int(page.locator(".tile.focus").get_attribute("id").removeprefix("tile-"))
    expire_leases(served)
    version = client.get("/api/readings/1").json()["version"]
    body = {"cells": [cell], "label": "monocyte"}
    client.post("/api/readings/1/labels", json=body, headers={"If-Match": f'"{version}"'}).raise_for_status()
    page.locator(".tile.focus").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#alert")).to_contain_text("Not saved", timeout=SECONDS)
    expect(page.locator(f"#tile-{cell} .label")).to_have_text("monocyte", timeout=SECONDS)
    assert next(one for one in answers_of(page, 1) if one["id"] == cell)["by"] == "ada"


def test_a_missed_cell_is_added_on_the_field_and_seen_in_the_gallery(open_page: OpenPage) -> None:
    page = open_page("ada")
    enter_gallery(page)
    tab_to(page, "blast, suggested")
    page.keyboard.press("f")
    page.wait_for_url("**/fields/**")
    page.wait_for_selector(".cell-box.wanted")
    page.get_by_role("button", name="Whole field").click()
    page.get_by_role("button", name="Draw").click()
    page.wait_for_timeout(1500)  # the animation of the viewer
    area = page.locator("#viewer").bounding_box()
    middle_x, middle_y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    page.mouse.move(middle_x, middle_y)
    page.mouse.down()
    page.mouse.move(middle_x + 60, middle_y + 50, steps=4)
    page.mouse.up()
    page.locator("#add [name=label]").select_option("blast")
    page.get_by_role("button", name="Add this cell").click()
    expect(page.locator("#said")).to_contain_text("Added", timeout=SECONDS)
    added = [one for one in answers_of(page, 1) if one["added"]]
    assert [one["label"] for one in added] == ["blast"]
    assert 400 < added[0]["x"] < 600
    page.get_by_role("link", name="Back to the gallery").click()
    page.wait_for_selector(f"#tile-{added[0]['id']}.confirmed.focus")


def test_the_count_follows_every_answer(open_page: OpenPage) -> None:
    page = open_page("ada")
    enter_gallery(page)
    expect(page.locator("[data-counted]")).to_contain_text("0 white cells confirmed of 200 needed", timeout=SECONDS)
    tab_to(page, "blast, suggested")
    for _ in range(3):
        page.keyboard.press("Enter")
    expect(page.locator("[data-counted]")).to_contain_text("3 white cells confirmed", timeout=SECONDS)
    row = page.locator("#differential tbody tr").first.inner_text()
    assert "100.0" in row
    assert "n 3" in row


def test_hostile_comments_do_not_run(open_page: OpenPage) -> None:
    page = open_page("ada")
    enter_gallery(page)
    text = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
    page.get_by_label("Comment", exact=True).fill(text)
    page.get_by_role("button", name="Add the comment").click()
    expect(page.locator("[data-comments] li")).to_contain_text(text, timeout=SECONDS)
    page.goto("/cases/1/comments")
    assert text in page.locator("main").inner_text()


def test_preferences_and_page_data_hold_no_secret(open_page: OpenPage) -> None:
    page = open_page("ada")
    enter_gallery(page)
    assert page.evaluate("document.cookie") == ""
    assert json.loads(page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")) == {}
