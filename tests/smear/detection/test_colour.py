import numpy as np

from lymphoscope.smear.detection.colour import colour_support
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
