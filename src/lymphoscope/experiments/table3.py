"""Table 3's counts against the paper's digits: exact integers in seconds, without data."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lymphoscope.experiments.definition import load_definition
from lymphoscope.experiments.grid import check_names, recipe_of
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.result import Column, Number, Row

if TYPE_CHECKING:
    from lymphoscope.model_file import Architecture

PAPER_SIZE = 300
AGREEING_SIZE = 312
"""Pixels at which our multiply-adds come near the paper's."""
IMAGENET_CLASSES = 1000
_HALF_DIGIT = 0.005 + 1e-9

COUNT_COLUMNS = [
    Column(key="parameters_exact", title="parameters", digits=0),
    Column(key="parameters", title="parameters", unit="M", digits=4),
    Column(key="multiply_adds", title="multiply-adds, one pass at 300", unit="G", digits=3),
    Column(key="multiply_adds_three", title="of a prediction at 300", unit="G", digits=3),
    Column(key="multiply_adds_312", title="one pass at 312", unit="G", digits=3),
]


def sizes(architecture: "Architecture", classes: int, size: int = PAPER_SIZE) -> dict[str, int]:
    """Parameters, and multiply-adds of one pass and of a prediction at `size` pixels. Nothing is computed."""
    from lymphoscope.backbones import count_parameters, multiply_adds

    network = _on_meta(architecture, classes)
    one = multiply_adds(network, size)
    passes = 3 if architecture.head == "attention" else 1
    return {"parameters": count_parameters(network), "multiply_adds": one, "multiply_adds_three": passes * one}


def count_rows(only: tuple[str, ...] = ()) -> list[Row]:
    """A row a network of Table 3 with two classes: our integers, the paper's digits, and whether they agree.

    `only` names some of them. Raises LymphoscopeError for a name that is none.
    """
    definition = load_definition("table3")
    check_names("table3", definition, only)
    return [_row(name) for name in only or definition.runs]


def verdict(counted: int, printed: float, unused_head: int, classes: int = 2) -> str:
    """How an exact count stands to what the paper prints in millions, two decimals.

    `unused_head` is the backbone's channels: a linear head of `classes`, or of ImageNet's thousand, may have stayed in
    the paper's count.
    """
    own_head = unused_head * classes + classes
    imagenet_head = unused_head * IMAGENET_CLASSES + IMAGENET_CLASSES
    if _prints_as(counted, printed):
        return "agrees"
    if _prints_as(counted + own_head, printed):
        return f"agrees with the unused two-class head in the count ({own_head:,})"
    if _prints_as(counted + imagenet_head, printed):
        return f"agrees with an unused 1000-class head in the count ({imagenet_head:,}): arithmetic, not a finding"
    if abs(counted / 1e6 - printed) <= 0.01 + 1e-9:
        return (
            f"not to the last digit: {counted / 1e6:.2f} M is counted, {printed:.2f} M printed; "
            f"an unused two-class head ({own_head:,}) does not make it up ({(counted + own_head) / 1e6:.4f} M)"
        )
    return f"not reproduced: {counted / 1e6 - printed:+.2f} M"


def _prints_as(count: int, printed: float) -> bool:
    return abs(count / 1e6 - printed) <= _HALF_DIGIT


@cache
def _row(name: str) -> Row:
    from lymphoscope.backbones import count_parameters, multiply_adds

    definition = load_definition("table3")
    run = definition.runs[name]
    architecture = recipe_of(definition, run, Request("table3", None, Path())).architecture()
    network = _on_meta(architecture, 2)
    parameters, one = count_parameters(network), multiply_adds(network, PAPER_SIZE)
    passes = 3 if architecture.head == "attention" else 1
    ours = {
        "parameters_exact": float(parameters),
        "parameters": parameters / 1e6,
        "multiply_adds": one / 1e9,
        "multiply_adds_three": passes * one / 1e9,
        "multiply_adds_312": multiply_adds(network, AGREEING_SIZE) / 1e9,
    }
    return Row(
        name=run.title,
        ours={key: Number(value=value) for key, value in ours.items()},
        published={key: run.published[key] for key in ("parameters", "multiply_adds")},
        verdict=verdict(parameters, run.published["parameters"], network.backbone.channels),
    )


def _on_meta(architecture: "Architecture", classes: int) -> Any:
    import torch

    from lymphoscope.model_file import build_network

    with torch.device("meta"):
        return build_network(architecture, classes)
