"""The whole run: what a results folder has, cells on seams, and what happens after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import output_lock
from lymphoscope.inference import Model, columns_of
from lymphoscope.smear import RunOptions, SmearRecord, SmearResult, find_fields, load_detector, run_smear
from lymphoscope.smear.differential import Differential
from lymphoscope.smear.outputs import CELL_COLUMNS
from lymphoscope.synthetic import SmearSettings, TrueCell, draw_smear_field

Count = Callable[..., SmearResult]


def found_cells(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "cells.parquet")


def matched(cells: pd.DataFrame, truth: list[TrueCell]) -> list[int]:
    """How many found cells have their centre in the box of each true cell."""
    x, y = cells["x"] + cells["width"] / 2, cells["y"] + cells["height"] / 2
    return [
        int(((x > one.x) & (x < one.x + one.width) & (y > one.y) & (y < one.y + one.height)).sum()) for one in truth
    ]


def test_a_results_folder_is_complete(count: Count, model: Model, apart: tuple[Path, list[TrueCell]]) -> None:
    folder, truth = apart
    result = count(*sorted(folder.iterdir()))
    out = result.out
    cells = found_cells(out)
    assert len(cells) == len(truth) == 10
    assert set(cells.columns) == {*CELL_COLUMNS, *columns_of(model.description)}
    assert cells["cell_id"].is_unique
    record = SmearRecord.model_validate_json((out / "smear.json").read_text())
    assert [one.cells for one in record.fields] == [5, 5]
    assert record.model.id == model.description.model_id
    assert record.synthetic
    Differential.model_validate_json((out / "differential.json").read_text())
    assert len(json.loads((out / "cells.geojson").read_text())["features"]) == 10
    assert len(json.loads((out / "cells.coco.json").read_text())["annotations"]) == 10
    assert not (out / ".partial").exists()
    assert all((out / one.preview).is_file() for one in record.tiles if one.preview)


@pytest.mark.slow
def test_thumbnails_show_the_cells_of_their_rows(count: Count, apart: tuple[Path, list[TrueCell]]) -> None:
    folder, _ = apart
    out = count(*sorted(folder.iterdir())).out
    for row in found_cells(out).itertuples():
        with Image.open(out / row.sprite) as sheet:
            corner = (row.sprite_x, row.sprite_y)
            shown = np.asarray(sheet.crop((*corner, corner[0] + row.sprite_size, corner[1] + row.sprite_size)))
        middle = shown[38:58, 38:58].astype(int)
        assert (middle[:, :, 2] - middle[:, :, 1]).mean() > 30  # a nucleus is bluer than green


@pytest.mark.slow
def test_crops_are_the_cells_as_the_model_took_them(
    count: Count, model: Model, apart: tuple[Path, list[TrueCell]]
) -> None:
    out = count(*sorted(apart[0].iterdir()), crops=True).out
    cells = found_cells(out)
    assert len(list((out / "crops").iterdir())) == len(cells) == 10
    again = model.predict([str(out / path) for path in cells["path"]])
    np.testing.assert_allclose(again["score_all"], cells["score_all"])


@pytest.mark.slow
def test_every_cell_on_a_seam_is_counted_once(count: Count, tmp_path: Path) -> None:
    settings = SmearSettings(width=900, height=700, white_cells=0, touching_pairs=0, cut_cells=0, red_cells=True)
    core_x, core_y = (300, 600), (233, 467)  # where a core of 300 pixels cuts the field
    on_seams = [(x + d, y) for x, d, y in zip(core_x, (-1, 1), (120, 350), strict=True)]
    on_seams += [(x, y + d) for y, d, x in zip(core_y, (0, 1), (150, 450), strict=True)]
    on_seams += [(x, y) for x in core_x for y in core_y]
    field = draw_smear_field(settings, at=on_seams)
    Image.fromarray(field.pixels).save(tmp_path / "seams.png")
    result = count(tmp_path / "seams.png", core=300, whole=300)
    assert len(result.record.tiles) == 9
    cells = found_cells(result.out)
    assert matched(cells, list(field.cells)) == [1] * len(field.cells)
    assert len(cells) == len(field.cells)


def test_cells_that_the_edge_cuts_are_marked_and_not_counted(count: Count, tmp_path: Path) -> None:
    settings = SmearSettings(width=640, height=480, white_cells=3, touching_pairs=0, cut_cells=2)
    field = draw_smear_field(settings)
    Image.fromarray(field.pixels).save(tmp_path / "field.png")
    result = count(tmp_path / "field.png")
    cells = found_cells(result.out)
    cut = cells["marks"].fillna("").str.contains("cut_by_edge")
    whole = [one for one in field.cells if not one.cut_by_edge]
    assert matched(cells[~cut], whole) == [1, 1, 1]
    assert set(cells.loc[cut, "counted_as"]) <= {"not_classed"}
    assert result.differential.overall.white_cells == 3


@pytest.mark.slow
def test_the_walk_does_not_depend_on_the_tiles(count: Count, tmp_path: Path) -> None:
    settings = SmearSettings(width=900, height=700, white_cells=9, touching_pairs=0, cut_cells=0)
    Image.fromarray(draw_smear_field(settings).pixels).save(tmp_path / "field.png")
    orders = []
    for name, core in (("one", 2000), ("many", 300)):
        cells = found_cells(count(tmp_path / "field.png", core=core, whole=core, out=tmp_path / name).out)
        walked = cells.sort_values("order")
        orders.append(walked[["x", "y"]].to_numpy())
    assert len(orders[0]) == 9
    assert np.abs(orders[0] - orders[1]).max() < 12  # pixels: each tile has a threshold of its own


def test_a_target_stops_the_count_and_not_the_search(count: Count, apart: tuple[Path, list[TrueCell]]) -> None:
    result = count(*sorted(apart[0].iterdir()), target=4)
    cells = found_cells(result.out).sort_values("order")
    assert len(cells) == 10
    assert cells["in_target"].tolist() == [True] * 4 + [False] * 6
    assert result.differential.overall.white_cells == 4


def test_a_field_that_cannot_be_read_is_a_record_with_its_reason(
    count: Count, apart: tuple[Path, list[TrueCell]], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = count(tmp_path / "broken.png", *sorted(apart[0].iterdir()))
    assert [one.error is None for one in result.record.fields] == [False, True, True]
    assert result.failed == 1
    assert result.record.cells == 10


@pytest.mark.slow
def test_finished_results_and_other_folders_are_refused(
    count: Count, apart: tuple[Path, list[TrueCell]], tmp_path: Path
) -> None:
    fields = sorted(apart[0].iterdir())
    count(*fields)
    with pytest.raises(LymphoscopeError, match="--overwrite"):
        count(*fields)
    count(*fields, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").touch()
    with pytest.raises(LymphoscopeError, match="contains other files"):
        count(*fields, out=tmp_path / "mine")
    with output_lock(tmp_path / "busy"), pytest.raises(LymphoscopeError, match="another run"):
        count(*fields, out=tmp_path / "busy")


KILLED = """
import sys, time
from pathlib import Path
from lymphoscope.inference import load
from lymphoscope.smear import RunOptions, find_fields, load_detector, run_smear
from lymphoscope.smear import plan
plan.CHUNK_TILES = 1
folder, model, out, slow = sys.argv[1:]
if slow == "slow":
    from lymphoscope.smear.chunks import ChunkStore
    write = ChunkStore.write
    ChunkStore.write = lambda *a: (write(*a), time.sleep(0.5))
options = RunOptions(microns_per_pixel=0.14, core=256, whole=256, workers=1)
loaded, detector = load(model, runtime="torch", threads=1), load_detector("classical")
run_smear(loaded, detector, find_fields([folder]), Path(out), options)
"""


@pytest.mark.slow
def test_a_killed_run_continues_and_gives_the_same_bytes(
    apart: tuple[Path, list[TrueCell]], scaled_model: Path, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", KILLED, str(apart[0]), str(scaled_model)]
    killed = subprocess.Popen([*words, str(tmp_path / "killed"), "slow"])
    chunks = tmp_path / "killed/.partial"
    deadline = time.monotonic() + 400
    while len(list(chunks.glob("chunk-*.zip"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = {path.name: path.stat().st_mtime_ns for path in chunks.glob("chunk-*.zip")}
    assert 2 <= len(before) < 12
    again = subprocess.run([*words, str(tmp_path / "killed"), "fast"], check=True, capture_output=True, text=True)
    assert f"continuing after {len(before)} of 12 parts" in again.stderr
    subprocess.run([*words, str(tmp_path / "whole"), "fast"], check=True, capture_output=True)
    names = sorted(
        path.relative_to(tmp_path / "whole")
        for path in (tmp_path / "whole").rglob("*")
        if path.is_file() and path.name not in ("smear.json", "report.html")  # they hold the date
    )
    assert len(names) > 6
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.slow
def test_an_unfinished_run_of_other_options_starts_over(
    model: Model, apart: tuple[Path, list[TrueCell]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lymphoscope.smear import run

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    inputs, detector = find_fields([apart[0]]), load_detector("classical")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(run, "assemble_results", stop)
        run_smear(model, detector, inputs, tmp_path / "out", RunOptions(microns_per_pixel=0.14))
    result = run_smear(model, detector, inputs, tmp_path / "out", RunOptions(microns_per_pixel=0.15))
    assert {one.microns_per_pixel for one in result.record.fields} == {0.15}
