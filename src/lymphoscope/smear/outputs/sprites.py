"""Thumbnails of cells on sheets: 32 x 32 of 96 x 96 pixels each, WebP."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from lymphoscope.files import written_beside
from lymphoscope.smear.cutting import SPRITE_SIDE
from lymphoscope.smear.readers import Pixels

SPRITE_FOLDER = "sprites"
PER_ROW = 32
PER_SHEET = PER_ROW * PER_ROW


def sprite_place(index: int) -> tuple[str, int, int]:
    """Return the sheet of a thumbnail, a path within the results folder, and its left and top pixel."""
    sheet, place = divmod(index, PER_SHEET)
    row, column = divmod(place, PER_ROW)
    return f"{SPRITE_FOLDER}/sprite-{sheet:05d}.webp", column * SPRITE_SIDE, row * SPRITE_SIDE


class SpriteWriter:
    """Writes thumbnails in order; memory holds one sheet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._waiting: list[Pixels] = []

    def write(self, thumbnail: Pixels) -> None:
        """Append a thumbnail (96, 96, 3)."""
        self._waiting.append(thumbnail)
        self._count += 1
        if len(self._waiting) == PER_SHEET:
            self._write_sheet()

    def close(self) -> None:
        """Write the last sheet, only as high as it needs to be."""
        if self._waiting:
            self._write_sheet()

    def _write_sheet(self) -> None:
        name, _, _ = sprite_place(self._count - 1)
        rows = -(-len(self._waiting) // PER_ROW)
        columns = min(len(self._waiting), PER_ROW)
        sheet = np.zeros((rows * SPRITE_SIDE, columns * SPRITE_SIDE, 3), dtype=np.uint8)
        for index, thumbnail in enumerate(self._waiting):
            _, x, y = sprite_place(index)
            sheet[y : y + SPRITE_SIDE, x : x + SPRITE_SIDE] = thumbnail
        stream = io.BytesIO()
        Image.fromarray(sheet).save(stream, "WEBP", quality=85, method=2)
        with written_beside(self._folder / name, durable=False) as beside:
            beside.write_bytes(stream.getvalue())
        self._waiting.clear()
