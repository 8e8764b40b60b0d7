import dataclasses
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.reports import explanation_panel

Maker = Callable[..., Any]


def colours(panel: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(panel)).convert("RGB"))


@pytest.mark.parametrize("classes", [("all", "hem"), tuple("abcdefgh")])
def test_a_panel_is_a_picture_of_a_cell(predictions: Maker, explanation: Maker, classes: tuple[str, ...]) -> None:
    row = predictions(classes).iloc[0].to_dict()
    panel = explanation_panel(explanation(row))
    assert panel.startswith(b"\x89PNG")
    pixels = colours(panel)
    assert pixels.shape[1] > 2 * pixels.shape[0] > 800
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 1000
    assert (pixels == (0xD5, 0x5E, 0x00)).all(axis=-1).sum() > 100  # the box


def test_the_panel_changes_with_the_box_the_pictures_and_the_answer(predictions: Maker, explanation: Maker) -> None:
    row = predictions().iloc[0].to_dict()
    seen = explanation(row)
    other = [
        dataclasses.replace(seen, pictures=dataclasses.replace(seen.pictures, box=(0, 0, 10, 10))),
        dataclasses.replace(seen, pictures=dataclasses.replace(seen.pictures, erase=seen.pictures.raw)),
        dataclasses.replace(seen, row={**row, "refer": True, "refer_reason": "streams disagree"}),
        dataclasses.replace(seen, row={**row, "erase_vote": None}),
    ]
    panels = {explanation_panel(one) for one in (seen, seen, *other)}
    assert len(panels) == 1 + len(other)


def test_long_reasons_do_not_take_the_pictures_room(predictions: Maker, explanation: Maker) -> None:
    row = predictions().iloc[0].to_dict()
    reasons = (
        "streams disagree",
        "too few inner subjects to sign off; unlike the training cells; colour never seen; " * 3,
    )
    short, long = (
        colours(explanation_panel(explanation({**row, "refer": True, "refer_reason": reason}))) for reason in reasons
    )
    pictures = slice(0, int(0.7 * len(short)))
    assert np.array_equal(short[pictures], long[pictures])
    assert not np.array_equal(short, long)


def test_a_cell_that_cannot_be_read_has_no_panel(explanation: Maker) -> None:
    failed = dataclasses.replace(explanation({"path": "a.png", "error": "not an image"}), pictures=None)
    with pytest.raises(LymphoscopeError, match=r"a\.png: no picture to explain, not an image"):
        explanation_panel(failed)
