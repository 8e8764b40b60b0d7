"""Experiments on tiny cells: a request that trains in seconds, and one finished grid for tests that only read it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lymphoscope.experiments import Limits, Request, Result, reproduce

MakeRequest = Callable[..., Request]


@pytest.fixture(scope="session")
def make_request(tiny: tuple[str, ...], tiny_folder: Path) -> MakeRequest:
    """A request for an experiment on ten tiny subjects."""

    def request(
        name: str, out: Path, *only: str, model: Path | None = None, overrides: tuple[str, ...] = ()
    ) -> Request:
        keys = tuple(key for key in tiny if "epochs" not in key and "maps" not in key)
        limits = Limits(epochs=1, folds=2, overrides=(*keys, *overrides))
        return Request(name, f"folders:{tiny_folder}", out, limits, model, r"(S\d+)_", only)

    return request


@pytest.fixture(scope="session")
def ablated(make_request: MakeRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """A finished grid: one training in two folds, and its models tested in another way."""
    out = tmp_path_factory.mktemp("ablations")
    return reproduce(make_request("ablations", out, "paper", "mean"))


@pytest.fixture(scope="session")
def trained(ablated: tuple[Result, Path]) -> Path:
    """A model of that grid."""
    return ablated[1].parent / "runs" / "paper" / "fold_0" / "model"
