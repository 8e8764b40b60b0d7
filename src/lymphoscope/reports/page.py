"""The report of one evaluation: a single HTML page that loads nothing."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from lymphoscope.files import write_text
from lymphoscope.reports.banners import page_banners
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import number
from lymphoscope.reports.registry import Contents, Section, SectionDefinition, report_sections

_MACROS = '{% from "macros.html.j2" import figure, facts, measured, notes, plural, region, sortable %}\n'


@dataclass(frozen=True)
class RenderedSection:
    """A section as the page's template takes it."""

    title: str
    anchor: str
    heading: str
    body: Markup


def write_report(path: Path, contents: ReportContents) -> None:
    """Write the page atomically. It refers to nothing outside itself."""
    write_text(path, render_report(contents))


def render_report(contents: ReportContents) -> str:
    """Return the page as text; all text that comes from data is escaped."""
    environment = page_environment("lymphoscope.reports")
    return environment.get_template("report.html.j2").render(
        title=contents.title,
        synthetic=contents.data.synthetic,
        banners=page_banners(contents),
        sections=rendered_sections(environment, report_sections(), contents),
        script=sorting_script(),
    )


def rendered_sections(
    environment: Environment, definitions: Iterable[SectionDefinition[Contents]], contents: Contents
) -> list[RenderedSection]:
    """Render the sections that have something to show."""
    built = [(definition, definition.build(contents)) for definition in definitions]
    return [
        RenderedSection(definition.title, definition.anchor, section.heading, _body(environment, section))
        for definition, section in built
        if section is not None
    ]


@cache
def page_environment(*packages: str) -> Environment:
    """The Jinja environment of the templates of packages: text from data is escaped, an undefined name is an error.

    The same one for each page, so that a process that writes many pages compiles each template once.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment


@cache
def sorting_script() -> dict[str, str]:
    """The script of a page that sorts its tables, and the hash by which the page allows it."""
    return page_script("lymphoscope.reports", "sort.js")


def page_script(package: str, name: str) -> dict[str, str]:
    """A script of a package's templates, and the hash by which a page allows it and no other."""
    text = (resources.files(package) / "templates" / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": text, "hash": f"sha256-{digest}"}


def _body(environment: Environment, section: Section) -> Markup:
    template = _section_template(environment, section.template)
    return Markup(template.render(section.values))  # noqa: S704 - the template escapes what comes from data


@cache
def _section_template(environment: Environment, source: str) -> Template:
    return environment.from_string(_MACROS + source)
