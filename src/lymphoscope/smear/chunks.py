"""The chunks of a run on disk, in a hidden folder of the results, so that a killed run continues."""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lymphoscope.files import write_text, written_beside
from lymphoscope.smear.cell_features import Vectors
from lymphoscope.smear.cell_pipeline import ChunkResult
from lymphoscope.smear.cutting import SPRITE_SIDE
from lymphoscope.smear.readers import Pixels
from lymphoscope.smear.records import TileRecord

FOLDER = ".partial"
_RECORD, _DATE = "run.json", "date.txt"
_DAMAGED = (zipfile.BadZipFile, OSError, KeyError, ValueError)


class ChunkStore:
    """The chunks of one run; the record says everything that they depend on."""

    def __init__(self, out: Path, record: Mapping[str, Any], count: int) -> None:
        self.folder = out / FOLDER
        self.count = count
        self.record = record

    def open(self, date: str, *, resume: bool = True) -> set[int]:
        """Continue the unfinished run of the same record, or start a new one; return the chunks that it has."""
        if resume and self._same_record():
            return {number for number in range(self.count) if self.has(number)}
        self.remove()
        write_text(self.folder / _DATE, date)
        write_text(self.folder / _RECORD, json.dumps(self.record, indent=2))
        return set()

    @property
    def date(self) -> str:
        """When the run began."""
        return (self.folder / _DATE).read_text(encoding="utf-8")

    def write(self, number: int, result: ChunkResult) -> None:
        """Write a chunk atomically."""
        with written_beside(self._path(number), durable=False) as beside, zipfile.ZipFile(beside, "w") as archive:
            tiles = [tile.model_dump(mode="json") for tile in result.tiles]
            head = {
                "tiles": tiles,
                "seconds": result.seconds,
                "previews": list(result.previews),
                "crops": list(result.crops),
            }
            archive.writestr("head.json", json.dumps(head))
            archive.writestr("rows.json", json.dumps(result.rows))
            archive.writestr("thumbnails.png", _strip(result.thumbnails))
            if result.features is not None:
                with archive.open("features.npy", "w") as stream:
                    np.save(stream, result.features, allow_pickle=False)
            for name, content in result.previews.items():
                archive.writestr(name, content)
            for name, content in result.crops.items():
                archive.writestr(f"crops/{name}", content)

    def read(self, number: int) -> ChunkResult:
        """Read a chunk, with its pictures."""
        with zipfile.ZipFile(self._path(number)) as archive:
            head = json.loads(archive.read("head.json"))
            rows = json.loads(archive.read("rows.json"))
            thumbnails = _unstrip(archive.read("thumbnails.png"), len(rows))
            previews = {name: archive.read(name) for name in head["previews"]}
            crops = {name: archive.read(f"crops/{name}") for name in head["crops"]}
            features = _features(archive)
        tiles = tuple(TileRecord.model_validate(tile) for tile in head["tiles"])
        return ChunkResult(tiles, rows, thumbnails, previews, head["seconds"], crops, features)

    def rows(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of each chunk, without pictures."""
        for number in range(self.count):
            with zipfile.ZipFile(self._path(number)) as archive:
                yield json.loads(archive.read("rows.json"))

    def heads(self) -> Iterator[tuple[list[TileRecord], dict[str, float]]]:
        """Yield the tiles of each chunk and the seconds of each stage."""
        for number in range(self.count):
            with zipfile.ZipFile(self._path(number)) as archive:
                head = json.loads(archive.read("head.json"))
            yield [TileRecord.model_validate(tile) for tile in head["tiles"]], head["seconds"]

    def remove(self) -> None:
        """Remove all chunks."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}.zip"

    def has(self, number: int) -> bool:
        """Return whether a chunk was written whole."""
        try:
            with zipfile.ZipFile(self._path(number)) as archive:
                return archive.testzip() is None and bool(archive.getinfo("rows.json"))
        except _DAMAGED:
            return False

    def _same_record(self) -> bool:
        try:
            written = json.loads((self.folder / _RECORD).read_bytes())
        except (OSError, ValueError):
            return False
        return bool(written == json.loads(json.dumps(self.record)))


def _features(archive: zipfile.ZipFile) -> Vectors | None:
    if "features.npy" not in archive.namelist():
        return None
    vectors: Vectors = np.load(io.BytesIO(archive.read("features.npy")), allow_pickle=False)
    return vectors


def _strip(thumbnails: list[Pixels]) -> bytes:
    if not thumbnails:
        return b""
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(thumbnails)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _unstrip(content: bytes, count: int) -> list[Pixels]:
    if not count:
        return []
    with Image.open(io.BytesIO(content)) as strip:
        return list(np.asarray(strip).reshape(count, SPRITE_SIDE, SPRITE_SIDE, 3))
