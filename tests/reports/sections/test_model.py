from collections.abc import Callable
from typing import Any

from lymphoscope.model_file import Architecture, TestTime
from lymphoscope.reports.sections import model

Maker = Callable[..., Any]


def test_facts_describe_the_model(predictions: Maker, contents: Maker) -> None:
    shown = contents(predictions())
    description = shown.description
    rows = dict(model.model_facts(shown, description))
    assert rows["Backbone"] == "test_resnet"
    assert rows["Head"] == "attention, 4 maps"
    assert rows["Parameters"] == "1,234,567"
    assert rows["Classes"] == "all (lymphoblast), hem (normal)"
    assert rows["Input"] == "the central 300 x 300 pixels of the image, at 300 x 300 pixels, RGB"
    assert "erase where" in rows["Attention at test time"]
    assert "100 %" in rows["A cell is referred if"]
    without = description.model_copy(update={"test_time": TestTime(streams=("raw", "crop"), decision="mean")})
    assert "erase where" not in dict(model.model_facts(shown, without))["Attention at test time"]
    linear = description.model_copy(update={"architecture": Architecture(backbone="resnet18", head="linear")})
    assert "Attention at test time" not in dict(model.model_facts(shown, linear))
    assert dict(model.model_facts(shown, linear))["Streams at test time"] == "raw"


def test_nested_values_become_yaml_in_their_own_order() -> None:
    assert model.as_yaml({"b": {"z": 1, "a": "\u00fc"}, "a": None}) == "b:\n  z: 1\n  a: \u00fc\na: null\n"
