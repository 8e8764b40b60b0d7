"""Synthetic smears: the truth that they come with is what was drawn."""

import csv
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from lymphoscope.cli.main import run
from lymphoscope.synthetic import SmearField, SmearSettings, TrueCell, draw_smear_field, synthesize_smear

SMALL = SmearSettings(fields=2, width=512, height=384, white_cells=4, touching_pairs=1, cut_cells=1)


@pytest.fixture(scope="module")
def field() -> SmearField:
    return draw_smear_field(SMALL)


def gap(one: TrueCell, other: TrueCell) -> float:
    """Pixels between the circles of two cells."""
    apart = float(np.hypot(*(a - b for a, b in zip(one.centre, other.centre, strict=True))))
    return apart - (one.width + one.height + other.width + other.height) / 4


def test_a_field_has_the_cells_that_were_asked_for(field: SmearField) -> None:
    assert field.pixels.shape == (384, 512, 3)
    assert len(field.cells) == 7
    assert sum(cell.touching for cell in field.cells) == 2
    assert sum(cell.cut_by_edge for cell in field.cells) == 1


def test_only_cells_of_a_pair_touch(field: SmearField) -> None:
    whole = [cell for cell in field.cells if not cell.cut_by_edge]
    for one, other in combinations(whole, 2):
        assert (gap(one, other) < 3) == (one.touching and other.touching)


def test_a_cut_cell_reaches_the_edge_and_no_other_does(field: SmearField) -> None:
    for cell in field.cells:
        at_edge = min(cell.x, cell.y) <= 0 or cell.x + cell.width >= 512 or cell.y + cell.height >= 384
        assert at_edge == cell.cut_by_edge


def test_a_cell_is_drawn_where_it_is_asked_for() -> None:
    settings = SMALL.model_copy(update={"white_cells": 0, "touching_pairs": 0, "cut_cells": 0})
    (cell,) = draw_smear_field(settings, at=[(256.0, 100.0)]).cells
    assert cell.centre == pytest.approx((256, 100), abs=6)


def test_nuclei_are_the_bluest_pixels_and_lie_in_the_boxes(field: SmearField) -> None:
    blue = field.pixels[:, :, 2].astype(int) - field.pixels[:, :, 1]
    inside = np.zeros(blue.shape, dtype=bool)
    for cell in field.cells:
        inside[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width] = True
    assert (blue > 60)[inside].mean() > 0.3
    assert (blue > 60)[~inside].mean() < 0.01


def test_empty_and_thick_parts_are_brighter_and_darker() -> None:
    settings = SMALL.model_copy(update={"white_cells": 0, "touching_pairs": 0, "cut_cells": 0})
    parts = draw_smear_field(settings.model_copy(update={"empty_share": 0.3, "thick_share": 0.3})).pixels
    thick, middle, empty = parts[:, :140].mean(), parts[:, 180:330].mean(), parts[:, 400:].mean()
    assert thick < middle - 10
    assert empty > middle + 5


def test_red_cells_have_the_diameter_that_was_asked_for() -> None:
    from scipy import ndimage

    bare = {"white_cells": 0, "touching_pairs": 0, "cut_cells": 0, "red_diameter": 9.0}
    pixels = draw_smear_field(SMALL.model_copy(update=bare)).pixels
    labels, _ = ndimage.label(ndimage.binary_fill_holes(pixels[:, :, 1] < 205))
    sides = [
        part[0].stop - part[0].start
        for part in ndimage.find_objects(labels)
        if min(part[0].start, part[1].start) > 0 and part[0].stop < 384 and part[1].stop < 512
    ]
    assert np.median(sides) * SMALL.microns_per_pixel == pytest.approx(9.0, rel=0.1)


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        synthesize_smear(tmp_path / name, SMALL)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 4
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)
    with (tmp_path / "one/truth.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 14


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="red_diameter"):
        SmearSettings(red_diameter=40)


def test_the_command_writes_a_smear_beside_the_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--subjects", "2", "--cells-per-subject", "1", "--fields", "0", "--no-faults", "--size", "64"]
    assert run(["data", "synthesize", str(tmp_path / "set"), *words, "--smear", "1"]) == 0
    assert "1 field of a synthetic smear with 11 white cells" in capsys.readouterr().out
    assert (tmp_path / "set/smear/fields/field-0001.png").is_file()


def test_smudges_clumps_and_deposits_are_listed_apart_and_leave_the_rest_of_the_field_as_it_was() -> None:
    settings = SMALL.model_copy(update={"width": 800, "height": 600, "red_cells": False})
    plain = draw_smear_field(settings)
    added = draw_smear_field(settings.model_copy(update={"smudges": 1, "platelet_clumps": 2, "stain_deposits": 1}))
    assert sorted(one.class_name for one in added.artefacts) == [
        "platelet_clump", "platelet_clump", "smudge", "stain_deposit"
    ]  # fmt: skip
    assert plain.cells == added.cells
    assert not plain.artefacts
    darkest = {one.class_name: box_of(added, one).min() for one in added.artefacts}
    assert darkest["stain_deposit"] < 60 < darkest["smudge"]


def box_of(field: SmearField, one: TrueCell) -> "np.ndarray":  # type: ignore[type-arg]
    return field.pixels[one.y : one.y + one.height, one.x : one.x + one.width]
