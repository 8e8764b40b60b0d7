"""Pages from templates: text from data is escaped, and an undefined name is an error."""

from datetime import datetime
from functools import cache
from typing import Any, Final

from fastapi import Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from lymphoscope.review.people import Person
from lymphoscope.review.roles import Permission

_WORDS: Final = {
    "imported": "imported",
    "in_review": "in review",
    "signed": "signed",
    "amended": "amended",
    "senior_reader": "senior reader",
    "superseded": "superseded by an amendment",
}


@cache
def environment() -> Environment:
    """Return the Jinja environment of the review's templates."""
    made = Environment(
        loader=PackageLoader("lymphoscope.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(words=words, time=in_minutes, percent=percent)
    return made


def page(template: str, person: Person | None, here: str, **values: Any) -> Response:
    """Return a page as an answer; `here` is the address of its entry in the menu."""
    values = {"person": person, "here": here, "links": _links(person), "synthetic": False, **values}
    return Response(environment().get_template(template).render(values), media_type="text/html; charset=utf-8")


def words(name: str) -> str:
    """Return a code of the application in words."""
    return _WORDS.get(name, name.replace("_", " "))


def in_minutes(moment: str) -> str:
    """Return a UTC time of the database, to the minute."""
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M UTC")


def percent(value: float | None) -> str:
    """Return a percentage with one digit; a dash where there is none."""
    return "\u2013" if value is None else f"{value:.1f}"


def _links(person: Person | None) -> list[dict[str, str]]:
    if person is None:
        return []
    links = [{"href": "/", "title": "Cases"}]
    if Permission.PEOPLE in person.permissions:
        links.append({"href": "/users", "title": "People"})
    if Permission.AUDIT in person.permissions:
        links.append({"href": "/audit", "title": "Audit"})
    return links
