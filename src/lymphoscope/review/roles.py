"""Roles of people and what each may do."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Permission(StrEnum):
    """What a route needs. PUBLIC needs no login, PERSON needs one of any role."""

    PUBLIC = "public"
    PERSON = "person"
    VIEW = "view"
    COMMENT = "comment"
    LABEL = "label"
    EXPORT = "export"
    SIGN = "sign"
    AMEND = "amend"
    ADJUDICATE = "adjudicate"
    IMPORT = "import"
    PEOPLE = "people"
    AUDIT = "audit"


_READER: Final = frozenset({Permission.VIEW, Permission.COMMENT, Permission.LABEL, Permission.EXPORT})
_SENIOR: Final = _READER | {Permission.SIGN, Permission.AMEND, Permission.ADJUDICATE, Permission.IMPORT}
_ADMINISTRATOR: Final = frozenset(
    {Permission.VIEW, Permission.PEOPLE, Permission.IMPORT, Permission.AUDIT, Permission.EXPORT}
)

ROLES: Final[Mapping[str, frozenset[Permission]]] = MappingProxyType(
    {"reader": _READER, "senior_reader": _SENIOR, "administrator": _ADMINISTRATOR}
)
"""Role -> permissions. A person may have several roles."""


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """Return what people with these roles may do."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))
