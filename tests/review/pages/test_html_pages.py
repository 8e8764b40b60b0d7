"""Pages over HTTP: who sees which, and that no text from data is ever markup."""

import io
import re
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from pypdf import PdfReader

from lymphoscope.review.export import export_formats

PAGES = ("/", "/cases/1", "/cases/1/sign", "/cases/1/second", "/cases/1/comments", "/cases/1/events", "/cases/1/report")
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>"\'{{7*7}}'


@pytest.mark.parametrize("address", PAGES)
def test_a_browser_without_a_login_is_sent_to_the_login(unchanged: object, address: str) -> None:
    answer = httpx.get(unchanged.url + address, headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=")


@pytest.mark.parametrize("address", [*PAGES, "/cases/1/fields/1?cell=3", "/account"])
def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(reader: httpx.Client, address: str) -> None:
    answer = reader.get(address)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    text = answer.text
    assert "not a medical device" in text
    assert 'src="http' not in text
    assert " style=" not in text
    assert " onclick=" not in text
    assert text.count("<script") == text.count('<script type="module" src="/static/') + text.count(
        '<script src="/static/'
    )


@pytest.mark.parametrize(
    "address",
    ["/cases/99", "/cases/abc", "/cases/1/fields/77", "/cases/1?reading=99", "/cases/0", "/cases/1/cells/9999999"],
)
def test_a_page_that_is_not_there_says_so_as_a_page(reader: httpx.Client, address: str) -> None:
    answer = reader.get(address, headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "This cannot be shown" in answer.text


def test_the_permanent_address_of_a_cell_leads_to_it_in_its_gallery(reader: httpx.Client) -> None:
    answer = reader.get("/cases/1/cells/3", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/cases/1?cell=3")
    assert reader.get(answer.headers["location"]).status_code == 200


@pytest.mark.parametrize(("person", "status"), [("ada", 403), ("ben", 403), ("root", 200)])
@pytest.mark.parametrize("address", ["/users", "/audit"])
def test_people_and_the_whole_audit_are_for_administrators(
    unchanged: object, helpers: ModuleType, person: str, status: int, address: str
) -> None:
    with httpx.Client(base_url=unchanged.url, timeout=60) as client:
        helpers.log_in(client, person)
        assert client.get(address, headers={"Accept": "text/html"}).status_code == status


@pytest.mark.parametrize(
    "address", ["https://evil.invalid/", "//evil.invalid", "/\\evil.invalid", "javascript:alert(1)", "evil"]
)
def test_the_login_leads_to_no_other_server(unchanged: object, address: str) -> None:
    answer = httpx.get(f"{unchanged.url}/login", params={"next": address})
    assert 'data-next="/"' in answer.text


@pytest.mark.slow
def test_hostile_names_and_comments_stay_text(tmp_path: Path, helpers: ModuleType) -> None:
    results = helpers.write_results(tmp_path / "results", cells=12, subject=HOSTILE, field=HOSTILE + "{:03}")
    with (
        helpers.serve(results, tmp_path / "review.db") as served,
        httpx.Client(base_url=served.url, timeout=60) as client,
    ):
        helpers.log_in(client, "ada")
        client.post("/api/cases/1/comments", json={"text": HOSTILE}).raise_for_status()
        for address in (*PAGES, "/cases/1/fields/1"):
            text = client.get(address).text
            assert "<script>alert" not in text
            assert "<img src=x" not in text
            assert "&lt;script&gt;" in text, address
        assert client.get("/cases/1/report.pdf").content.startswith(b"%PDF")


def test_the_report_offers_every_export_format(reader: httpx.Client) -> None:
    page = reader.get("/cases/1/report").text
    for name, one in export_formats().items():
        assert re.search(rf'href="/api/cases/1/export/{name}\?reading=\d+" download>{re.escape(one.title)}<', page), (
            name
        )


def test_the_report_is_preliminary_until_it_is_signed_and_its_export_is_an_event(client: httpx.Client) -> None:
    assert "Preliminary: not signed" in client.get("/cases/1/report").text
    answer = client.get("/cases/1/report.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert "attachment" in answer.headers["content-disposition"]
    kinds = [event["kind"] for event in client.get("/api/cases/1/events").json()["events"]]
    assert kinds[-1] == "exported"


def test_references_show_no_blind_cell_and_confirmed_cells_first(client: httpx.Client) -> None:
    before = client.get("/readings/1/references/lymphocyte").json()["cells"]
    assert len(before) == 5
    assert not any(one["confirmed"] for one in before)
    blind = {cell["id"] for cell in client.get("/api/readings/1/cells?blind=true&limit=500").json()["cells"]}
    assert blind.isdisjoint(one["cell"] for one in before)
    version = client.get("/api/readings/1").json()["version"]
    client.post(
        "/api/readings/1/labels", json={"cells": [9], "label": "lymphocyte"}, headers={"If-Match": f'"{version}"'}
    )
    after = client.get("/readings/1/references/lymphocyte").json()["cells"]
    assert after[0] == {"case": 1, "cell": 9, "confirmed": True}


def test_references_are_no_suggestions_that_a_reader_has_answered(client: httpx.Client) -> None:
    confirmed, relabelled, *_ = [one["cell"] for one in client.get("/readings/1/references/lymphocyte").json()["cells"]]
    changes = [
        {"kind": "confirm", "cells": [confirmed]},
        {"kind": "label", "cells": [relabelled], "label": "monocyte"},
    ]
    client.post("/api/readings/1/changes", json={"changes": changes}, headers={"If-Match": '"1"'}).raise_for_status()
    after = client.get("/readings/1/references/lymphocyte").json()["cells"]
    assert [(one["cell"], one["confirmed"]) for one in after if one["cell"] in (confirmed, relabelled)] == [
        (confirmed, True)
    ]
    assert len(after) == 5


def test_who_took_part_in_the_first_reading_is_not_offered_the_second(
    served: object, client: httpx.Client, helpers: ModuleType
) -> None:
    assert "Read it a second time" in client.get("/cases/1/second").text
    body = {"cells": [1], "label": "monocyte"}
    client.post("/api/readings/1/labels", json=body, headers={"If-Match": '"1"'}).raise_for_status()
    own = client.get("/cases/1/second").text
    assert "Read it a second time" not in own
    assert "You took part in the first reading" in own
    with httpx.Client(base_url=served.url, timeout=60) as other:
        helpers.log_in(other, "cleo")
        assert "Read it a second time" in other.get("/cases/1/second").text


def test_every_field_is_reached_from_the_one_before_also_one_without_cells(reader: httpx.Client) -> None:
    fields = [one["id"] for one in reader.get("/api/cases/1").json()["fields"]]
    seen, here = [], f"/cases/1/fields/{fields[0]}"
    while here:
        page = reader.get(here).text
        seen.append(int(re.search(r"fields/(\d+)", here)[1]))
        assert f"Field {len(seen)} of {len(fields)}" in page
        assert ("Previous field" in page) == (len(seen) > 1)
        found = re.search(r'rel="next" href="([^"]+)"', page)
        here = found[1] if found else ""
    assert seen == fields


def test_the_worklist_shows_the_cases_that_await_my_second_reading(
    served: object, client: httpx.Client, helpers: ModuleType
) -> None:
    body = {"cells": [1], "label": "monocyte"}
    client.post("/api/readings/1/labels", json=body, headers={"If-Match": '"1"'}).raise_for_status()
    assert "No case awaits a second reading by you" in client.get("/?state=second").text
    with httpx.Client(base_url=served.url, timeout=60) as other:
        helpers.log_in(other, "cleo")
        assert 'href="/cases/1/second"' in other.get("/?state=second").text


def test_the_pages_of_an_amendment_say_which_revision_is_signed(client: httpx.Client, helpers: ModuleType) -> None:
    helpers.sign(client)
    assert "(revision 1)" not in client.get("/").text
    client.post("/api/cases/1/amend", json={"reason": "one cell was read again"}).raise_for_status()
    assert "(revision 1)" in client.get("/").text
    assert "Revision 2 is not signed yet" in client.get("/cases/1/sign").text
    assert "Nobody has read revision 2 of this case" in client.get("/cases/1/second").text
    assert "No case is in this state." in client.get("/?state=signed").text


def test_the_reason_of_an_amendment_is_where_one_signs_and_in_its_report(
    client: httpx.Client, helpers: ModuleType
) -> None:
    helpers.sign(client)
    assert "is an amendment" not in client.get("/cases/1/sign").text
    client.post("/api/cases/1/amend", json={"reason": "cell <7> was read again"}).raise_for_status()
    for signed in (False, True):
        for page in ("sign", "report"):
            assert "cell &lt;7&gt; was read again" in client.get(f"/cases/1/{page}").text
        if not signed:
            helpers.sign(client)
    first = client.get("/api/cases/1").json()["readings"][0]
    assert first["amendment"] is None
    assert "was read again" not in client.get(f"/cases/1/report?reading={first['id']}").text
    pdf = client.get("/cases/1/report.pdf").raise_for_status().content
    assert "cell <7> was read again" in " ".join(PdfReader(io.BytesIO(pdf)).pages[0].extract_text().split())


def test_the_meanings_of_a_signature_fit_the_revision(client: httpx.Client, helpers: ModuleType) -> None:
    approve, correct = "and approve this count", "and corrected an earlier count"
    first = client.get("/cases/1/sign").text
    assert (approve in first, correct in first) == (True, False)
    helpers.sign(client)
    client.post("/api/cases/1/amend", json={"reason": "one cell was read again"}).raise_for_status()
    second = client.get("/cases/1/sign").text
    assert (approve in second, correct in second) == (False, True)
    assert "preliminary" not in first + second


def test_a_target_that_no_cell_is_left_for_leads_nowhere(client: httpx.Client) -> None:
    link = "?show=status%3Asuggested"
    assert link in client.get("/cases/1/sign").text
    cells = client.get("/api/readings/1/index").json()["cells"]["id"]
    body = {"cells": cells, "label": "platelet"}
    client.post("/api/readings/1/labels", json=body, headers={"If-Match": '"1"'}).raise_for_status()
    page = client.get("/cases/1/sign").text
    assert re.search(r"\b0 of \d+ white cells are confirmed by a person", page)
    assert link not in page


def test_a_second_reader_sees_how_far_she_is_and_others_that_they_wait(
    served: object, client: httpx.Client, helpers: ModuleType
) -> None:
    body = {"cells": [1], "label": "monocyte"}
    client.post("/api/readings/1/labels", json=body, headers={"If-Match": '"1"'}).raise_for_status()
    with httpx.Client(base_url=served.url, timeout=60) as second:
        helpers.log_in(second, "cleo")
        second.post("/api/cases/1/second-reading", json={}).raise_for_status()
        assert "You have confirmed 0 of 240 cells" in second.get("/cases/1/second").text
    assert "shown here when the second reader has finished" in client.get("/cases/1/second").text
