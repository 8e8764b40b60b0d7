"""A reader works through a case: what she sees, what she changes, and how it is taken back."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lymphoscope.review.verification import verify


def open_case(client: Any) -> tuple[int, int, list[dict[str, Any]]]:
    """The first case, its primary reading, and its cells."""
    case = client.get("/api/cases")["cases"][0]
    page = client.get(f"/api/readings/{case['reading']}/cells?limit=1000")
    return case["id"], case["reading"], page["cells"]


def labels_of(client: Any, reading: int) -> dict[int, tuple[Any, ...]]:
    cells = client.get(f"/api/readings/{reading}/cells?limit=1000")["cells"]
    return {cell["id"]: (cell["label"], cell["status"], cell["seen"]) for cell in cells}


def test_a_reader_relabels_many_cells_and_takes_it_back(server: Any) -> None:
    rita = server.person("rita")
    _, reading, cells = open_case(rita)
    before = labels_of(rita, reading)
    chosen = [cell["id"] for cell in cells[:5]]
    change = rita.post(f"/api/readings/{reading}/labels", {"cells": chosen, "label": "monocyte"}, version=1)
    assert change["version"] == 2
    assert {cell["label"] for cell in change["cells"]} == {"monocyte"}
    after = labels_of(rita, reading)
    assert all(after[cell] == ("monocyte", "confirmed", True) for cell in chosen)
    assert {cell: after[cell] for cell in after if cell not in chosen} == {
        cell: before[cell] for cell in before if cell not in chosen
    }
    undone = rita.post(f"/api/readings/{reading}/undo", {}, version=2)
    assert undone["undone"] == change["event"]
    assert labels_of(rita, reading) == before
    again = rita.post(f"/api/readings/{reading}/undo", {"event": undone["event"]}, version=3)
    assert labels_of(rita, reading) == after
    assert again["version"] == 4
    assert verify(server.database).faults == ()


def test_a_suggestion_is_not_an_answer_until_a_person_confirms_it(server: Any) -> None:
    rita = server.person("rita")
    _, reading, cells = open_case(rita)
    assert {cell["status"] for cell in cells} == {"suggested"}
    assert rita.get(f"/api/readings/{reading}/differential")["counted"] == 0
    rita.post(f"/api/readings/{reading}/confirm", {"cells": [cells[0]["id"]]}, version=1)
    differential = rita.get(f"/api/readings/{reading}/differential")
    assert differential["counted"] == 1
    assert differential["after"]["classes"][0]["name"] == cells[0]["suggested"]
    assert sum(row["count"] for row in differential["before"]["classes"]) == len(cells)


def test_changes_of_other_cells_do_not_conflict_and_of_the_same_cell_do(server: Any) -> None:
    rita, ravi = server.person("rita"), server.person("ravi")
    _, reading, cells = open_case(rita)
    first, second = cells[0]["id"], cells[1]["id"]
    path = f"/api/readings/{reading}/labels"
    rita.post(path, {"cells": [first], "label": "monocyte"}, version=1)
    ravi.post(path, {"cells": [second], "label": "blast"}, version=1)
    conflict = ravi.post(path, {"cells": [first, second], "label": "lymphocyte"}, version=1, status=409)
    assert conflict["error"] == "changed"
    assert [(cell["id"], cell["label"], cell["by"]) for cell in conflict["changed"]] == [
        (first, "monocyte", "rita"),
        (second, "blast", "ravi"),
    ]
    assert conflict["version"] == 3
    assert ravi.call("POST", path, {"cells": [first], "label": "blast"}).status_code == 428


def test_an_added_cell_is_counted_and_its_undo_removes_it(server: Any) -> None:
    rita = server.person("rita")
    case, reading, cells = open_case(rita)
    field = rita.get(f"/api/cases/{case}")["fields"][0]["id"]
    box = {"field": field, "x": 5, "y": 6, "width": 30, "height": 31, "label": "blast"}
    change = rita.post(f"/api/readings/{reading}/cells", box, version=1)
    assert len(labels_of(rita, reading)) == len(cells) + 1
    added = rita.get(f"/api/readings/{reading}/cells/{change['cells'][0]['id']}")
    assert (added["added"], added["label"], added["size_microns"]) == (True, "blast", pytest.approx(0.2 * 930**0.5))
    rita.post(f"/api/readings/{reading}/undo", {}, version=2)
    assert len(labels_of(rita, reading)) == len(cells)
    outside = rita.post(f"/api/readings/{reading}/cells", {**box, "x": 990}, version=3, status=422)
    assert "inside the field" in outside["message"]
    assert verify(server.database).faults == ()


def test_pages_hold_every_cell_once_in_every_order(server: Any) -> None:
    rita = server.person("rita")
    _, reading, cells = open_case(rita)
    for order in ("position", "class", "blast_score", "uncertainty", "referral", "size", "learning"):
        for reverse in ("", "&descending=true", "&descending=false"):
            found: list[int] = []
            after: str | None = ""
            while after is not None:
                cursor = f"&after={after}" if after else ""
                page = rita.get(f"/api/readings/{reading}/cells?sort={order}{reverse}&limit=17{cursor}")
                found += [cell["id"] for cell in page["cells"]]
                after = page["next"]
            index = rita.get(f"/api/readings/{reading}/index?sort={order}{reverse}")
            assert found == index["cells"]["id"]
            assert sorted(found) == sorted(cell["id"] for cell in cells)


def test_cells_come_by_falling_blast_score(server: Any) -> None:
    rita = server.person("rita")
    _, reading, _ = open_case(rita)
    scores = [cell["blast_score"] for cell in rita.get(f"/api/readings/{reading}/cells?sort=blast_score")["cells"]]
    assert scores == sorted(scores, reverse=True)


def test_similarity_says_that_the_results_have_no_features(server: Any) -> None:
    rita = server.person("rita")
    _, reading, _ = open_case(rita)
    answer = rita.call("GET", f"/api/readings/{reading}/cells?sort=similarity&to=1")
    assert (answer.status_code, answer.json()["error"]) == (422, "unavailable")
    assert "no features" in answer.json()["message"]


def test_the_count_before_is_that_of_smear_with_its_target(make_server: Any, tmp_path: Path) -> None:
    folder = make_server.results(tmp_path / "targeted", target=15)
    rita = make_server(results=folder).person("rita")
    shown = rita.get("/api/readings/1/differential")
    table = pd.read_parquet(folder / "cells.parquet")
    counted = table[table["in_target"]]["counted_as"].value_counts().to_dict()
    assert {one["name"]: one["count"] for one in shown["before"]["classes"]} == counted
    assert (shown["before"]["white_cells"], shown["partial"]) == (15, True)


def test_cells_that_smear_did_not_class_are_no_artefacts_and_not_unidentified(make_server: Any, tmp_path: Path) -> None:
    folder = make_server.results(tmp_path / "cut", cells=12, target=12)
    table = pd.read_parquet(folder / "cells.parquet")
    marks = ["cut_by_edge", "platelet_clump", "stain_deposit"]
    table.loc[[0, 1, 2], "marks"] = marks
    table.loc[[0, 1, 2], "counted_as"] = "not_classed"
    table.loc[3, ["counted_as", "refer"]] = ["unidentified", True]
    table.to_parquet(folder / "cells.parquet")
    rita = make_server(results=folder, cells=12).person("rita")
    _, reading, cells = open_case(rita)
    assert [cell["suggested"] for cell in cells[:3]] == ["not_classed", "platelet_clump", "artefact"]
    before = rita.get(f"/api/readings/{reading}/differential")["before"]
    counts = {one["name"]: (one["counted"], one["count"]) for one in before["classes"]}
    kept = table["counted_as"].value_counts()
    assert counts["not_classed"] == counts["platelet_clump"] == counts["artefact"] == ("not_counted", 1)
    assert counts["unidentified"] == ("white_cell", kept["unidentified"])
    assert before["white_cells"] == 9
    rita.post(f"/api/readings/{reading}/confirm", {"cells": [cell["id"] for cell in cells[:3]]}, version=1)
    assert rita.get(f"/api/readings/{reading}/differential")["after"]["white_cells"] == 0


def test_undecided_cells_are_those_without_a_label_and_the_unidentified(make_server: Any) -> None:
    rita = make_server(blind_share=0.2).person("rita")
    _, reading, cells = open_case(rita)
    some = next(cell["id"] for cell in cells if cell["label"])
    rita.post(f"/api/readings/{reading}/labels", {"cells": [some], "label": "unidentified"}, version=1)
    labels = {cell: label for cell, (label, _, _) in labels_of(rita, reading).items()}
    expected = {cell for cell, label in labels.items() if label in (None, "unidentified")}
    assert len(expected) == 9
    for wanted, found in ((True, expected), (False, set(labels) - expected)):
        shown = rita.get(f"/api/readings/{reading}/cells?undecided={wanted}&limit=1000")
        assert ({cell["id"] for cell in shown["cells"]}, shown["total"]) == (found, len(found))


def test_next_leads_through_every_referred_cell_until_all_are_seen(server: Any) -> None:
    rita = server.person("rita")
    _, reading, cells = open_case(rita)
    referred = {cell["id"] for cell in cells if cell["referred"]}
    assert referred
    version, visited, at = 1, set(), ""
    while (cell := rita.get(f"/api/readings/{reading}/next{at}")["cell"]) is not None:
        version = rita.post(f"/api/readings/{reading}/seen", {"cells": [cell]}, version=version)["version"]
        visited.add(cell)
        at = f"?after={cell}"
    assert visited == referred


def test_a_lease_keeps_others_from_writing_until_it_is_given_back(server: Any) -> None:
    rita, ravi = server.person("rita"), server.person("ravi")
    _, reading, cells = open_case(rita)
    rita.post(f"/api/readings/{reading}/lease")
    body = {"cells": [cells[0]["id"]], "label": "blast"}
    refused = ravi.post(f"/api/readings/{reading}/labels", body, version=1, status=423)
    assert refused["by"] == "rita"
    rita.post(f"/api/readings/{reading}/labels", body, version=1)
    assert rita.call("DELETE", f"/api/readings/{reading}/lease").status_code == 200
    ravi.post(f"/api/readings/{reading}/labels", {**body, "label": "monocyte"}, version=2)


def test_a_cell_knows_its_history(server: Any) -> None:
    rita = server.person("rita")
    _, reading, cells = open_case(rita)
    cell = cells[3]["id"]
    rita.post(f"/api/readings/{reading}/labels", {"cells": [cell], "label": "blast"}, version=1)
    rita.post(f"/api/readings/{reading}/not-a-cell", {"cells": [cell], "reason": "stain"}, version=2)
    history = rita.get(f"/api/readings/{reading}/cells/{cell}")["history"]
    assert [(one["kind"], one["new"][0]) for one in history] == [("labelled", "blast"), ("not_a_cell", "artefact")]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("labels", {"cells": [1], "label": "no such class"}, 422),
        ("labels", {"cells": [], "label": "blast"}, 422),
        ("labels", {"cells": [1, 1], "label": "blast"}, 422),
        ("labels", {"cells": [999999], "label": "blast"}, 404),
        ("labels", {"cells": [1], "label": "blast", "more": 1}, 422),
        ("labels", {"cells": [2**60], "label": "blast"}, 422),
        ("labels", {"cells": [1], "label": "bla\0st"}, 422),
        ("undo", {}, 409),
        ("undo", {"event": 1}, 409),
        ("cells", {"field": 999, "x": 1, "y": 1, "width": 9, "height": 9}, 422),
        ("cells", {"field": 1, "x": -1, "y": 1, "width": 9, "height": 9}, 422),
    ],
)
def test_a_request_that_does_not_fit_changes_nothing(server: Any, path: str, body: Any, status: int) -> None:
    rita = server.person("rita")
    _, reading, _ = open_case(rita)
    answer = rita.call("POST", f"/api/readings/{reading}/{path}", body, version=1)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert rita.get(f"/api/readings/{reading}")["version"] == 1
