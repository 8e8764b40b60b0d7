"""Where a cell's pixels are: on its field with a box, or in a separate file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review.pages.result_files import named_file
from lymphoscope.review.refusals import RefusalError, not_found
from lymphoscope.review.tables import Case, Cell, Field, Source


@dataclass(frozen=True)
class CellPlace:
    """A cell's file; with `box` (x, y, width, height in pixels) the file is that of its field."""

    path: Path
    box: tuple[float, float, float, float] | None
    outline: NDArray[np.float32] | None
    """(K, 2) x, y in pixels of the field; None where only the box is known."""
    microns_per_pixel: float | None
    model: Mapping[str, Any]
    """What the results say of the model that classified the cell."""

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the box, x and y."""
        x, y, width, height = self.box or (0, 0, 0, 0)
        return x + width / 2, y + height / 2

    def polygon(self) -> NDArray[np.float32]:
        """Return the outline (K, 2); the box where there is none."""
        if self.outline is not None:
            return self.outline
        x, y, width, height = self.box or (0, 0, 0, 0)
        return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], dtype=np.float32)


def find_place(session: Session, case: int, cell: int, roots: tuple[Path, ...]) -> CellPlace:
    """Return where a cell of a case is. Raises RefusalError: no such cell, or its file may not be read."""
    row = session.execute(
        select(Cell, Field, Source)
        .join(Case, Case.id == Cell.case_id)
        .join(Source, Source.id == Case.source_id)
        .outerjoin(Field, Field.id == Cell.field_id)
        .where(Cell.id == cell, Cell.case_id == case)
    ).one_or_none()
    if row is None:
        raise not_found("cell", cell)
    found, field, source = row
    folder = Path(source.folder)
    if field is not None and field.path and (box := _box(found)) is not None:
        outline = None if not found.outline else np.array(found.outline, dtype=np.float32)
        scale = found.microns_per_pixel or field.microns_per_pixel
        return CellPlace(named_file(folder, field.path, roots), box, outline, scale, source.model)
    if not found.path:
        raise RefusalError(404, "unavailable", "the results name no image of this cell")
    return CellPlace(named_file(folder, found.path, roots), None, None, found.microns_per_pixel, source.model)


def field_file(session: Session, case: int, field: int, roots: tuple[Path, ...]) -> Path:
    """Return the image of a field of a case. Raises RefusalError: no such field, or its file may not be read."""
    query = select(Field.path, Source.folder).join(Case, Case.id == Field.case_id)
    row = session.execute(query.join(Source).where(Field.id == field, Field.case_id == case)).one_or_none()
    if row is None:
        raise not_found("field", field)
    if not row.path:
        raise RefusalError(404, "unavailable", "the results name no image of this field")
    return named_file(Path(row.folder), row.path, roots)


def _box(cell: Cell) -> tuple[float, float, float, float] | None:
    if cell.x is None or cell.y is None or cell.width is None or cell.height is None:
        return None
    return cell.x, cell.y, cell.width, cell.height
