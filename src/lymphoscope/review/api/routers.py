"""The list of all routers of the API."""

from typing import Final

from fastapi import APIRouter

from lymphoscope.review.api import account, cases, exports, oidc_routes, people_routes, readings

ROUTERS: Final[tuple[APIRouter, ...]] = (
    account.router,
    people_routes.router,
    cases.router,
    readings.router,
    exports.router,
    oidc_routes.router,
)
