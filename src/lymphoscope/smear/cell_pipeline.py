"""Chunks of tiles -> rows of cells: reading and finding run ahead in threads while the model classifies."""

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.inference import BATCH_SIZE, Cell, Runtime, default_workers, predicted_rows, prefetch_map
from lymphoscope.inference.rows import FEATURES_KEY, Row
from lymphoscope.smear.cell_features import CellFeatures, Vectors
from lymphoscope.smear.cutting import CellCutter, Colour, glass_colour, thumbnail
from lymphoscope.smear.detection import Detector
from lymphoscope.smear.finding import FoundTile, OpenSlides, find_in_tile
from lymphoscope.smear.readers import Pixels
from lymphoscope.smear.records import FieldRecord, TileRecord
from lymphoscope.smear.seams import depth_in
from lymphoscope.smear.tiles import Tile
from lymphoscope.vocabulary import BOX_COLUMNS

MARK_SEPARATOR = "; "


@dataclass(frozen=True)
class ChunkResult:
    """What a chunk of tiles gave."""

    tiles: tuple[TileRecord, ...]
    rows: list[Row]
    """One row per candidate cell, with what `assemble` needs to count cells on seams once."""
    thumbnails: list[Pixels]
    """SPRITE_SIDE x SPRITE_SIDE RGB, one per row."""
    previews: dict[str, bytes]
    """Files of the results folder."""
    seconds: dict[str, float]
    crops: dict[str, bytes] = field(default_factory=dict)
    """The cells as the model took them, PNG, by their id; only on request."""
    features: Vectors | None = None
    """(N, D) one per row; only on request."""


class CellsOfTiles(Sequence[Cell]):
    """The cells of found tiles, cut out of the pixels when they are asked for, so that a chunk holds no crops."""

    def __init__(self, tiles: Sequence[FoundTile], fields: Sequence[FieldRecord], cutter: CellCutter) -> None:
        self._tiles, self._fields, self._cutter = tiles, fields, cutter
        self._places = [(tile, index) for tile, found in enumerate(tiles) for index in range(len(found.cells))]
        self._glass: dict[int, Colour] = {}

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> "list[Cell]": ...
    def __getitem__(self, index: int | slice) -> "Cell | list[Cell]":
        """Return a cell with its image; of a slice, the cells without images."""
        if isinstance(index, slice):
            return [self._cell(place, with_image=False) for place in self._places[index]]
        return self._cell(self._places[index], with_image=True)

    def thumbnail(self, index: int) -> Pixels:
        """Return the thumbnail of a cell."""
        tile, place = self._places[index]
        pixels, centre, scale = self._on_tile(tile, place)
        return thumbnail(pixels, centre, scale, self._glass_of(tile))

    def _cell(self, where: tuple[int, int], *, with_image: bool) -> Cell:
        found, source = self._tiles[where[0]], self._fields[self._tiles[where[0]].tile.field]
        name = cell_id(source, found.cells.boxes[where[1]])
        if not with_image:
            return Cell(name, source.subject, source.slide)
        pixels, centre, scale = self._on_tile(*where)
        outline = found.cells.outlines[where[1]] - np.array([found.tile.area.x, found.tile.area.y], np.float32)
        image = self._cutter.cut(pixels, centre, outline, scale, self._glass_of(where[0]))
        return Cell(name, source.subject, source.slide, image=image)

    def _on_tile(self, tile: int, index: int) -> tuple[Pixels, tuple[float, float], float]:
        found = self._tiles[tile]
        if found.pixels is None:
            raise RuntimeError("a tile with cells keeps its pixels")
        x, y, width, height = found.cells.boxes[index].tolist()
        centre = (x + width / 2 - found.tile.area.x, y + height / 2 - found.tile.area.y)
        return found.pixels, centre, self._fields[found.tile.field].microns_per_pixel or 1.0

    def _glass_of(self, tile: int) -> Colour:
        if tile not in self._glass:
            pixels = self._tiles[tile].pixels
            self._glass[tile] = (255, 255, 255) if pixels is None else glass_colour(pixels)
        return self._glass[tile]


def cell_id(source: FieldRecord, box: NDArray[np.float32]) -> str:
    """Return the id of a cell: its field and the centre of its box in whole pixels, which no other cell has."""
    x, y, width, height = box.tolist()
    return f"{source.field}-{int(x + width / 2):06d}-{int(y + height / 2):06d}"


@contextmanager
def chunk_results(
    chunks: Sequence[tuple[Tile, ...]],
    fields: Sequence[FieldRecord],
    detector: Detector,
    runtime: Runtime,
    cutter: CellCutter,
    *,
    workers: int | None = None,
    batch_size: int = BATCH_SIZE,
    crops: bool = False,
    features: bool = False,
) -> Iterator[Iterator[ChunkResult]]:
    """Yield an iterator over the result of each chunk, in order; memory holds the tiles of two chunks."""
    tiles = [tile for chunk in chunks for tile in chunk]
    ahead = max((len(chunk) for chunk in chunks), default=1)
    with OpenSlides() as slides:
        closer = cutter.surroundings == "black"
        find = partial(find_in_tile, fields=fields, detector=detector, slides=slides, closer=closer)
        with prefetch_map(find, tiles, workers=workers or default_workers(), buffer_size=ahead) as found:
            yield (
                _classified(list(islice(found, len(chunk))), fields, runtime, cutter, batch_size, crops, features)
                for chunk in chunks
            )


def _classified(
    found: list[FoundTile],
    fields: Sequence[FieldRecord],
    runtime: Runtime,
    cutter: CellCutter,
    batch_size: int,
    crops: bool,
    features: bool,
) -> ChunkResult:
    cells = CellsOfTiles(found, fields, cutter)
    start = time.perf_counter()
    rows: list[Row] = []
    if len(cells):
        window = -(-len(cells) // batch_size)
        with predicted_rows(
            runtime, cells, batch_size=batch_size, workers=1, window=window, features=features
        ) as predicted:
            rows = list(predicted)
    vectors = CellFeatures(runtime.description).vectors([row.pop(FEATURES_KEY, None) for row in rows])
    seconds = {"classify": time.perf_counter() - start}
    for tile in found:
        for stage, spent in tile.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    places = [(tile, index) for tile in found for index in range(len(tile.cells))]
    joined = [
        _row(row, tile, index, fields[tile.tile.field], cutter) for row, (tile, index) in zip(rows, places, strict=True)
    ]
    return ChunkResult(
        tiles=tuple(tile.record for tile in found),
        rows=joined,
        thumbnails=[cells.thumbnail(index) for index in range(len(cells))],
        previews={str(one.record.preview): one.preview for one in found if one.preview is not None},
        seconds=seconds,
        crops={cell.path: _png(cell.image) for cell in cells if cell.image is not None} if crops else {},
        features=vectors if features else None,
    )


def _png(image: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def _row(predicted: Row, found: FoundTile, index: int, source: FieldRecord, cutter: CellCutter) -> Row:
    """Join a prediction with where and how the cell was found."""
    box, marks = found.cells.boxes[index], found.cells.marks[index]
    x, y, width, height = (round(float(value), 1) for value in box)
    outline = [[round(float(px), 1), round(float(py), 1)] for px, py in found.cells.outlines[index]]
    depth = depth_in(found.tile.core, x + width / 2, y + height / 2, source.width, source.height)
    own = {
        "cell_id": predicted["path"],
        "field": source.field,
        "slide": source.slide,
        "subject": source.subject,
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "outline": outline,
        "microns_per_pixel": source.microns_per_pixel,
        "detector_score": round(float(found.cells.scores[index]), 4),
        "quality": MARK_SEPARATOR.join(found.record.flags) or None,
        "path": None,
        "marks": MARK_SEPARATOR.join(sorted(marks)) or None,
    }
    side = cutter.side(source.microns_per_pixel or 1.0)
    on_field = _box_on_field(predicted, (x + width / 2, y + height / 2), side, cutter)
    others = {name: value for name, value in predicted.items() if name not in own}
    return {**own, **others, **on_field, "_tile": found.tile.number, "_depth": None if depth == np.inf else depth}


def _box_on_field(predicted: Row, centre: tuple[float, float], side: float, cutter: CellCutter) -> Row:
    """The crop box of the model, from pixels of the cut-out cell to whole pixels of the field."""
    if predicted.get(BOX_COLUMNS[0]) is None:
        return {}
    factor, left, top = side / cutter.crop, centre[0] - side / 2, centre[1] - side / 2
    offsets = dict(zip(BOX_COLUMNS, (top, left, top, left), strict=True))
    return {name: round(offset + predicted[name] * factor) for name, offset in offsets.items()}
