"""The report of one evaluation: a single HTML page that loads nothing."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lymphoscope.files import write_text
from lymphoscope.reports.banners import page_banners
from lymphoscope.reports.contents import ReportContents
from lymphoscope.reports.formatting import number
from lymphoscope.reports.registry import Section, report_sections

_MACROS = '{% from "macros.html.j2" import figure, facts, measured, notes, plural, region, sortable %}\n'


@dataclass(frozen=True)
class _RenderedSection:
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
    built = [(definition, definition.build(contents)) for definition in report_sections()]
    sections = [
        _RenderedSection(definition.title, definition.anchor, section.heading, _body(environment, section))
        for definition, section in built
        if section is not None
    ]
    return environment.get_template("report.html.j2").render(
        title=contents.title,
        synthetic=contents.data.synthetic,
        banners=page_banners(contents),
        sections=sections,
        script=sorting_script(),
    )


def page_environment(package: str) -> Environment:
    """The Jinja environment of a package's templates: text from data is escaped, and an undefined name is an error."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment


@cache
def sorting_script() -> dict[str, str]:
    """The only script of a page, which sorts its tables, and the hash by which the page allows it and no other."""
    text = (resources.files("lymphoscope.reports") / "templates" / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": text, "hash": f"sha256-{digest}"}


def _body(environment: Environment, section: Section) -> Markup:
    template = environment.from_string(_MACROS + section.template)
    return Markup(template.render(section.values))  # noqa: S704 - the template escapes what comes from data
