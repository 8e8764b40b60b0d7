"""What a person names -> the cells to look at, in the order in which they were named.

Files -> fitted cells, where a file that cannot be read is a result like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lymphoscope.data import CellPreparation
from lymphoscope.data.image_files import IMAGE_SUFFIXES, walk_files
from lymphoscope.data.images import UnreadableImage, read_image
from lymphoscope.data.quality import ImageStatistics, image_statistics, visible_part
from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.remote import TABLE_SUFFIXES, exists, images_at, is_remote, is_table, local_copy

if TYPE_CHECKING:
    from lymphoscope.data import Manifest


class Cell(NamedTuple):
    """What is known of a cell before it is looked at; `path` is absolute."""

    path: str
    subject: str | None = None
    slide: str | None = None
    label: str | None = None

    @property
    def printable_path(self) -> str:
        """The path as text that can be written: bytes of a file name that are not UTF-8 become escapes."""
        return self.path.encode("utf-8", "backslashreplace").decode("utf-8")


def find_cells(paths: Sequence[str | Path]) -> list[Cell]:
    """List the cells of files, folders and manifests.

    A file is taken whatever its name; a folder gives the images below it, by suffix, sorted, hidden ones left out; a
    CSV or Parquet file is a manifest, whose subject, slide and label are carried along.
    An address such as `s3://bucket/cells` is read through fsspec and names the same things.
    Raises LymphoscopeError for a path that is not there, a folder without images, and no cells at all.
    """
    cells = [cell for path in paths for cell in _cells_of_word(path)]
    if not cells:
        raise LymphoscopeError("no cells named: give files, folders, or a CSV or Parquet manifest")
    return cells


def cells_of(manifest: "Manifest") -> list[Cell]:
    """The cells of a manifest, in its order."""
    table = manifest.table[list(Cell._fields)]
    return [Cell(*row) for row in table.itertuples(index=False, name=None)]


def _cells_of_word(word: str | Path) -> list[Cell]:
    return _cells_at_address(str(word)) if is_remote(word) else _cells_at(Path(word).absolute())


def _cells_at_address(url: str) -> list[Cell]:
    if is_table(url):
        return _cells_of_remote_table(url)
    images = images_at(url)
    if not images:
        found = "holds no images" if exists(url) else "is not there: check the address"
        raise LymphoscopeError(f"{url} {found}")
    return [Cell(image) for image in images]


def _cells_of_remote_table(url: str) -> list[Cell]:
    """The cells of a manifest elsewhere; its relative paths are taken from where it lies."""
    from lymphoscope.data import read_manifest

    try:
        with local_copy(url) as copy:
            cells, here = cells_of(read_manifest(copy)), f"{copy.parent}/"
    except OSError as error:
        raise LymphoscopeError(f"{url} cannot be read: {error}") from error
    folder = url.rpartition("/")[0] + "/"
    return [cell._replace(path=cell.path.replace(here, folder, 1)) for cell in cells]


def _cells_at(path: Path) -> list[Cell]:
    if path.is_dir():
        return [Cell(str(image)) for image in _images_below(path)]
    if not path.exists():
        raise LymphoscopeError(f"{path} is not there: check the path")
    if path.suffix.lower() in TABLE_SUFFIXES:
        from lymphoscope.data import read_manifest

        return cells_of(read_manifest(path))
    return [Cell(str(path))]


def _images_below(folder: Path) -> list[Path]:
    images = list(walk_files(folder))
    if not images:
        inside = folder / "model"
        hint = f"; it is a run, its model is {inside}" if (inside / "model.json").is_file() else ""
        raise LymphoscopeError(f"{folder} holds no images ({' '.join(IMAGE_SUFFIXES)}){hint}")
    return images


@dataclass(frozen=True)
class ReadCell:
    """A cell as read: its pixels (S, S, 3) RGB and the size of its file in pixels, or the reason why not.

    `statistics` are of its pixels, where they were asked for.
    """

    pixels: NDArray[np.uint8] | None
    width: int = 0
    height: int = 0
    error: str | None = None
    statistics: ImageStatistics | None = None


def read_cell(path: str, preparation: CellPreparation, *, measured: bool = False) -> ReadCell:
    """Read and prepare one file; if `measured`, its quality is measured before its stain is normalised."""
    if is_remote(path):
        return _read_remote(path, preparation, measured)
    try:
        picture = read_image(path)
    except UnreadableImage as unreadable:
        return ReadCell(None, error=unreadable.reason)
    height, width = picture.shape[:2]
    fitted = preparation.fit(picture)
    visible = visible_part(width, height, preparation.geometry)
    statistics = image_statistics(fitted, visible) if measured else None
    return ReadCell(preparation.normalize(fitted), width, height, statistics=statistics)


def _read_remote(url: str, preparation: CellPreparation, measured: bool) -> ReadCell:
    try:
        with local_copy(url) as copy:
            return read_cell(str(copy), preparation, measured=measured)
    except OSError as error:
        return ReadCell(None, error=f"cannot be fetched: {error.strerror or type(error).__name__}")
