"""The plan of a run: the fields with their scales, and their tiles in chunks, before any cell is looked for."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.smear.field_inputs import FieldInput
from lymphoscope.smear.readers import Slide, UnreadableRegion, open_slide
from lymphoscope.smear.records import FieldRecord, ScaleSource
from lymphoscope.smear.scale import ScaleEstimate, estimate_scale
from lymphoscope.smear.tiles import CORE, WHOLE, Tile, tiles_of

CHUNK_PIXELS = 16_000_000
"""Pixels of the tiles of a chunk: bounds memory, and what a killed run has to do again."""
CHUNK_TILES = 16
SCALE_FLAG = "scale_disagrees"
"""Flag of a field whose scale differs from that of its red cells by more than half."""
NO_RED_CELLS_FLAG = "no_red_cells"
"""Flag of a field in whose slide no round red cells were seen: it may be no blood smear."""
_NO_SCALE = (
    "the file does not say its scale, and it cannot be estimated: fewer than 3 round red cells are visible. Give the "
    "microns per pixel with --mpp; they are the camera's pixel size divided by the magnification, often 0.05 to 0.25"
)
_LOOK = 1280
_FIELDS_FOR_SCALE = 8
_FIELDS_TO_CHECK = 3


@dataclass(frozen=True)
class Plan:
    """Fields in order, the tiles of each chunk, and what the user should know."""

    fields: tuple[FieldRecord, ...]
    chunks: tuple[tuple[Tile, ...], ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Opened:
    given: FieldInput
    record: FieldRecord
    file_scale: float | None = None


def plan_run(
    inputs: Sequence[FieldInput], *, microns_per_pixel: float | None = None, core: int = CORE, whole: int = WHOLE
) -> Plan:
    """Open every field, settle its scale, and cut it into tiles.

    The scale is what the user gave, else that of the file, else the median estimate from red cells over the fields of
    the same slide in the same folder. Every scale is compared with the red cells. A field that cannot be opened is a
    record with its reason, and so is one whose scale nothing tells; if that is so for all of them, LymphoscopeError is
    raised.
    """
    opened = [_open(number, given) for number, given in enumerate(inputs, start=1)]
    scaled, notices = _with_scales(opened, microns_per_pixel)
    tiles: list[Tile] = []
    for number, record in enumerate(scaled):
        if record.error is None and record.microns_per_pixel is not None:
            tiles += tiles_of(number, record.width, record.height, record.microns_per_pixel, core=core, whole=whole)
    counts = Counter(tile.field for tile in tiles)
    records = tuple(replace_record(one, tiles=counts[number]) for number, one in enumerate(scaled))
    return Plan(records, tuple(_chunks(tiles)), tuple(notices))


def replace_record(record: FieldRecord, **changes: object) -> FieldRecord:
    """Return a record with other values."""
    return record.model_copy(update=changes)


def _open(number: int, given: FieldInput) -> _Opened:
    name = f"F{number:04d}"
    blank = FieldRecord(field=name, path=str(given.path), slide=given.slide, subject=given.subject)
    try:
        slide = open_slide(given.path)
    except LymphoscopeError as error:
        reason = getattr(error, "reason", None) or str(error).removeprefix(f"{given.path}: ")
        return _Opened(given, replace_record(blank, error=one_line(reason)))
    try:
        record = replace_record(
            blank,
            width=slide.width,
            height=slide.height,
            slide=given.slide or slide.slide,
            subject=given.subject or slide.subject,
        )
        return _Opened(given, record, slide.microns_per_pixel)
    finally:
        slide.close()


def _with_scales(opened: list[_Opened], given: float | None) -> tuple[list[FieldRecord], list[str]]:
    records, notices = [one.record for one in opened], []
    groups: dict[tuple[Path, str | None, tuple[float, ScaleSource] | None], list[int]] = {}
    for index, one in enumerate(opened):
        if one.record.error is None:
            key = (one.given.path.parent, one.record.slide, _known_scale(one, given))
            groups.setdefault(key, []).append(index)
    for (_, _, known), members in groups.items():
        estimates = _estimates([opened[index] for index in members], known is None)
        scale, source, told = _settle(known, estimates)
        found: dict[str, object] = {"error": _NO_SCALE}
        if scale is not None:
            flags = (SCALE_FLAG,) if _disagrees(known, estimates) else ()
            flags = flags if estimates else (NO_RED_CELLS_FLAG,)
            found = {"microns_per_pixel": scale, "scale_source": source, "flags": flags}
        for index in members:
            records[index] = replace_record(records[index], scale_of_red_cells=_typical(estimates), **found)
        notices += told
    if groups and all(records[index].microns_per_pixel is None for members in groups.values() for index in members):
        raise LymphoscopeError(f"{opened[0].given.path}: {_NO_SCALE}")
    for line in notices:
        print(line, file=sys.stderr)
    return records, notices


def _known_scale(one: _Opened, given: float | None) -> tuple[float, ScaleSource] | None:
    if one.given.microns_per_pixel is not None:
        return one.given.microns_per_pixel, "given"
    if given is not None:
        return given, "given"
    return None if one.file_scale is None else (one.file_scale, "file")


def _settle(
    known: tuple[float, ScaleSource] | None, estimates: list[ScaleEstimate]
) -> tuple[float | None, ScaleSource | None, list[str]]:
    """The scale, where it comes from, and what to tell the user; no scale where nothing tells it."""
    typical, cells = _typical(estimates), sum(one.red_cells for one in estimates)
    if known is None:
        if typical is None:
            return None, None, []
        line = f"scale: {typical:.3g} microns per pixel, estimated from {cells} red cells; --mpp sets it."
        return typical, "red cells", [line]
    scale, source = known
    if not estimates:
        line = (
            "NO RED CELLS: fewer than 3 round red cells were seen in the fields that were looked at. A blood smear has "
            "them; tissue and photographs have none, and are not counted rightly."
        )
        return scale, source, [line]
    if _disagrees(known, estimates) and typical is not None:
        origin = "the given scale" if source == "given" else "the file's scale"
        line = (
            f"SCALE IN DOUBT: {origin} is {scale:.3g} microns per pixel, but {cells} red cells say {typical:.3g}. "
            "Cells may be missed and misjudged: check it."
        )
        return scale, source, [line]
    return scale, source, []


def _disagrees(known: tuple[float, ScaleSource] | None, estimates: list[ScaleEstimate]) -> bool:
    typical = _typical(estimates)
    if known is None or typical is None:
        return False
    return ScaleEstimate(typical, 3, None).disagrees(known[0])


def _typical(estimates: list[ScaleEstimate]) -> float | None:
    """The median over the red cells of all fields."""
    weighted = [one.microns_per_pixel for one in estimates for _ in range(one.red_cells) if one.microns_per_pixel]
    return median(weighted) if weighted else None


def _estimates(fields: list[_Opened], needed: bool) -> list[ScaleEstimate]:
    """Estimate the scale of some of the fields, evenly spread over them; more of them if it is needed."""
    wanted = _FIELDS_FOR_SCALE if needed else _FIELDS_TO_CHECK
    found = []
    for one in fields[:: max(1, len(fields) // wanted)]:
        found += [estimate for estimate in _estimates_of(one) if estimate.microns_per_pixel is not None]
        if len(found) >= wanted:
            break
    return found


def _estimates_of(one: _Opened) -> Iterator[ScaleEstimate]:
    slide = open_slide(one.given.path)
    try:
        for x, y, width, height in _places(slide):
            try:
                estimate = estimate_scale(slide.read(x, y, width, height))
            except UnreadableRegion:
                continue
            yield estimate
            if estimate.red_cells >= 10:
                return
    finally:
        slide.close()


def _places(slide: Slide) -> Iterator[tuple[int, int, int, int]]:
    """Where to look for red cells: the middle of the slide, then the middles of its quarters."""
    width, height = min(slide.width, _LOOK), min(slide.height, _LOOK)
    large = max(slide.width, slide.height) > 2 * _LOOK
    for across, down in [(0.5, 0.5), *([(0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25)] if large else [])]:
        x, y = int(across * slide.width - width / 2), int(down * slide.height - height / 2)
        yield max(x, 0), max(y, 0), width, height


def _chunks(tiles: list[Tile]) -> Iterator[tuple[Tile, ...]]:
    """Cut the tiles into chunks by position, so that a continued run cuts the same ones."""
    chunk: list[Tile] = []
    pixels = 0
    for tile in tiles:
        size = tile.area.width * tile.area.height
        if chunk and (len(chunk) == CHUNK_TILES or pixels + size > CHUNK_PIXELS):
            yield tuple(chunk)
            chunk, pixels = [], 0
        chunk.append(tile)
        pixels += size
    if chunk:
        yield tuple(chunk)
