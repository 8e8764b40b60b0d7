"""The files for other programs: GeoJSON for QuPath, COCO, thumbnails on sheets, and the table without pyarrow."""

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.smear import FieldRecord
from lymphoscope.smear.outputs import CocoWriter, GeoJsonWriter, SpriteWriter, TableWriter, cells_table, sprite_place
from lymphoscope.smear.outputs.coco import polygon_area

CLASSES = ("all", "hem")
TITLES = {"all": "lymphoblast", "hem": "normal"}


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    x = 10.0 * number
    return {
        "cell_id": f"F0001-{number}",
        "field": "F0001",
        "x": x,
        "y": 20.0,
        "width": 30.0,
        "height": 40.0,
        "outline": [[x, 20.0], [x + 30, 20.0], [x + 30, 60.0], [x, 60.0]],
        "detector_score": 0.9,
        "predicted": "all",
        "score_all": 0.8,
        "score_hem": 0.2,
        "refer": number == 1,
        "refer_reason": "low score" if number == 1 else None,
        "model_id": "abc",
        **changes,
    }


def test_geojson_has_what_qupath_reads(tmp_path: Path) -> None:
    writer = GeoJsonWriter(tmp_path / "cells.geojson", CLASSES, TITLES)
    for number in range(3):
        writer.write(row(number))
    writer.close()
    collection = json.loads((tmp_path / "cells.geojson").read_text())
    assert collection["type"] == "FeatureCollection"
    features = collection["features"]
    assert len({str(uuid.UUID(one["id"])) for one in features}) == 3
    first = features[0]
    assert first["properties"]["objectType"] == "detection"
    assert first["properties"]["classification"]["name"] == "lymphoblast"
    assert len(first["properties"]["classification"]["color"]) == 3
    assert first["properties"]["measurements"] == {
        "detector score": 0.9, "score lymphoblast": 0.8, "score normal": 0.2
    }  # fmt: skip
    (ring,) = first["geometry"]["coordinates"]
    assert ring[0] == ring[-1]
    assert len(ring) == 5
    assert features[1]["properties"]["metadata"] == {"referred": "low score"}


def test_ids_are_the_same_in_every_run_and_others_for_another_model(tmp_path: Path) -> None:
    ids = []
    for name, model in (("a", "abc"), ("b", "abc"), ("c", "xyz")):
        writer = GeoJsonWriter(tmp_path / name, CLASSES, TITLES)
        writer.write(row(model_id=model))
        writer.close()
        ids.append(json.loads((tmp_path / name).read_text())["features"][0]["id"])
    assert ids[0] == ids[1] != ids[2]


def test_many_cells_are_in_several_files_each_of_which_is_whole(tmp_path: Path) -> None:
    writer = GeoJsonWriter(tmp_path / "cells.geojson", CLASSES, TITLES, per_file=2)
    for number in range(5):
        writer.write(row(number))
    writer.close()
    files = ["cells.geojson", "cells-2.geojson", "cells-3.geojson"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
    names = [
        [one["properties"]["name"] for one in json.loads((tmp_path / file).read_text())["features"]] for file in files
    ]
    assert names == [["F0001-0", "F0001-1"], ["F0001-2", "F0001-3"], ["F0001-4"]]


def test_no_cells_are_an_empty_collection(tmp_path: Path) -> None:
    writer = GeoJsonWriter(tmp_path / "cells.geojson", CLASSES, TITLES)
    writer.close()
    assert json.loads((tmp_path / "cells.geojson").read_text())["features"] == []


def test_coco_boxes_areas_and_categories_are_those_of_the_cells(tmp_path: Path) -> None:
    fields = [FieldRecord(field="F0001", path="a.png", width=640, height=480)]
    writer = CocoWriter(tmp_path / "coco.json", fields, CLASSES, TITLES)
    writer.write(row())
    writer.write(row(1, predicted=None))
    writer.close()
    coco = json.loads((tmp_path / "coco.json").read_text())
    (annotation,) = coco["annotations"]
    assert annotation["bbox"] == [0.0, 20.0, 30.0, 40.0]
    assert annotation["area"] == 1200
    names = {one["id"]: one["name"] for one in coco["categories"]}
    assert names[annotation["category_id"]] == "all"
    assert coco["images"][0]["file_name"] == "a.png"


def test_the_area_of_a_polygon_is_that_of_its_pixels() -> None:
    turns = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([50 * np.cos(turns), 50 * np.sin(turns)], axis=1).tolist()
    assert polygon_area(circle) == pytest.approx(np.pi * 2500, rel=1e-3)


def test_thumbnails_lie_where_their_rows_say_over_several_sheets(tmp_path: Path) -> None:
    writer = SpriteWriter(tmp_path)
    shades = [(number * 37) % 200 + 20 for number in range(1030)]
    for shade in shades:
        writer.write(np.full((96, 96, 3), shade, dtype=np.uint8))
    writer.close()
    assert len(list((tmp_path / "sprites").iterdir())) == 2
    for number in (0, 31, 32, 1023, 1024, 1029):
        sheet, x, y = sprite_place(number)
        with Image.open(tmp_path / sheet) as image:
            assert abs(image.convert("RGB").getpixel((x + 48, y + 48))[0] - shades[number]) <= 2


def test_without_pyarrow_the_table_is_csv_with_the_same_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = ["cell_id", "x", "outline", "order", "in_target", "predicted", "score_all", "refer"]
    rows = [row(number, order=number + 1, in_target=True) for number in range(3)]
    tables = []
    for is_installed in (True, False):
        monkeypatch.setattr(cells_table, "installed", lambda _, known=is_installed: known)
        writer = TableWriter(tmp_path, columns)
        writer.write(rows[:2])
        writer.write(rows[2:])
        writer.close()
        path = tmp_path / writer.name
        tables.append(pd.read_parquet(path) if is_installed else pd.read_csv(path))
    pd.testing.assert_frame_equal(tables[0], tables[1], check_dtype=False)
    assert json.loads(tables[0]["outline"][0])[0][0] == [0.0, 20.0]
