"""Images of a case: thumbnails, cells with their surroundings, tiles of fields, and what the model saw.

Everything is read from the results folder and the images that it names, decoded, and encoded again. An address always
gives the same image, so that browsers keep it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.data import read_image
from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import Description
from lymphoscope.review.access import Context, ReviewContext, allow
from lymphoscope.review.api.schema import PathId
from lymphoscope.review.pages.cell_places import CellPlace, field_file, find_place
from lymphoscope.review.pages.deep_zoom import Pyramids, Region
from lymphoscope.review.pages.jpeg import as_jpeg
from lymphoscope.review.pages.model_cells import as_model_takes
from lymphoscope.review.pages.model_views import ModelViews
from lymphoscope.review.pages.sprite_index import SpriteIndex
from lymphoscope.review.pages.thumbnails import SIDE, Thumbnails
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.roles import Permission
from lymphoscope.smear.readers import open_slide

KEEP: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
AROUND: Final = 1.8
"""The side of a cell's picture, as a multiple of the larger side of its box."""
SMALLEST_SIDE: Final = 64
"""Pixels of the smallest picture that is cut from a field."""
LARGEST_SIDE: Final = 2048

router = APIRouter(prefix="/images/cases/{case_id}", dependencies=[allow(Permission.VIEW)])
Pixels = NDArray[np.uint8]
View = Literal["attention", "crop", "erase"]


class Pictures:
    """What the image routes share; `cache` is the folder of the thumbnails."""

    def __init__(self, context: ReviewContext, cache: Path) -> None:
        self.database = context.database
        self.roots = (*context.settings.roots, *context.settings.image_roots)
        self.thumbnails = Thumbnails(cache)
        self.pyramids = Pyramids()
        self.views = ModelViews(context.settings.roots)
        self.sprites = SpriteIndex()

    def around(self, place: CellPlace, box: tuple[int, int, int, int]) -> Pixels:
        """Return the part of a cell's field within a box (left, top, right, bottom)."""
        return self.pyramids.region(place.path, _opener(place.path), box)


def pictures_of(request: Request) -> Pictures:
    """Return what the image routes of an application share."""
    pictures: Pictures = request.app.state.pictures
    return pictures


Shared = Annotated[Pictures, Depends(pictures_of)]


@router.get("/thumbs/{cell_id}")
def thumbnail(case_id: PathId, cell_id: PathId, shared: Shared) -> Response:
    """Return the thumbnail of a cell: from its sheet, from its file, or cut from its field."""
    sprite = shared.sprites.find(shared.database, case_id, cell_id)
    if sprite is not None:
        return _answer(lambda: shared.thumbnails.of_sprite(sprite))
    place = _place(shared, case_id, cell_id)
    if place.box is None:
        return _answer(lambda: shared.thumbnails.of_file(place.path))
    return _answer(lambda: as_jpeg(_shrunk(shared.around(place, _square(place)), SIDE)))


@router.get("/cells/{cell_id}")
def cell_picture(case_id: PathId, cell_id: PathId, shared: Shared) -> Response:
    """Return a cell with its surroundings, in the pixels of its field or file."""
    place = _place(shared, case_id, cell_id)
    if place.box is None:
        return _answer(lambda: as_jpeg(read_image(place.path), quality=92))
    return _answer(lambda: as_jpeg(shared.around(place, _square(place)), quality=92))


@router.get("/cells/{cell_id}/views/{view}")
def model_view(
    case_id: PathId, cell_id: PathId, view: Literal["attention", "crop", "erase"], shared: Shared
) -> Response:
    """Return what a stream of the model received of a cell; 404 with the reason where that is not available."""
    place = _place(shared, case_id, cell_id)

    def cut(how: Description) -> Pixels:
        return as_model_takes(place, how, lambda box: shared.around(place, box))

    return _answer(lambda: shared.views.of_cell((case_id, cell_id), place.model, cut)[view])


@router.get("/fields/{field_id}/tiles/{level}/{column}-{row}.jpg")
def field_tile(
    case_id: PathId, field_id: PathId, level: int, column: int, row: int, shared: Shared, context: Context
) -> Response:
    """Return a tile of a field."""
    with context.database.read() as session:
        path = field_file(session, case_id, field_id, shared.roots)
    return _answer(lambda: shared.pyramids.tile(path, _opener(path), level, column, row))


def _place(shared: Pictures, case: int, cell: int) -> CellPlace:
    with shared.database.read() as session:
        return find_place(session, case, cell, shared.roots)


def _answer(make: Callable[[], bytes]) -> Response:
    try:
        return Response(make(), media_type="image/jpeg", headers=KEEP)
    except RefusalError:
        raise
    except LymphoscopeError as error:
        raise RefusalError(404, "unavailable", _without_path(error)) from error


def _without_path(error: LymphoscopeError) -> str:
    """Return the message with file names only: it must not disclose the folders of the server."""
    return " ".join(word.rpartition("/")[2] if word.startswith("/") else word for word in str(error).split())


def _opener(path: Path) -> Callable[[], Region]:
    return lambda: open_slide(path)


def _square(place: CellPlace) -> tuple[int, int, int, int]:
    """The square around a cell, in pixels of its field: left, top, right, bottom."""
    x, y = place.centre
    side = min(LARGEST_SIDE, max(SMALLEST_SIDE, AROUND * max(place.box[2:])))  # type: ignore[index]
    left, top = round(x - side / 2), round(y - side / 2)
    return left, top, left + round(side), top + round(side)


def _shrunk(pixels: Pixels, side: int) -> Pixels:
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)
