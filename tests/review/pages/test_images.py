"""Images over HTTP: the right pixels, kept by the browser, for people who are logged in, and never another file."""

import io
import json
from pathlib import Path
from types import ModuleType

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image

ADDRESSES = (
    "/images/cases/1/thumbs/1",
    "/images/cases/1/cells/1",
    "/images/cases/1/fields/1/tiles/10/0-0.jpg",
    "/images/cases/1/cells/1/views/attention",
)


def pixels_of(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    return np.asarray(Image.open(io.BytesIO(answer.content)), dtype=int)


@pytest.mark.parametrize("address", ADDRESSES)
def test_images_need_a_login(unchanged: object, address: str) -> None:
    assert httpx.get(unchanged.url + address).status_code == 401


@pytest.mark.parametrize("address", ADDRESSES[:3])
def test_images_are_kept_by_the_browser_and_by_no_one_between(reader: httpx.Client, address: str) -> None:
    assert reader.get(address).headers["cache-control"] == "private, max-age=31536000, immutable"


def test_thumbnail_picture_and_field_show_the_same_cell(reader: httpx.Client, helpers: ModuleType) -> None:
    cells = reader.get("/api/readings/1/cells?limit=60&sort=position").json()["cells"]
    for cell in cells[:12]:
        label = reader.get(f"/api/readings/1/cells/{cell['id']}").json()["suggested"]
        if label is None:  # blind
            continue
        colour = helpers.COLOURS[label]
        assert np.abs(pixels_of(reader.get(f"/images/cases/1/thumbs/{cell['id']}"))[48, 48] - colour).max() < 12
        picture = pixels_of(reader.get(f"/images/cases/1/cells/{cell['id']}"))
        assert np.abs(picture[len(picture) // 2, picture.shape[1] // 2] - colour).max() < 12
        tile = pixels_of(reader.get(f"/images/cases/1/fields/{cell['field']}/tiles/10/0-0.jpg"))
        x, y = int(cell["x"] + 30), int(cell["y"] + 30)
        if x < 250 and y < 250:
            assert np.abs(tile[y, x] - colour).max() < 12


@pytest.mark.parametrize(
    "address",
    [
        "/images/cases/1/thumbs/9999",
        "/images/cases/2/thumbs/1",
        "/images/cases/1/cells/9999",
        "/images/cases/1/fields/99/tiles/10/0-0.jpg",
        "/images/cases/1/fields/1/tiles/10/9-9.jpg",
        "/images/cases/1/fields/1/tiles/77/0-0.jpg",
        "/images/cases/1/cells/1/views/attention",
    ],
)
def test_what_is_not_there_is_refused_in_one_line(reader: httpx.Client, address: str) -> None:
    answer = reader.get(address)
    assert answer.status_code == 404
    assert "\n" not in answer.json()["message"]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["../secret.png", "{outside}", "link.png"])
def test_a_table_cannot_name_files_outside_the_results(tmp_path: Path, helpers: ModuleType, place: str) -> None:
    outside = tmp_path / "secret.png"
    Image.new("RGB", (960, 960), "red").save(outside)
    results = helpers.write_results(tmp_path / "results", cells=12)
    (results / "link.png").symlink_to(outside)
    name = place.format(outside=outside)
    table = pd.read_csv(results / "cells.csv").assign(sprite=name)
    table.to_csv(results / "cells.csv", index=False)
    description = json.loads((results / "smear.json").read_text())
    description["fields"][0]["path"] = name
    (results / "smear.json").write_text(json.dumps(description))
    with (
        helpers.serve(results, tmp_path / "review.db") as served,
        httpx.Client(base_url=served.url, timeout=60) as client,
    ):
        helpers.log_in(client, "ada")
        for address in ADDRESSES[:3]:
            answer = client.get(address)
            assert answer.status_code == 404
            assert str(tmp_path) not in answer.text


def test_a_cell_that_was_added_by_hand_is_shown(client: httpx.Client) -> None:
    box = {"field": 1, "x": 300, "y": 200, "width": 60, "height": 70}
    version = client.get("/api/readings/1").json()["version"]
    answer = client.post("/api/readings/1/cells", json=box, headers={"If-Match": f'"{version}"'})
    cell = answer.json()["cells"][0]["id"]
    assert pixels_of(client.get(f"/images/cases/1/thumbs/{cell}")).shape == (96, 96, 3)
    assert pixels_of(client.get(f"/images/cases/1/cells/{cell}")).shape == (126, 126, 3)
