import numpy as np

from lymphoscope.smear.detection.colour import colour_support, darkness_support
from lymphoscope.smear.detection.working_scale import of_light
from lymphoscope.smear.illumination import EvenField


def test_a_nucleus_has_support_and_a_red_cell_has_none() -> None:
    light = np.ones((100, 200, 3), np.float32)
    light[20:60, 20:60] = 0.4, 0.2, 0.7  # a nucleus: bluer than green
    for left in (80, 130):
        light[20:60, left : left + 40] = 0.9, 0.6, 0.6  # red cells
    field = of_light(EvenField(light, np.ones((100, 200), np.bool_)), 0.3)
    boxes = np.array([[20, 20, 60, 60], [80, 20, 120, 60], [130, 20, 170, 60]], np.float32)
    support = colour_support(field, boxes)
    assert support[0] == 1
    assert support[1:].tolist() == [0, 0]


def purple_field(nuclei: int, red_cells: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Cells in a row whose colours have the same hue, nuclei first: light and boxes."""
    count = nuclei + red_cells
    light = np.ones((80, 50 * count, 3), np.float32)
    light += np.random.default_rng(0).normal(0, 0.01, light.shape).astype(np.float32)
    boxes = np.array([[50 * k + 5, 20, 50 * k + 45, 60] for k in range(count)], np.float32)
    for number, (x0, y0, x1, y1) in enumerate(boxes.astype(int)):
        light[y0:y1, x0:x1] *= (0.35, 0.2, 0.5) if number < nuclei else (0.7, 0.5, 0.75)
    return light, boxes


def test_purple_red_cells_lose_score_because_they_are_as_dark_as_most_of_the_field() -> None:
    light, boxes = purple_field(1, 14)
    support = darkness_support(of_light(EvenField(light, np.ones(light.shape[:2], np.bool_)), 0.3), boxes)
    assert support[0] == 1
    assert (support[1:] < 0.6).all()


def test_a_field_of_blasts_alone_keeps_a_part_of_every_score() -> None:
    light, boxes = purple_field(6, 1)
    support = darkness_support(of_light(EvenField(light, np.ones(light.shape[:2], np.bool_)), 0.3), boxes)
    assert (support >= 0.4).all()
    empty = of_light(EvenField(np.ones((50, 50, 3), np.float32), np.ones((50, 50), np.bool_)), 0.3)
    assert darkness_support(empty, boxes[:1]).tolist() == [1]
