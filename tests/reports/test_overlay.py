import numpy as np

from lymphoscope.reports import attention_overlay


def test_the_cell_shows_where_nothing_was_attended_and_yellow_where_most_was() -> None:
    cell = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    attention = np.zeros((16, 16), dtype=np.float32)
    attention[4:8, 4:8] = 1
    shown = attention_overlay(cell, attention)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[attention == 0], cell[attention == 0])
    red, green, blue = shown[5, 5].astype(int) - np.rint(0.35 * cell[5, 5]).astype(int)
    assert min(red, green) > 120
    assert blue < 60


def test_a_map_out_of_bounds_or_nan_is_held_within() -> None:
    cell = np.full((4, 4, 3), 100, dtype=np.uint8)
    attention = np.array([[np.nan, -1, 0, 2]] * 4, dtype=np.float32)
    shown = attention_overlay(cell, attention)
    np.testing.assert_array_equal(shown[:, :3], cell[:, :3])
    np.testing.assert_array_equal(shown[:, 3], attention_overlay(cell, np.ones((4, 4), dtype=np.float32))[:, 3])
