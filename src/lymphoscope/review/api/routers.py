"""The list of all routers of the API."""

from typing import Final

from fastapi import APIRouter

from lymphoscope.review.api import account, people_routes

ROUTERS: Final[tuple[APIRouter, ...]] = (account.router, people_routes.router)
