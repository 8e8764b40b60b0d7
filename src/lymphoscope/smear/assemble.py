"""Chunks of candidate cells -> the results folder: cells on seams counted once, put in order, counted and written."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.files import written_beside
from lymphoscope.model_file import Description
from lymphoscope.smear.cell_classes import titles_of
from lymphoscope.smear.cell_features import FEATURES_FILE, CellFeatures, FeatureWriter
from lymphoscope.smear.cell_pipeline import MARK_SEPARATOR
from lymphoscope.smear.chunks import ChunkStore
from lymphoscope.smear.cutting import SPRITE_SIDE
from lymphoscope.smear.differential import CountedCell, counted_as, until_target
from lymphoscope.smear.outputs import (
    SPRITE_FOLDER,
    CocoWriter,
    GeoJsonWriter,
    SpriteWriter,
    TableWriter,
    sprite_place,
    table_columns,
)
from lymphoscope.smear.records import FieldRecord, SmearFeatures, TileRecord
from lymphoscope.smear.seams import Candidates, kept_once
from lymphoscope.vocabulary import score_column

CROP_FOLDER = "crops"
_STRIPE_MICRONS = 200.0
"""Height of a stripe of the walk: about the field of view of a 100x objective."""


@dataclass(slots=True)
class LightCell:
    """What the count and the page need of a cell; the table has the rest."""

    cell_id: str
    field: int
    tile: int
    box: tuple[float, float, float, float]
    counted: CountedCell
    score: float | None
    suspicion: float
    refer_reason: str | None
    depth: float
    sprite: int = 0
    order: int = 0
    in_target: bool = False

    @property
    def centre(self) -> tuple[float, float]:
        """x and y in pixels of the field."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


@dataclass(frozen=True)
class Assembled:
    """What was written, and what the count and the page are made from. `cells` are in the order of the walk."""

    cells: list[LightCell]
    tiles: list[TileRecord]
    fields: tuple[FieldRecord, ...]
    table: str
    seconds: dict[str, float]
    features: SmearFeatures | None = None


def assemble_results(
    store: ChunkStore, out: Path, fields: Sequence[FieldRecord], description: Description, target: int | None
) -> Assembled:
    """Write the table, thumbnails, previews, GeoJSON and COCO of all chunks.

    Memory holds one chunk and the light cells.
    """
    numbers = {one.field: number for number, one in enumerate(fields)}
    candidates = [_light(row, numbers, description) for rows in store.rows() for row in rows]
    kept = _kept(candidates, fields)
    cells = [cell for cell, keep in zip(candidates, kept, strict=True) if keep]
    for place, cell in enumerate(cells):
        cell.sprite = place
    walked = sorted(cells, key=lambda cell: (cell.field, *_key(cell, fields)))
    taken = until_target([cell.counted for cell in walked], target)
    for place, cell in enumerate(walked, start=1):
        cell.order, cell.in_target = place, place <= taken
    tiles, seconds = _tiles(store, cells, fields)
    records = _field_records(fields, tiles, cells)
    table, dimensions = _write(store, out, records, description, kept, cells)
    method = CellFeatures(description).method
    features = SmearFeatures(file=FEATURES_FILE, dimensions=dimensions, method=method) if dimensions else None
    return Assembled(walked, tiles, records, table, seconds, features)


def _light(row: Mapping[str, Any], numbers: Mapping[str, int], description: Description) -> LightCell:
    predicted = row.get("predicted")
    marks = frozenset((row.get("marks") or "").split(MARK_SEPARATOR)) - {""}
    counted = CountedCell(
        predicted, bool(row.get("refer")), marks, row.get("error"), row.get("slide"), row.get("subject")
    )
    return LightCell(
        cell_id=row["cell_id"],
        field=numbers[row["field"]],
        tile=row["_tile"],
        box=(row["x"], row["y"], row["width"], row["height"]),
        counted=counted,
        score=None if predicted is None else row.get(score_column(predicted)),
        suspicion=_suspicion(row, description),
        refer_reason=row.get("refer_reason"),
        depth=float("inf") if row["_depth"] is None else row["_depth"],
    )


def _suspicion(row: Mapping[str, Any], description: Description) -> float:
    """From 0 to 2: the score of blasts, or how unsure the model is without such a class; referred cells come first."""
    if row.get("predicted") is None:
        return 2.0
    blast = description.blast_class
    certainty = row.get(score_column(row["predicted"])) or 0.0
    score = (row.get(score_column(blast)) or 0.0) if blast is not None else 1.0 - certainty
    return float(score) + (1.0 if row.get("refer") and blast is None else 0.0)


def _kept(candidates: list[LightCell], fields: Sequence[FieldRecord]) -> NDArray[np.bool_]:
    kept = np.ones(len(candidates), dtype=bool)
    members: dict[int, list[int]] = {}
    for index, cell in enumerate(candidates):
        members.setdefault(cell.field, []).append(index)
    for field, indices in members.items():
        of_field = Candidates(
            np.array([candidates[index].box for index in indices]),
            np.array([candidates[index].tile for index in indices]),
            np.array([candidates[index].depth for index in indices]),
        )
        kept[indices] = kept_once(of_field, fields[field].microns_per_pixel or 1.0)
    return kept


def _key(cell: LightCell, fields: Sequence[FieldRecord]) -> tuple[int, float, float]:
    return _walk_key(*cell.centre, fields[cell.field].microns_per_pixel or 1.0)


def _tiles(
    store: ChunkStore, cells: Sequence[LightCell], fields: Sequence[FieldRecord]
) -> tuple[list[TileRecord], dict[str, float]]:
    counts: dict[tuple[str, int], int] = {}
    for cell in cells:
        where = (fields[cell.field].field, cell.tile)
        counts[where] = counts.get(where, 0) + 1
    tiles, seconds = [], dict.fromkeys(("read", "quality", "detect", "classify"), 0.0)
    for records, spent in store.heads():
        tiles += [one.model_copy(update={"cells": counts.get((one.field, one.tile), 0)}) for one in records]
        seconds = {stage: seconds.get(stage, 0.0) + spent.get(stage, 0.0) for stage in seconds}
    return tiles, seconds


def _field_records(
    fields: Sequence[FieldRecord], tiles: Sequence[TileRecord], cells: Sequence[LightCell]
) -> tuple[FieldRecord, ...]:
    by_field: dict[str, list[TileRecord]] = {}
    for tile in tiles:
        by_field.setdefault(tile.field, []).append(tile)
    counts = np.bincount([cell.field for cell in cells], minlength=len(fields)) if cells else np.zeros(len(fields), int)
    records = []
    for number, field in enumerate(fields):
        own = by_field.get(field.field, [])
        failed = [tile.error for tile in own if tile.error is not None]
        flags = dict.fromkeys([*field.flags, *(flag for tile in own for flag in tile.flags)])
        fault = field.error
        if failed:
            fault = failed[0] if len(own) == 1 else f"{len(failed)} of {len(own)} tiles: {failed[0]}"
        changes = {
            "cells": int(counts[number]),
            "flags": tuple(flags),
            "tiles_set_aside": sum(tile.set_aside for tile in own),
            "tiles_failed": len(failed),
            "error": fault,
        }
        records.append(field.model_copy(update=changes))
    return tuple(records)


def _write(
    store: ChunkStore,
    out: Path,
    fields: Sequence[FieldRecord],
    description: Description,
    kept: NDArray[np.bool_],
    cells: Sequence[LightCell],
) -> tuple[str, int]:
    """Write the files of the results; return the name of the table and the dimensions of the features."""
    titles = titles_of(description)
    table = TableWriter(out, table_columns(description))
    sprites = SpriteWriter(out)
    geojson = GeoJsonWriter(out / "cells.geojson", description.classes, titles)
    coco = CocoWriter(out / "cells.coco.json", fields, description.classes, titles)
    features = FeatureWriter(out, len(cells))
    candidate, place = 0, 0
    for number in range(store.count):
        chunk = store.read(number)
        rows = []
        for row, thumbnail in zip(chunk.rows, chunk.thumbnails, strict=True):
            if kept[candidate]:
                rows.append(_finished(row, cells[place], _write_crop(out, row["cell_id"], chunk.crops)))
                sprites.write(thumbnail)
                geojson.write(rows[-1])
                coco.write(rows[-1])
                place += 1
            candidate += 1
        if chunk.features is not None:
            features.write(chunk.features[kept[candidate - len(chunk.rows) : candidate]])
        table.write(rows)
        for name, content in chunk.previews.items():
            with written_beside(out / name, durable=False) as beside:
                beside.write_bytes(content)
    for writer in (table, sprites, geojson, coco):
        writer.close()
    (out / SPRITE_FOLDER).mkdir(exist_ok=True)
    return table.name, features.close()


def _write_crop(out: Path, name: str, crops: Mapping[str, bytes]) -> str | None:
    """Write the crop of a cell, if there is one; return its path within the results folder."""
    if name not in crops:
        return None
    path = f"{CROP_FOLDER}/{name}.png"
    with written_beside(out / path, durable=False) as beside:
        beside.write_bytes(crops[name])
    return path


def _finished(row: Mapping[str, Any], cell: LightCell, crop: str | None) -> dict[str, Any]:
    sheet, x, y = sprite_place(cell.sprite)
    return {
        **{name: value for name, value in row.items() if not name.startswith("_")},
        "path": crop,
        "order": cell.order,
        "counted_as": counted_as(cell.counted),
        "in_target": cell.in_target,
        "sprite": sheet,
        "sprite_x": x,
        "sprite_y": y,
        "sprite_size": SPRITE_SIDE,
    }


def _walk_key(x: float, y: float, microns_per_pixel: float) -> tuple[int, float, float]:
    """The sort key of a cell of a field by its centre in pixels: stripes, back and forth, as a technician walks.

    It does not depend on how the field was cut into tiles.
    """
    stripe = math.floor(y * microns_per_pixel / _STRIPE_MICRONS)
    return stripe, x if stripe % 2 == 0 else -x, y
