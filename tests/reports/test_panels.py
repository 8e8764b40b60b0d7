import dataclasses
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.reports import explanation_panel, panel_names

Maker = Callable[..., Any]


def colours(panel: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(panel)).convert("RGB"))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [("all", "hem"), tuple("abcdefgh")])
def test_panel_is_a_png_with_the_crop_box(predictions: Maker, explanation: Maker, classes: tuple[str, ...]) -> None:
    row = predictions(classes).iloc[0].to_dict()
    panel = explanation_panel(explanation(row))
    assert panel.startswith(b"\x89PNG")
    pixels = colours(panel)
    assert pixels.shape[1] > 2 * pixels.shape[0] > 800
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 1000
    assert (pixels == (0xD5, 0x5E, 0x00)).all(axis=-1).sum() > 100  # the box


@pytest.mark.slow
def test_panel_depends_on_box_images_referral_and_streams(predictions: Maker, explanation: Maker) -> None:
    row = predictions().iloc[0].to_dict()
    cell = explanation(row)
    other = [
        dataclasses.replace(cell, streams=dataclasses.replace(cell.streams, box=(0, 0, 10, 10))),
        dataclasses.replace(cell, streams=dataclasses.replace(cell.streams, erase=cell.streams.raw)),
        dataclasses.replace(cell, row={**row, "refer": True, "refer_reason": "streams disagree"}),
        dataclasses.replace(cell, row={**row, "erase_vote": None}),
    ]
    panels = {explanation_panel(one) for one in (cell, cell, *other)}
    assert len(panels) == 1 + len(other)


def test_long_referral_reasons_do_not_shrink_the_images(predictions: Maker, explanation: Maker) -> None:
    row = predictions().iloc[0].to_dict()
    reasons = (
        "streams disagree",
        "too few calibration subjects; unlike the training cells; unusual colour; " * 3,
    )
    short, long = (
        colours(explanation_panel(explanation({**row, "refer": True, "refer_reason": reason}))) for reason in reasons
    )
    pictures = slice(0, int(0.7 * len(short)))
    assert np.array_equal(short[pictures], long[pictures])
    assert not np.array_equal(short, long)


def test_panel_of_an_unreadable_cell_is_an_error(explanation: Maker) -> None:
    failed = dataclasses.replace(explanation({"path": "a.png", "error": "not an image"}), streams=None)
    with pytest.raises(LymphoscopeError, match=r"a\.png: no image to explain, not an image"):
        explanation_panel(failed)


@given(st.lists(st.sampled_from(["a/x.png", "b/x.png", "b/X.bmp", "x-2.png", "x-3", "y.png", "y" * 99, "y" * 98])))
def test_panel_names_are_unique_even_without_case(paths: list[str]) -> None:
    names = panel_names(paths)
    assert len({name.casefold() for name in names}) == len(paths)
    assert all(name.endswith(".png") and len(name) < 80 for name in names)


def test_a_panel_has_the_name_of_its_cell_if_it_is_free() -> None:
    assert panel_names(["a/cell.bmp", "b/cell.png", "c.png"]) == ["cell.png", "cell-2.png", "c.png"]
