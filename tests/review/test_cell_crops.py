"""Labels of cells without an image file, added ones among them: cut from the field as the model takes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data import read_manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import load_description, shipped_models
from lymphoscope.review.label_export import export_labels

SCALE = 0.2


def results_of(model: str, make_server: Any, folder: Path) -> Path:
    """Results of a model that ships, with fields of noise and without crops."""
    make_server.results(folder)
    record = json.loads((folder / "smear.json").read_text())
    record["model"] |= {"id": load_description(shipped_models()[model]).model_id, "name": model}
    (folder / "smear.json").write_text(json.dumps(record))
    cells = pd.read_parquet(folder / "cells.parquet").assign(path=None, x=200.0, y=300.0)
    cells.to_parquet(folder / "cells.parquet")
    generator = np.random.default_rng(3)
    (folder / "fields").mkdir()
    for field in record["fields"]:
        pixels = generator.integers(0, 255, (800, 1000, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / field["path"], compress_level=1)
    return folder


def add_and_label(server: Any) -> tuple[int, int]:
    """Confirm one cell that was found, and add one that was missed; return both."""
    rita = server.person("rita")
    found = rita.get("/api/readings/1/cells")["cells"][0]
    version = rita.post("/api/readings/1/labels", {"cells": [found["id"]], "label": "monocyte"}, 1)["version"]
    box = {"field": found["field"], "x": 400, "y": 500, "width": 60, "height": 60, "label": "lymphocyte"}
    return found["id"], rita.post("/api/readings/1/cells", box, version)["cells"][0]["id"]


def test_an_added_cell_is_exported_with_its_crop_from_the_field(make_server: Any, tmp_path: Path) -> None:
    folder = results_of("white-cells", make_server, tmp_path / "results")
    server = make_server(results=folder)
    found, added = add_and_label(server)
    done = export_labels(server.database, tmp_path / "out" / "labels.csv", unsigned=True)
    assert (done.labels, done.left_out) == (2, {})
    table = read_manifest(tmp_path / "out" / "labels.csv").table
    assert list(table["label"]) == ["monocyte", "lymphocyte"]
    crops = tmp_path / "out" / "labels-crops"
    assert [Path(path).name for path in table["path"]] == [f"case-1-cell-{cell}.png" for cell in (found, added)]
    how = load_description(shipped_models()["white-cells"]).preprocessing
    assert how.microns_per_pixel is not None
    side = how.crop * how.microns_per_pixel / SCALE
    field = Image.open(folder / "fields" / "S1-f0.png")
    box = (430 - side / 2, 530 - side / 2, 430 + side / 2, 530 + side / 2)
    expected = np.asarray(field.resize((how.crop, how.crop), Image.Resampling.BILINEAR, box=box), dtype=float)
    crop = np.asarray(Image.open(crops / f"case-1-cell-{added}.png"), dtype=float)
    assert crop.shape == expected.shape
    assert np.abs(crop - expected).mean() < 0.1 * expected.std()
    again = export_labels(server.database, tmp_path / "out" / "labels.csv", unsigned=True)
    assert again.labels == 2


def test_what_cannot_be_cut_out_is_counted_with_its_reason(make_server: Any, tmp_path: Path) -> None:
    server = make_server(results=results_of("blast", make_server, tmp_path / "black"))
    add_and_label(server)
    done = export_labels(server.database, tmp_path / "black.csv", unsigned=True)
    assert done.labels == 1
    assert "needs an outline" in done.in_words()
    (tmp_path / "black" / "fields" / "S1-f0.png").unlink()
    with pytest.raises(LymphoscopeError, match="their field cannot be read"):
        export_labels(server.database, tmp_path / "black.csv", unsigned=True)


def test_without_the_model_a_cell_is_left_out(make_server: Any, tmp_path: Path) -> None:
    folder = results_of("white-cells", make_server, tmp_path / "strange")
    record = json.loads((folder / "smear.json").read_text())
    record["model"]["id"] = "of somebody else"
    (folder / "smear.json").write_text(json.dumps(record))
    server = make_server(results=folder)
    add_and_label(server)
    with pytest.raises(LymphoscopeError, match="their model, which says how to cut them out, is not here"):
        export_labels(server.database, tmp_path / "labels.csv", unsigned=True)
