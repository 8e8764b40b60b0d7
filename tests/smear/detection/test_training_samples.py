import inspect

import numpy as np
import pytest

from lymphoscope.smear.detection.training_samples import SCALES, CutOut, TrainingField, draw_sample


@pytest.fixture
def field() -> TrainingField:
    """A field of glass with one box in its middle, 40 pixels wide."""
    return TrainingField.of(np.ones((192, 192, 3), np.float32), np.array([[76, 76, 116, 116]], np.float32), 0.3)


@pytest.mark.parametrize("factor", [0.2, 1.0])
def test_a_field_and_the_cells_pasted_into_it_are_resized_alike(field: TrainingField, factor: float) -> None:
    yy, xx = np.mgrid[:64, :64] - 31.5
    disc = ((np.hypot(yy, xx) < 28)[:, :, None] * np.array([120, 60, 150])).astype(np.uint8)
    cut_out = CutOut.of(disc)
    assert cut_out is not None
    rng = np.random.default_rng(0)
    boxes = np.concatenate([draw_sample(field, [cut_out], rng, (factor, factor))[1] for _ in range(40)])
    sides = boxes[:, 2:] - boxes[:, :2]
    assert np.median(sides) == pytest.approx(40 * factor, abs=4 * factor + 0.5)
    assert sides.max() < 100 * factor


def test_samples_are_those_of_the_stated_range_of_scales(field: TrainingField) -> None:
    stated = draw_sample(field, [], np.random.default_rng(3), SCALES)
    usual = draw_sample(field, [], np.random.default_rng(3))
    wider = draw_sample(field, [], np.random.default_rng(3), (0.2, 1.0))
    np.testing.assert_array_equal(usual[0], stated[0])
    assert wider[1].shape != usual[1].shape or (wider[1] != usual[1]).any()


def test_the_command_trains_with_the_usual_range_of_scales() -> None:
    from lymphoscope.cli.smear_train import train_detector_command

    assert inspect.signature(train_detector_command).parameters["scale"].default == SCALES
