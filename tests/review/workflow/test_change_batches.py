"""Several changes in one request: each is an event of its own, and a refusal keeps what came before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from lymphoscope.review.verification import verify

CHANGES = "/api/readings/1/changes"


def label(*cells: int, name: str = "monocyte") -> dict[str, Any]:
    return {"kind": "label", "cells": list(cells), "label": name}


def answers_of(client: Any) -> dict[int, tuple[Any, ...]]:
    cells = client.get("/api/readings/1/cells?limit=1000")["cells"]
    return {cell["id"]: (cell["label"], cell["status"], cell["seen"]) for cell in cells}


def state_of(answer: Any) -> dict[int, tuple[Any, ...]]:
    return {one["id"]: (one["label"], one["status"], one["seen"]) for one in answer["cells"]}


def kinds(server: Any, client: Any) -> list[str]:
    return [one["kind"] for one in client.get("/api/cases/1/events")["events"] if one["kind"] != "imported"]


@contextmanager
def commits(server: Any) -> Iterator[list[None]]:
    found: list[None] = []

    def count(_connection: Any) -> None:
        found.append(None)

    event.listen(server.database.engine, "commit", count)
    yield found
    event.remove(server.database.engine, "commit", count)


def test_each_change_of_a_batch_has_its_own_event_in_one_commit(server: Any) -> None:
    rita = server.person("rita")
    before = answers_of(rita)
    changes = [label(1, 2), {"kind": "confirm", "cells": [3]}, {"kind": "not_a_cell", "cells": [4], "reason": "dirt"}]
    changes += [{"kind": "seen", "cells": [5]}, label(1, name="blast"), {"kind": "undo"}]
    with commits(server) as made:
        answer = rita.post(CHANGES, {"changes": changes}, version=1)
    assert len(made) == 1
    assert [one["cells"] for one in answer["results"]] == [[1, 2], [3], [4], [5], [1], [1]]
    assert answer["refused"] is None
    assert answer["results"][-1]["undone"] == answer["results"][-2]["event"]
    assert kinds(server, rita) == ["labelled", "confirmed", "not_a_cell", "seen", "labelled", "undone"]
    assert answer["version"] == 7
    after = answers_of(rita)
    assert state_of(answer) == {cell: after[cell] for cell in (1, 2, 3, 4, 5)}
    assert after[1] == ("monocyte", "confirmed", True)
    assert after[5] == (*before[5][:2], True)
    assert answer["differential"] == rita.get("/api/readings/1/differential")
    assert verify(server.database).faults == ()


def test_a_batch_does_what_its_changes_do_one_by_one(make_server: Any, tmp_path: Any) -> None:
    changes = [label(1, 2), label(2, name="blast"), {"kind": "undo"}, {"kind": "confirm", "cells": [2, 3]}]
    together = make_server(str(tmp_path / "together.db")).person("rita")
    together.post(CHANGES, {"changes": changes}, version=1)
    single = make_server(str(tmp_path / "single.db")).person("rita")
    for version, change in enumerate(changes, start=1):
        single.post(CHANGES, {"changes": [change]}, version=version)
    assert answers_of(together) == answers_of(single)


def test_a_refusal_keeps_the_changes_before_it_and_drops_those_after(server: Any) -> None:
    rita = server.person("rita")
    before = answers_of(rita)
    changes = [label(1), label(2, 999_999), label(3)]
    answer = rita.post(CHANGES, {"changes": changes}, version=1)
    assert [one["cells"] for one in answer["results"]] == [[1]]
    assert (answer["refused"]["status"], answer["refused"]["error"]) == (404, "not_found")
    assert answers_of(rita) == before | {1: ("monocyte", "confirmed", True)}
    assert kinds(server, rita) == ["labelled"]
    assert verify(server.database).faults == ()


def test_a_batch_whose_first_change_is_refused_changes_nothing(server: Any) -> None:
    rita = server.person("rita")
    refused = rita.post(CHANGES, {"changes": [label(1, name="no such class"), label(2)]}, version=1, status=422)
    assert "no such class" in refused["message"]
    assert kinds(server, rita) == []


def test_what_another_person_changed_is_refused_though_the_batch_changed_it_before(server: Any) -> None:
    rita, ravi = server.person("rita"), server.person("ravi")
    ravi.post(CHANGES, {"changes": [label(2, name="blast")]}, version=1)
    answer = rita.post(CHANGES, {"changes": [label(1), label(1, name="blast"), label(2)]}, version=1)
    assert len(answer["results"]) == 2
    assert answer["refused"]["error"] == "changed"
    assert [(one["id"], one["by"]) for one in answer["refused"]["changed"]] == [(2, "ravi")]
    assert answers_of(rita)[2] == ("blast", "confirmed", True)


def test_the_answer_tells_what_others_changed_meanwhile(server: Any) -> None:
    rita, ravi = server.person("rita"), server.person("ravi")
    ravi.post(CHANGES, {"changes": [label(7, name="blast")]}, version=1)
    answer = rita.post(CHANGES, {"changes": [label(1)]}, version=1)
    assert {one["id"]: one["label"] for one in answer["cells"]} == {1: "monocyte", 7: "blast"}


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [label(1)] * 101,
        [{"kind": "sign", "cells": [1]}],
        [{"kind": "label", "cells": [1]}],
        [{"kind": "confirm", "cells": [1], "label": "blast"}],
        [{"kind": "undo", "cells": [1]}],
        [label(*range(1, 3001)), label(*range(3001, 6001))],
    ],
)
def test_a_batch_that_does_not_fit_is_refused_as_a_whole(server: Any, changes: list[Any]) -> None:
    rita = server.person("rita")
    assert rita.call("POST", CHANGES, {"changes": changes}, version=1).status_code == 422
    assert rita.call("POST", CHANGES, {"changes": [label(1)]}).status_code == 428
    assert rita.get("/api/readings/1")["version"] == 1


def test_a_version_from_the_future_is_refused(server: Any) -> None:
    rita = server.person("rita")
    assert rita.post(CHANGES, {"changes": [label(1)]}, version=9, status=409)["error"] == "changed"


@contextmanager
def statements(server: Any) -> Iterator[list[str]]:
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    event.listen(server.database.engine, "before_cursor_execute", note)
    yield found
    event.remove(server.database.engine, "before_cursor_execute", note)


def test_a_save_asks_the_same_of_the_database_however_many_cells_the_case_has(make_server: Any, tmp_path: Any) -> None:
    asked = []
    for cells in (20, 400):
        folder = make_server.results(tmp_path / str(cells), cells=cells)
        made = make_server(str(tmp_path / f"{cells}.db"), results=folder)
        rita = made.person("rita")
        rita.post(CHANGES, {"changes": [label(1)]}, version=1)
        with statements(made) as found:
            rita.post(CHANGES, {"changes": [label(2)]}, version=2)
        asked.append(found)
    assert asked[0] == asked[1]
    assert not [one for one in asked[0] if "FROM cells" in one]
