"""A 95 % interval holds the true value in about 95 % of studies, for unequal and exceptional subjects too."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_PATH = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_benchmark", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


simulation = _load()
COEFFICIENTS = {name: each for name, each in simulation.ALL.items() if each.scale == "coefficient"}
SCORES = {name: each for name, each in simulation.ALL.items() if name not in COEFFICIENTS}


@pytest.mark.slow
@pytest.mark.parametrize("world", simulation.WORLDS)
@pytest.mark.parametrize("layout", simulation.LAYOUTS)
def test_intervals_cover_at_least_92_percent(layout: str, world: str) -> None:
    """Within the error of 100 studies: 92 % less 2.5 standard errors; where subjects differ much more, 85 %."""
    shares = simulation.coverage(simulation.LAYOUTS[layout], simulation.WORLDS[world], studies=100, metrics=SCORES)
    least = 0.85 if world == "subjects differ more" else 0.92
    assert {name: share for name, share in shares.items() if share is None or share < least - 2.5 * 0.0271} == {}


@pytest.mark.slow
def test_intervals_of_equal_subjects_are_not_too_wide() -> None:
    layout, world = simulation.LAYOUTS["30+30 equal"], simulation.WORLDS["normal"]
    shares = simulation.coverage(layout, world, studies=300, metrics=SCORES)
    assert all(share is not None and share <= 0.99 for share in shares.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "world"),
    [("30+30 equal", "3 % odd"), ("5+5 equal", "normal"), ("12+9, one of both", "large are harder")],
)
def test_intervals_of_calibration_coefficients_hold_because_of_the_room_for_odd_subjects(
    layout: str, world: str
) -> None:
    """92 % less 2.5 standard errors of 100 studies; what is above 99 % would not be without the room."""
    row = simulation.measure(simulation.LAYOUTS[layout], simulation.WORLDS[world], COEFFICIENTS, studies=100, seed=11)
    assert {name: share for name, share in row.yes.items() if share is None or share < 0.92 - 2.5 * 0.0271} == {}
    assert {name for name, share in row.yes.items() if share > 0.995} <= set(row.exact)
    if world == "3 % odd":
        odd = simulation.LAYOUTS[layout], simulation.WORLDS[world]
        without = simulation.holds(*odd, 100, metrics=COEFFICIENTS, seed_of_studies=11, room=False)
        assert sum(without["calibration_slope"]) < 92


@pytest.mark.slow
@pytest.mark.parametrize("world", ["normal", "3 % odd", "5 % odd", "large are harder"])
@pytest.mark.parametrize(
    "layout",
    ["21+13, three hold 84 %", "13+15 log-normal", "20+16, twelve of both", "20+100 log-normal", "60+60 equal"],
)
def test_intervals_of_curves_cover_at_least_92_percent(layout: str, world: str) -> None:
    """92 % less 2.5 standard errors of 100 studies: the ROC band, and the AUC and net benefit of subjects.

    Nothing is refused but the band below the rate at which it begins, and the whole band of one study in 100, in which
    a subject has too many of the cells.
    """
    subjects = simulation.LAYOUTS_OF_CURVES[layout]
    row = simulation.measure_curves(subjects, simulation.WORLDS[world], {}, studies=100, seed=31)
    refused = {f"ROC at {rate}" for rate in simulation._RATES if rate < 1 - 0.05 ** (1 / subjects.negatives)}
    assert {name for name, share in row.yes.items() if share is None} == refused
    assert {name: share for name, share in row.yes.items() if (share or 1) < 0.92 - 2.5 * 0.0271} == {}
    bands = sum(name.startswith("ROC") and name not in refused for name in row.yes)
    assert 0 <= row.refused * len(row.yes) - len(refused) <= bands / 100 + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("world", ["normal", "5 % odd"])
@pytest.mark.parametrize("layout", ["21+13, three hold 84 %", "5+5 equal"])
def test_every_test_rejects_equal_models_at_its_level(layout: str, world: str) -> None:
    """At most 1 in 16, the level of five subjects, within three standard errors of the studies that have the test."""
    answers = simulation.rejections(simulation.LAYOUTS[layout], simulation.WORLDS[world], studies=200, metrics=SCORES)
    tested = {name: [answer for answer in each if answer is not None] for name, each in answers.items()}
    level = 1 / 16
    most = {name: level + 3 * (level * (1 - level) / max(1, len(each))) ** 0.5 for name, each in tested.items()}
    assert {name: sum(each) for name, each in tested.items() if sum(each) > most[name] * len(each)} == {}
