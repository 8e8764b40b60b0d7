"""One tile: glass is told without the whole judgement, and agrees with it."""

import numpy as np
import pytest

from lymphoscope.smear import finding
from lymphoscope.synthetic import SmearSettings, draw_smear_field

BARE = SmearSettings(width=640, height=480, white_cells=0, touching_pairs=0, cut_cells=0, red_cells=False)


@pytest.mark.parametrize("level", [120, 200, 250])
def test_what_is_taken_for_glass_is_empty_by_the_whole_judgement_too(level: int) -> None:
    shade = np.linspace(1, 0.93, 640)[None, :, None] * np.full((480, 640, 3), level)
    noisy = shade + np.random.default_rng(0).normal(0, 2, shade.shape)
    pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    assert finding._judge(pixels, 0.2) == (("empty",), False)
    assert "empty" in finding.tile_quality(pixels, 0.2).flags


def test_a_field_with_cells_is_judged_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    judged, whole = [], finding.tile_quality
    monkeypatch.setattr(finding, "tile_quality", lambda *args: judged.append(args) or whole(*args))
    one_cell = BARE.model_copy(update={"white_cells": 1})
    for settings in (one_cell, BARE.model_copy(update={"red_cells": True})):
        finding._judge(draw_smear_field(settings).pixels, 0.14)
    assert len(judged) == 2


def test_a_black_tile_is_not_glass() -> None:
    flags, usable = finding._judge(np.zeros((480, 640, 3), dtype=np.uint8), 0.2)
    assert not usable
    assert "dark" in flags
