"""Cells without an image file of their own, cut out of their fields as the model takes them, into a folder."""

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from sqlalchemy.orm import Session

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.model_file import Description, load_description
from lymphoscope.review.pages.cell_places import find_place
from lymphoscope.review.pages.deep_zoom import Pyramids
from lymphoscope.review.pages.model_cells import as_model_takes, model_folder
from lymphoscope.review.refusals import RefusalError
from lymphoscope.review.tables import Cell, Source
from lymphoscope.smear.readers import open_slide

ANYWHERE: Final = (Path("/"),)
"""Who exports on the command line reads with her own rights: no folder is closed to her."""


class CropFolder:
    """Writes crops as PNG below a folder that is made when the first is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fields = Pyramids()
        self._describe = cache(lambda path: load_description(path))

    def write(self, session: Session, source: Source, cell: Cell) -> Path:
        """Write the crop of a cell and return its path. Raises LymphoscopeError with the reason if that cannot be."""
        how = self._model_of(source)
        if how.preprocessing.surroundings == "black" and not cell.outline:
            raise LymphoscopeError("added by a person: their model takes cells on black, which needs an outline")
        try:
            place = find_place(session, cell.case_id, cell.id, ANYWHERE)
            pixels = as_model_takes(
                place, how, lambda box: self._fields.region(place.path, lambda: open_slide(place.path), box)
            )
        except (RefusalError, LymphoscopeError, OSError) as error:
            raise LymphoscopeError("without an image file, and their field cannot be read") from error
        path = self.folder / f"case-{cell.case_id}-cell-{cell.id}.png"
        with written_beside(path, durable=False) as beside:
            Image.fromarray(np.ascontiguousarray(pixels)).save(beside, "PNG")
        return path

    def _model_of(self, source: Source) -> Description:
        try:
            return self._describe(model_folder(source.model, ANYWHERE))
        except LymphoscopeError as error:
            raise LymphoscopeError(
                "without an image file, and their model, which says how to cut them out, is not here"
            ) from error
