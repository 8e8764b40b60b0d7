"""Every module of `sections/` is a section of the page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lymphoscope.reports import sections
from lymphoscope.reports.registry import SectionDefinition, report_sections

Maker = Callable[..., Any]
BY_ANCHOR = pytest.mark.parametrize("definition", report_sections(), ids=lambda definition: definition.anchor)


def test_sections_are_in_order_with_unique_anchors() -> None:
    orders = [definition.order for definition in report_sections()]
    assert orders == sorted(set(orders))
    assert len({definition.anchor for definition in report_sections()}) == len(orders)


def test_every_module_of_the_folder_is_a_section() -> None:
    modules = [path for folder in sections.__path__ for path in Path(folder).glob("*.py") if path.stem != "__init__"]
    assert len(report_sections()) == len(modules)


def test_every_section_has_a_test() -> None:
    tests = {path.stem.removeprefix("test_") for path in (Path(__file__).parent / "sections").glob("test_*.py")}
    modules = {definition.build.__module__.rpartition(".")[2] for definition in report_sections()}
    assert modules <= tests


@BY_ANCHOR
def test_every_section_is_titled_and_builds(definition: SectionDefinition, predictions: Maker, contents: Maker) -> None:
    section = definition.build(contents(predictions()))
    assert definition.title
    assert section is None or section.heading
