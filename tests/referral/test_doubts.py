import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from lymphoscope.data.quality import ImageStatistics
from lymphoscope.model_file import Description
from lymphoscope.referral import SIGNALS, Colour, FeatureArrays, OodReference
from lymphoscope.referral.ood import colour_distance, ood_columns, ood_scores

DEFAULT_OPTIONS = ImageStatistics(sharpness=2.0, brightness=60.0, touching=0.0, red_green=0.8, blue_green=1.0)


@pytest.fixture
def known(description: Description, ood_reference: OodReference) -> Description:
    return description.model_copy(update={"ood_reference": ood_reference})


@pytest.mark.parametrize(
    ("change", "signal", "value"),
    [
        ({"sharpness": 1.0}, "blur", 1.0),
        ({"sharpness": 4.0}, "blur", -2.0),
        ({"touching": 0.1}, "cut_off", 2.0),
        ({"brightness": 50.0}, "exposure", 1.0),
        ({"brightness": 75.0}, "exposure", 1.0),
        ({"brightness": 90.0}, "exposure", 2.0),
        ({"red_green": 1.1}, "colour", 1.0),
    ],
)
def test_one_is_the_limit(known: Description, change: dict[str, float], signal: str, value: float) -> None:
    found = ood_scores(known, [DEFAULT_OPTIONS, DEFAULT_OPTIONS._replace(**change)], None)
    assert list(found) == list(SIGNALS)
    assert found[signal].tolist() == pytest.approx([0.0, value])


def test_novelty_needs_features_and_arrays(known: Description, ood_reference: OodReference) -> None:
    arrays = FeatureArrays(np.zeros(3, np.float32), np.eye(3, 2, dtype=np.float32))
    whole = known.model_copy(update={"ood_reference": ood_reference.model_copy(update={"arrays": arrays})})
    features = np.array([[3.0, 0.0, 99.0]], dtype=np.float32)  # the third direction is none of the axes
    assert ood_scores(whole, [DEFAULT_OPTIONS], features)["feature_distance"] == pytest.approx(
        3 / np.sqrt(2) / 1.5, abs=1e-4
    )
    assert np.isnan(ood_scores(whole, [DEFAULT_OPTIONS], None)["feature_distance"]).all()
    assert np.isnan(ood_scores(known, [DEFAULT_OPTIONS], features)["feature_distance"]).all()


def test_a_model_that_does_not_know_its_cells_has_no_doubts(description: Description, known: Description) -> None:
    assert ood_scores(description, [DEFAULT_OPTIONS], None) == {}
    assert ood_columns(description) == []
    assert ood_columns(known) == [f"ood_{signal}" for signal in SIGNALS]


def test_colour_is_as_far_as_scipy_says() -> None:
    precision = ((50.0, -20.0), (-20.0, 80.0))
    colour = Colour(centre=(0.8, 1.0), precision=precision, limit=1.0)
    ratios = np.random.default_rng(0).normal(1, 0.3, (20, 2))
    expected = [mahalanobis(each, colour.centre, np.array(precision)) for each in ratios]
    assert colour_distance(colour, ratios) == pytest.approx(expected)
