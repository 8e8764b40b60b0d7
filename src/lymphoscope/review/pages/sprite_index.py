"""Where the thumbnail of each cell of a case lies: read from the database once, since imported cells never change."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from sqlalchemy import select

from lymphoscope.review.database import Database
from lymphoscope.review.pages.result_files import results_folder
from lymphoscope.review.pages.thumbnails import SIDE, Sprite
from lymphoscope.review.tables import Cell

_KEPT: Final = 8
"""Cases whose places are kept, about 4 MB for 20,000 cells."""

_Row = tuple[str, int, int, int]


class SpriteIndex:
    """Cell -> sprite, for several threads."""

    def __init__(self) -> None:
        self._cases: OrderedDict[int, tuple[Path, dict[int, _Row]]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, database: Database, case: int, cell: int) -> Sprite | None:
        """Return where the thumbnail of an imported cell lies; None if it is on no sheet."""
        folder, rows = self._case(database, case)
        row = rows.get(cell)
        return None if row is None else _sprite(folder, row)

    def sheets(self, database: Database, case: int) -> list[tuple[Path, int]]:
        """Return the sheets of a case and the side of their thumbnails, in order."""
        folder, rows = self._case(database, case)
        sprites = [
            _sprite(folder, (name, 0, 0, side))
            for name, side in dict.fromkeys((row[0], row[3]) for row in rows.values())
        ]
        return [(sprite.sheet, sprite.side) for sprite in sprites if sprite is not None]

    def _case(self, database: Database, case: int) -> tuple[Path, dict[int, _Row]]:
        with self._lock:
            if case not in self._cases:
                self._cases[case] = _read(database, case)
                if len(self._cases) > _KEPT:
                    self._cases.popitem(last=False)
            self._cases.move_to_end(case)
            return self._cases[case]


def _read(database: Database, case: int) -> tuple[Path, dict[int, _Row]]:
    columns = (Cell.id, Cell.sprite, Cell.sprite_x, Cell.sprite_y, Cell.sprite_size)
    with database.read() as session:
        folder = results_folder(session, case)
        found = session.execute(select(*columns).where(Cell.case_id == case, Cell.sprite.is_not(None)))
        rows = {row[0]: (str(row[1]), row[2] or 0, row[3] or 0, row[4] or SIDE) for row in found}
    return folder, rows


def _sprite(folder: Path, row: _Row) -> Sprite | None:
    """A sheet outside the results folder is none of ours, whatever the table says."""
    sheet = (folder / row[0]).resolve()
    return Sprite(sheet, row[1], row[2], row[3]) if sheet.is_relative_to(folder.resolve()) else None
