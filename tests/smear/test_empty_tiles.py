"""Cells beside empty tiles: nothing is lost because glass is told without the detector."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from lymphoscope.smear import FieldInput, finding, load_detector
from lymphoscope.smear.finding import FoundTile, OpenSlides, find_in_tile
from lymphoscope.smear.plan import Plan, plan_run
from lymphoscope.smear.quality import tile_quality
from lymphoscope.synthetic import SmearSettings, draw_smear_field

SCALE, SIDE, CORE = 0.25, 1200, 400
GLASS = SmearSettings(
    width=SIDE, height=SIDE, microns_per_pixel=SCALE, white_cells=0, touching_pairs=0, cut_cells=0, red_cells=False
)


def found_tiles(plan: Plan) -> list[FoundTile]:
    detector = load_detector("classical")
    with OpenSlides() as slides:
        return [find_in_tile(tile, plan.fields, detector, slides) for chunk in plan.chunks for tile in chunk]


def judged_as_a_whole(pixels: finding.Pixels, scale: float) -> tuple[tuple[str, ...], bool]:
    quality = tile_quality(pixels, scale)
    return quality.flags, quality.usable


@given(
    st.integers(0, 1000),
    st.sampled_from([(CORE, 200), (CORE - 8, 600), (CORE + 30, CORE - 30), (2 * CORE, 2 * CORE), (40, 1150)]),
)
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.slow
def test_the_cells_are_the_same_with_and_without_the_look_for_glass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, place: tuple[int, int]
) -> None:
    drawn = draw_smear_field(GLASS.model_copy(update={"seed": seed}), at=[place])
    path = tmp_path / "slide.png"
    Image.fromarray(drawn.pixels).save(path)
    plan = plan_run([FieldInput(path)], microns_per_pixel=SCALE, core=CORE, whole=CORE)
    quick = found_tiles(plan)
    with monkeypatch.context() as patched:
        patched.setattr(finding, "_judge", judged_as_a_whole)
        whole = found_tiles(plan)
    assert len(quick) == len(whole) == 9
    for one, other in zip(quick, whole, strict=True):
        np.testing.assert_array_equal(one.cells.boxes, other.cells.boxes)
        assert one.record == other.record
    assert sum("empty" in one.record.flags for one in quick) >= 5
    x, y = drawn.cells[0].centre
    boxes = np.concatenate([one.cells.boxes for one in quick])
    assert ((np.abs(boxes[:, :2] + boxes[:, 2:] / 2 - [x, y]) < 2 / SCALE).all(axis=1)).any()


def test_a_tile_with_a_single_cell_is_searched() -> None:
    drawn = draw_smear_field(GLASS, at=[(600, 600)])
    assert finding._judge(drawn.pixels, SCALE) == (("thin",), True)


def test_dust_and_noise_are_no_cells() -> None:
    pixels = draw_smear_field(GLASS).pixels.copy()
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, SIDE, (2, 2000))
    pixels[rows, columns] = 60
    assert finding._judge(pixels, SCALE) == (("empty",), False)
    assert "empty" in tile_quality(pixels, SCALE).flags
