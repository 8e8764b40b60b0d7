"""The order by similarity, against cosines computed here, and what is not shown by it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def with_features(make_server: Any, database_address: str, tmp_path: Path) -> Any:
    """A server on a case of 40 cells with features, the last cell's missing."""
    folder = make_server.results(tmp_path / "features", features=True)
    return make_server(database_address, results=folder, blind_share=0.1)


def ids_of(client: Any, query: str) -> list[int]:
    found: list[int] = client.get(f"/api/readings/1/index?{query}")["cells"]["id"]
    return found


def test_cells_come_by_falling_cosine_and_blind_ones_and_those_without_features_last(with_features: Any) -> None:
    rita = with_features.person("rita")
    cells = rita.get("/api/readings/1/cells?limit=1000")["cells"]
    vectors = np.load(with_features.settings.roots[0] / "features.npy").astype(np.float32)
    chosen = next(place for place, cell in enumerate(cells) if not cell["blind"])
    cosines = vectors @ vectors[chosen]
    shown = [place for place in np.argsort(-cosines, kind="stable") if not cells[place]["blind"]]
    expected = [cells[place]["id"] for place in shown]
    blind = [cell["id"] for cell in cells if cell["blind"]]
    assert len(blind) == 4
    found = ids_of(rita, f"sort=similarity&to={cells[chosen]['id']}")
    assert found[0] == cells[chosen]["id"]
    assert found == [*expected, *blind]
    assert cells[-1]["blind"] or expected[-1] == cells[-1]["id"]  # the one without features


def test_pages_and_the_next_cell_follow_the_order_of_similarity(with_features: Any) -> None:
    rita = with_features.person("rita")
    to = next(cell["id"] for cell in rita.get("/api/readings/1/cells")["cells"] if not cell["blind"])
    for reverse in ("", "&descending=true"):
        query = f"sort=similarity&to={to}{reverse}"
        found: list[int] = []
        after: str | None = ""
        while after is not None:
            page = rita.get(f"/api/readings/1/cells?{query}&limit=7" + (f"&after={after}" if after else ""))
            found += [cell["id"] for cell in page["cells"]]
            after = page["next"]
        assert found == ids_of(rita, query)
    order = ids_of(rita, f"sort=similarity&to={to}")
    waiting = [cell["id"] for cell in rita.get("/api/readings/1/cells?status=unanswered")["cells"]]
    referred = [cell["id"] for cell in rita.get("/api/readings/1/cells?referred=true")["cells"]]
    needs = [cell for cell in order if cell in waiting or cell in referred]
    assert rita.get(f"/api/readings/1/next?sort=similarity&to={to}")["cell"] == needs[0]
    assert rita.get(f"/api/readings/1/next?sort=similarity&to={to}&after={needs[0]}")["cell"] == needs[1]
    assert rita.get(f"/api/readings/1/next?sort=similarity&to={to}&after={needs[-1]}")["cell"] == needs[0]


def test_a_cell_that_cannot_be_compared_says_why(with_features: Any) -> None:
    rita = with_features.person("rita")
    cells = rita.get("/api/readings/1/cells?limit=1000")["cells"]
    blind = next(cell["id"] for cell in cells if cell["blind"])
    refused = {f"to={blind}": "blind", "to=999999": "not one of this case", "": "to:"}
    if not cells[-1]["blind"]:
        refused[f"to={cells[-1]['id']}"] = "not classified"
    for query, words in refused.items():
        answer = rita.call("GET", f"/api/readings/1/index?sort=similarity&{query}")
        assert answer.status_code == 422
        assert words in answer.json()["message"]
    field = rita.get("/api/cases/1")["fields"][0]["id"]
    box = {"field": field, "x": 1, "y": 1, "width": 30, "height": 30, "label": "blast"}
    added = rita.post("/api/readings/1/cells", box, version=1)["cells"][0]["id"]
    answer = rita.call("GET", f"/api/readings/1/index?sort=similarity&to={added}")
    assert "added by a person" in answer.json()["message"]
    to = next(cell["id"] for cell in cells if not cell["blind"])
    assert added in ids_of(rita, f"sort=similarity&to={to}")


def test_features_that_are_gone_are_a_reason_and_no_fault(with_features: Any) -> None:
    rita = with_features.person("rita")
    to = next(cell["id"] for cell in rita.get("/api/readings/1/cells")["cells"] if not cell["blind"])
    path = with_features.settings.roots[0] / "features.npy"
    np.save(path, np.zeros((3, 8), "<f2"))
    for _ in range(2):
        answer = rita.call("GET", f"/api/readings/1/cells?sort=similarity&to={to}")
        assert (answer.status_code, answer.json()["error"]) == (422, "unavailable")
        assert "moved or changed" in answer.json()["message"]
        path.unlink(missing_ok=True)
