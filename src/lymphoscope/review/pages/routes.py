"""All routes of pages and images, and what they share: the application mounts this module."""

from pathlib import Path

from fastapi import APIRouter, FastAPI

from lymphoscope.privacy import cache_path
from lymphoscope.review.access import ReviewContext
from lymphoscope.review.pages import case_pages, images, people_pages, references, report_pages

router = APIRouter()
for one in (people_pages, case_pages, report_pages, references, images):
    router.include_router(one.router)


def mount(app: FastAPI) -> None:
    """Give an application what the image routes share."""
    context: ReviewContext = app.state.review
    app.state.pictures = images.Pictures(context, thumbnail_cache(context))


def thumbnail_cache(context: ReviewContext) -> Path:
    """Return the folder of the cut thumbnails: beside an SQLite database, else in the user's cache folder."""
    if context.database.is_sqlite and context.database.url.database:
        return Path(context.database.url.database).parent / "thumbnails"
    return Path(cache_path()) / "thumbnails"
