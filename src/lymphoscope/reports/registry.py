"""What a section of the report is, and the registry of all sections.

A module of `sections/` that assigns a `SectionDefinition` to SECTION is a section of the page. Nothing else has to know
of it: the page, its table of contents and its order are made from `report_sections()`.
"""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar

from matplotlib.figure import Figure

from lymphoscope.reports import sections
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.plotting import figure_uri

Contents = TypeVar("Contents")
"""What a page is made from: ReportContents for a report of an evaluation."""


@dataclass(frozen=True)
class PageFigure:
    """A figure as the page shows it: a data URI, a text for readers who cannot see it, and a caption."""

    uri: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A section ready to be rendered: its heading, the Jinja source of its body, and the values of the template.

    The macros of `templates/macros.html.j2` and the filter `number` are available in the template.
    """

    heading: str
    template: str
    values: Mapping[str, object]


@dataclass(frozen=True)
class SectionDefinition(Generic[Contents]):
    """An entry of the registry.

    `title` is the section's name in the table of contents, `anchor` its id on the page and `order` its position.
    `build` returns None if the report has nothing to show in this section; the section is then left out.
    """

    title: str
    anchor: str
    order: int
    build: Callable[[Contents], Section | None]


@cache
def report_sections() -> tuple[SectionDefinition[ReportContents], ...]:
    """Return every section of the report of an evaluation, in the order of the page."""
    return sections_of(sections)


def sections_of(package: ModuleType) -> tuple[SectionDefinition[Any], ...]:
    """Return the sections that the modules of a package define, in the order of the page."""
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    definitions = [import_module(f"{package.__name__}.{name}").SECTION for name in names]
    return tuple(sorted(definitions, key=lambda definition: int(definition.order)))


def page_figure(figure: Figure | None, *, alt: str, caption: str) -> PageFigure | None:
    """Render a figure for the page; None if there is no figure."""
    return None if figure is None else PageFigure(figure_uri(figure), alt, caption)
