"""A grid of heads on a frozen backbone: every seed and fold predicted, test-time runs decided again, and resumed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import read_predictions
from lymphoscope.experiments import Limits, Request, reproduce

MakeRequest = Callable[..., Request]
ROWS = ("attention", "wt_dfn", "mean", "raw", "mix_up")


@pytest.fixture(scope="module")
def request_for(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Request:
    keys = (
        "data.size=32",
        "data.crop_mode=resize",
        "model.maps=4",
        "optimisation.batch_size=8",
        "hardware.accelerator=cpu",
    )
    limits = Limits(epochs=2, folds=2, overrides=keys)
    out = tmp_path_factory.mktemp("claim")
    return Request("claim", f"folders:{tiny_folder}", out, limits, None, r"(S\d+)_", ROWS, seeds=2)


@pytest.mark.slow
def test_a_frozen_grid_compares_methods_over_seeds(request_for: Request) -> None:
    result, page = reproduce(request_for)
    assert [row.verdict for row in result.rows] == ["2 seeds"] * len(ROWS)
    for row in result.rows:
        assert row.ours["auc"].spread is not None
    against = {(test.row, test.column) for test in result.comparisons}
    assert len(against) == len(result.comparisons) == 3 * (len(ROWS) - 1)
    assert all(test.against.startswith("WT-DFN") and "2 seeds" in test.test for test in result.comparisons)
    assert all(
        test.p_adjusted is not None and test.p is not None and test.p_adjusted >= test.p for test in result.comparisons
    )
    assert {state.state for state in result.runs} == {"done"}
    assert "2 of 10 seeds" in " ".join(result.limited)
    assert page.is_file()

    runs = request_for.out / "runs"
    first, second = (read_predictions(runs / "wt_dfn" / part / "predictions.parquet") for part in ("", "seed_1"))
    assert len(first) == len(second) == 60
    assert not np.allclose(first["score_all"], second["score_all"])
    raw = read_predictions(runs / "raw" / "predictions.parquet")
    np.testing.assert_allclose(raw["score_all"], first["raw_all"], atol=1e-6)
    mean = read_predictions(runs / "mean" / "predictions.parquet")
    expected = np.where(first["score_all"] > first["score_hem"], "all", "hem")
    assert (mean["predicted"].to_numpy() == expected).mean() == 1.0

    written = (runs / "attention" / "predictions.parquet").stat().st_mtime_ns
    more, _ = reproduce(replace(request_for, seeds=3, only=("attention",)))
    assert more.rows[0].verdict == "3 seeds"
    assert (runs / "attention" / "predictions.parquet").stat().st_mtime_ns == written


def test_a_backbone_that_is_not_frozen_is_refused(request_for: Request, tmp_path: Path) -> None:
    limits = replace(request_for.limits, overrides=(*request_for.limits.overrides, "model.freeze=false"))
    with pytest.raises(LymphoscopeError, match="only heads are trained here"):
        reproduce(replace(request_for, limits=limits, out=tmp_path, only=("attention",)))
