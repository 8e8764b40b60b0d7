"""One tile -> its cells: read, judge, detect, and keep those that the tile owns or shares with a neighbour."""

import io
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear.detection import Detections, Detector
from lymphoscope.smear.outlines import closer_outlines
from lymphoscope.smear.quality import GLASS, has_spot, tile_quality
from lymphoscope.smear.readers import Pixels, Slide, UnreadableRegion, open_slide
from lymphoscope.smear.records import FieldRecord, TileRecord
from lymphoscope.smear.seams import SLACK_MICRONS
from lymphoscope.smear.tiles import Tile

CUT_MARK, CUT_MICRONS = "cut_by_edge", 0.4
"""Mark of a cell that comes so near, in micrometres, to the edge of the field."""
PREVIEW_SIDE = 1024
"""Pixels of the longer side of a tile's preview, at most."""
_OPEN_SLIDES = 3
_LOOK_MICRONS, _GLASS_DENSITY, _LIT = 0.8, 0.004, 100
"""Micrometres per pixel at which glass is told; a tile is glass if less is covered, and not if it is darker."""


@dataclass(frozen=True)
class FoundTile:
    """What one tile holds: its record, its pixels, and its cells with boxes and outlines in pixels of the field."""

    tile: Tile
    record: TileRecord
    pixels: Pixels | None = None
    cells: Detections = field(default_factory=Detections.empty)
    preview: bytes | None = None
    seconds: dict[str, float] = field(default_factory=dict)


class OpenSlides:
    """The last few slides, kept open; the threads of a run share it. Leaving it closes them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: OrderedDict[str, Slide] = OrderedDict()
        self._readers: Counter[str] = Counter()

    def __enter__(self) -> "OpenSlides":
        return self

    def __exit__(self, *_: object) -> None:
        for slide in self._open.values():
            slide.close()
        self._open.clear()

    @contextmanager
    def reading(self, path: str) -> Iterator[Slide]:
        """Yield an open slide. Raises LymphoscopeError if it cannot be opened."""
        with self._lock:
            slide = self._open.get(path) or open_slide(Path(path))
            self._open[path] = slide
            self._open.move_to_end(path)
            self._readers[path] += 1
        try:
            yield slide
        finally:
            with self._lock:
                self._readers[path] -= 1
                self._close_unused()

    def _close_unused(self) -> None:
        for path in [path for path in self._open if not self._readers[path]][: max(0, len(self._open) - _OPEN_SLIDES)]:
            self._open.pop(path).close()
            del self._readers[path]


def find_in_tile(
    tile: Tile, fields: Sequence[FieldRecord], detector: Detector, slides: OpenSlides, *, closer: bool = False
) -> FoundTile:
    """Read a tile and find its cells, with `closer` outlines on request.

    A tile that cannot be read is a record with its reason.
    """
    source = fields[tile.field]
    scale, core = source.microns_per_pixel or 1.0, tile.core
    record = TileRecord(field=source.field, tile=tile.number, x=core.x, y=core.y, width=core.width, height=core.height)
    start = time.perf_counter()
    try:
        area = tile.area
        with slides.reading(source.path) as slide:
            pixels = slide.read(area.x, area.y, area.width, area.height)
    except (UnreadableRegion, LymphoscopeError) as error:
        return FoundTile(tile, record.model_copy(update={"error": str(error)}))
    read = time.perf_counter()
    flags, usable = _judge(pixels, scale)
    checked = time.perf_counter()
    aside = not usable
    is_shown = not aside or source.tiles == 1  # a slide has thousands of tiles of glass
    seen = Detections.empty() if aside else detector.detect(pixels, scale)
    cells = _owned(closer_outlines(pixels, seen) if closer else seen, tile, source)
    detected = time.perf_counter()
    record = record.model_copy(update={"flags": flags, "set_aside": aside, "preview": _preview_name(tile, source)})
    seconds = {"read": read - start, "quality": checked - read, "detect": detected - checked}
    return FoundTile(
        tile, record, pixels if len(cells) else None, cells, _preview(pixels, tile) if is_shown else None, seconds
    )


def _judge(pixels: Pixels, scale: float) -> tuple[tuple[str, ...], bool]:
    """The flags of a tile, and whether cells are looked for; glass is seen in a small picture, without the rest.

    Most of a slide is glass. Uneven light only adds to what seems to be covered, so nothing is taken for glass that
    `tile_quality` would not call empty.
    """
    if _is_glass(pixels, scale):
        return ("empty",), False
    quality = tile_quality(pixels, scale)
    return tuple(quality.flags), quality.usable


def _is_glass(pixels: Pixels, scale: float) -> bool:
    factor = max(int(_LOOK_MICRONS / scale), 1)
    green = np.asarray(Image.fromarray(pixels).reduce(factor))[:, :, 1]
    glass = float(np.percentile(green, 95))
    covered = green < GLASS * glass
    return glass > _LIT and float(covered.mean()) < _GLASS_DENSITY and not has_spot(covered, scale * factor)


def _owned(found: Detections, tile: Tile, source: FieldRecord) -> Detections:
    """The cells whose centre is in the core, or so near that a neighbour may miss them; in pixels of the field."""
    slack = SLACK_MICRONS / (source.microns_per_pixel or 1.0)
    shift = np.array([tile.area.x, tile.area.y], dtype=np.float32)
    boxes = found.boxes + np.concatenate([shift, np.zeros(2, np.float32)])
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    mine = np.array([tile.core.holds(x, y, slack) for x, y in centres.tolist()], dtype=bool)
    marks = tuple(_marks(marked, box, source) for marked, box in zip(found.marks, boxes, strict=True))
    outlines = tuple(outline + shift for outline in found.outlines)
    return Detections(boxes, outlines, found.scores, marks).select(np.flatnonzero(mine))


def _marks(marks: frozenset[str], box: NDArray[np.float32], source: FieldRecord) -> frozenset[str]:
    """Only the edge of the field cuts a cell; that of a tile does not."""
    x, y, w, h = box.tolist()
    edge = max(1.0, CUT_MICRONS / (source.microns_per_pixel or 1.0))
    cut = x <= edge or y <= edge or x + w >= source.width - edge or y + h >= source.height - edge
    return marks | {CUT_MARK} if cut else marks - {CUT_MARK}


def _preview_name(tile: Tile, source: FieldRecord) -> str:
    return f"fields/{source.field}.webp" if source.tiles == 1 else f"fields/{source.field}-{tile.number:05d}.webp"


def _preview(pixels: Pixels, tile: Tile) -> bytes:
    """A small picture of the core, WebP."""
    core, area = tile.core, tile.area
    inner = pixels[core.y - area.y :, core.x - area.x :][: core.height, : core.width]
    picture = Image.fromarray(np.ascontiguousarray(inner))
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=80, method=2)
    return stream.getvalue()
