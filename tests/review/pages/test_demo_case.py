"""The demo: one call makes a synthetic case, in which everything can be seen, and says that it is synthetic."""

import io
from pathlib import Path
from types import ModuleType

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.review.database import open_database
from lymphoscope.review.pages.demo_case import DEMO_PERSON, add_demo_person, write_demo
from lymphoscope.review.pages.result_files import named_folders
from lymphoscope.review.sessions import log_in
from lymphoscope.review.settings import ReviewSettings
from lymphoscope.synthetic import SmearSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a demo of two fields."""
    return write_demo(tmp_path_factory.mktemp("demo"), SmearSettings(fields=2, white_cells=4, touching_pairs=0))


def test_a_finished_demo_is_kept(demo: Path) -> None:
    before = (demo / "smear.json").stat().st_mtime_ns
    assert write_demo(demo.parent) == demo
    assert (demo / "smear.json").stat().st_mtime_ns == before


def test_the_cells_of_the_demo_are_a_plausible_mix(demo: Path) -> None:
    """A newcomer sees suggestions, and some cells that wait for a person."""
    table = pd.read_parquet(demo / "cells.parquet")
    classed = table[table["counted_as"] != "not_classed"]
    assert len(classed) >= 8
    assert set(classed["predicted"]) == {"blast", "lymphocyte", "segmented_neutrophil"}
    assert (classed["counted_as"] == "unidentified").mean() < 0.5


def test_every_view_of_a_demo_cell_can_be_seen_and_is_called_synthetic(
    demo: Path, tmp_path: Path, helpers: ModuleType
) -> None:
    images = (demo.parent / "smear" / "fields",)
    with (
        helpers.serve(demo, tmp_path / "review.db", images=images) as served,
        httpx.Client(base_url=served.url, timeout=60) as client,
    ):
        helpers.log_in(client, "ada")
        cell = client.get("/api/readings/1/cells?limit=1").json()["cells"][0]
        views = {}
        for name in ("attention", "crop", "erase"):
            answer = client.get(f"/images/cases/1/cells/{cell['id']}/views/{name}")
            assert answer.status_code == 200, answer.text
            views[name] = np.asarray(Image.open(io.BytesIO(answer.content)), dtype=float)
        assert len({pixels.shape for pixels in views.values()}) == 1
        assert np.abs(views["crop"] - views["erase"]).mean() > 5
        for address in (f"/images/cases/1/thumbs/{cell['id']}", f"/images/cases/1/cells/{cell['id']}"):
            assert client.get(address).status_code == 200
        assert client.get(f"/images/cases/1/fields/{cell['field']}/tiles/8/0-0.jpg").status_code == 200
        for address in ("/cases/1", "/cases/1/report", "/cases/1/sign", "/"):
            assert "Synthetic cells" in client.get(address).text


def test_the_folders_of_the_fields_are_found_from_the_results(demo: Path, tmp_path: Path, helpers: ModuleType) -> None:
    with helpers.serve(demo, tmp_path / "review.db") as served, served.context.database.read() as session:
        assert named_folders(session, [demo]) == ((demo.parent / "smear" / "fields").resolve(),)
        assert named_folders(session, [tmp_path]) == ()


def test_the_account_of_the_demo_is_made_once_with_a_password_of_its_own(tmp_path: Path) -> None:
    settings = [ReviewSettings(database=tmp_path / f"{name}.db") for name in ("a", "b")]
    first, other = (add_demo_person(one) for one in settings)
    assert first and other and first != other
    assert add_demo_person(settings[0]) is None
    database = open_database(settings[0].database)
    assert log_in(database, DEMO_PERSON, first, address="test", hours=1)
    database.close()
