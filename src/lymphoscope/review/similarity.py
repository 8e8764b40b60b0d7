"""Which cells are similar: the order by the features that `lymphoscope smear` wrote beside its table."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.refusals import RefusalError, invalid
from lymphoscope.review.tables import Case, Cell, Source
from lymphoscope.smear import read_features

_NO_FEATURES: Final = (
    "these results have no features of the cells: choose another order, or run `smear` again without --no-features"
)


def similarity_ranks(session: Session, case_id: int, to: int, concealed: bool) -> dict[int, int]:
    """Return the rank of each cell of a case, 0 the cell `to` itself, then by falling cosine similarity to it.

    Cells without features come last, in their order; so do blind ones where their suggestion is `concealed`, because
    their neighbours would give it away. Raises RefusalError `unavailable` with the reason.
    """
    case = session.get_one(Case, case_id)
    columns = (Cell.id, Cell.table_row, Cell.blind)
    cells = session.execute(select(*columns).where(Cell.case_id == case_id).order_by(Cell.position, Cell.id)).all()
    chosen = next((cell for cell in cells if cell.id == to), None)
    if chosen is None:
        raise invalid(f"to: cell {to} is not one of this case")
    if chosen.table_row is None:
        raise _unavailable("this cell was added by a person, or imported by an earlier version: it has no features")
    if concealed and chosen.blind:
        raise _unavailable("this cell is labelled blind: its neighbours would give the suggestion away")
    features = _features_of(session.get_one(Source, case.source_id))
    if np.isnan(features[chosen.table_row]).any():
        raise _unavailable("this cell was not classified: it has no features")
    shown = [cell for cell in cells if cell.table_row is not None and not (concealed and cell.blind)]
    alike = features[[cell.table_row for cell in shown]] @ features[chosen.table_row]
    alike[np.isnan(alike)] = -2.0  # below every cosine
    order = [shown[place].id for place in np.argsort(-alike, kind="stable")]
    order = [to, *(cell for cell in order if cell != to)]
    order += sorted({cell.id for cell in cells} - set(order))
    return {cell: rank for rank, cell in enumerate(order)}


def _features_of(source: Source) -> NDArray[np.float32]:
    if not source.model.get("features"):
        raise _unavailable(_NO_FEATURES)
    try:
        features = read_features(Path(source.folder))
    except (LymphoscopeError, OSError, ValueError) as error:
        raise _unavailable("the features of these results cannot be read: they were moved or changed") from error
    if features is None:
        raise _unavailable(_NO_FEATURES)
    return features


def _unavailable(reason: str) -> RefusalError:
    return RefusalError(422, "unavailable", reason)
