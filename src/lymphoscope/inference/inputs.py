"""What the user names -> the cells to predict, in order; and their files -> fitted cells.

A file that cannot be read is a result like any other.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.data import CellPreparation
from lymphoscope.data.image_files import IMAGE_SUFFIXES, describe_not_read, walk_files
from lymphoscope.data.images import UnreadableImage, decoded_image, image_pixels
from lymphoscope.data.quality import ImageStatistics, image_statistics, visible_part
from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.inference.remote import TABLE_SUFFIXES, exists, images_at, is_remote, is_table, local_copy

if TYPE_CHECKING:
    import pandas as pd

    from lymphoscope.data import Manifest

CELL_COLUMNS = ("path", "subject", "slide", "label")
"""The columns of a manifest that predictions carry along."""

CellInput: TypeAlias = "str | Path | NDArray[np.uint8] | Image.Image"
"""A path or address of a file, folder or manifest; an image (H, W, 3) uint8 RGB; or a Pillow image."""
CellInputs: TypeAlias = "CellInput | Sequence[CellInput] | pd.DataFrame | Manifest"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell before its image is read; `path` is absolute.

    `image` holds the pixels of a cell without a file. `fetch` says whether a path that is an address may be fetched.
    """

    path: str
    subject: str | None = None
    slide: str | None = None
    label: str | None = None
    image: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False, kw_only=True)
    fetch: bool = field(default=False, repr=False, compare=False, kw_only=True)

    @property
    def printable_path(self) -> str:
        """The path as text that can be written; bytes of a file name that are not UTF-8 become escapes."""
        return self.path.encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(frozen=True)
class ReadCell:
    """A cell as read: the fitted pixels and the size of its file, or the reason why it could not be read."""

    pixels: NDArray[np.uint8] | None
    """(S, S, 3) RGB."""
    width: int = 0
    """Pixels of the file."""
    height: int = 0
    """Pixels of the file."""
    error: str | None = None
    statistics: ImageStatistics | None = None
    """Of the fitted pixels, on request."""


def as_cells(inputs: CellInputs, *, allow_remote: bool = False) -> list[Cell]:
    """List the cells of whatever `Model.predict` takes: paths, arrays, Pillow images, a DataFrame or a manifest.

    A DataFrame needs the column `path`; its `subject`, `slide` and `label` are carried along. Arrays and images get
    the paths `image-0`, `image-1`, ... Raises LymphoscopeError as `find_cells` does, and for an array of another shape
    or type.
    """
    if isinstance(inputs, str | Path):
        return find_cells([inputs], allow_remote=allow_remote)
    if isinstance(inputs, Image.Image) or (isinstance(inputs, np.ndarray) and inputs.ndim != 4):
        return [_cell_of_image(inputs, 0)]
    table: Any = getattr(inputs, "table", inputs)  # of a manifest
    if hasattr(table, "columns"):
        return cells_of(_as_manifest(table), allow_remote=allow_remote)
    images: Iterable[Any] = table
    cells = [cell for index, one in enumerate(images) for cell in _cells_of_input(one, index, allow_remote)]
    return cells or find_cells([])


@dataclass(frozen=True)
class FoundCells:
    """The cells of some paths, how many files of their folders are not read, by kind, and notices on their tables."""

    cells: list[Cell]
    not_read: Counter[str]
    notices: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What the user should know, one line each."""
        not_read = describe_not_read(self.not_read)
        return [*self.notices, *([not_read] if not_read else [])]


def find_cells(paths: Sequence[str | Path], *, allow_remote: bool = False) -> list[Cell]:
    """List the cells of `search_cells`, and log what is not read as a warning."""
    search = search_cells(paths, allow_remote=allow_remote)
    for line in search.lines:
        logging.getLogger("lymphoscope").warning(line)
    return search.cells


def search_cells(paths: Sequence[str | Path], *, allow_remote: bool = False) -> FoundCells:
    """List the cells of files, folders and manifests, and count by kind what is not read.

    A file is taken whatever its name. A folder gives the image files below it (by suffix, or by header if they have no
    suffix), sorted, without hidden ones; links to folders are followed. A CSV or Parquet file is a manifest, and its
    subject, slide and label are carried along. An address such as
    `s3://bucket/cells` is read through fsspec and can name the same things. Addresses in a table are fetched only if
    `allow_remote`, or if they are below the address of the table; otherwise they become rows with an error.
    Raises LymphoscopeError for a path that does not exist, a folder without images, and no cells at all.
    """
    searches = [_cells_of_path(path, allow_remote) for path in paths]
    cells = [cell for one in searches for cell in one.cells]
    if not cells:
        raise LymphoscopeError("no cells given: name files, folders, or a CSV or Parquet manifest")
    notices = tuple(dict.fromkeys(notice for one in searches for notice in one.notices))
    return FoundCells(cells, sum((one.not_read for one in searches), Counter()), notices)


def cells_of(manifest: "Manifest", *, allow_remote: bool = False) -> list[Cell]:
    """Return the cells of a manifest, in order; `allow_remote` lets addresses in it be fetched."""
    table = manifest.table[list(CELL_COLUMNS)]
    return [Cell(*row, fetch=allow_remote) for row in table.itertuples(index=False, name=None)]


def read_cell(path: str, preparation: CellPreparation, *, measured: bool = False) -> ReadCell:
    """Read one file or address and prepare it; if `measured`, with the statistics of what the network receives."""
    if is_remote(path):
        return _read_remote(path, preparation, measured)
    try:
        with decoded_image(path) as image:
            return prepare_cell(image, preparation, measured=measured)
    except UnreadableImage as error:
        return ReadCell(None, error=error.reason)
    except MemoryError:
        return ReadCell(None, error="does not fit in memory")


def prepare_cell(image: NDArray[np.uint8], preparation: CellPreparation, *, measured: bool = False) -> ReadCell:
    """Prepare an image (H, W, 3) RGB; if `measured`, with the statistics of what the network receives."""
    height, width = image.shape[:2]
    pixels = preparation.prepare(image)
    visible = visible_part(width, height, preparation.geometry)
    statistics = image_statistics(pixels, visible) if measured else None
    return ReadCell(pixels, width, height, statistics=statistics)


def load_cell(cell: Cell, preparation: CellPreparation, *, measured: bool = False) -> ReadCell:
    """Prepare the image of a cell, from its file unless the cell holds it."""
    if cell.image is None and is_remote(cell.path) and not cell.fetch:
        return ReadCell(None, error="an address in a table is fetched only with --allow-remote")
    if cell.image is None:
        return read_cell(cell.path, preparation, measured=measured)
    return prepare_cell(cell.image, preparation, measured=measured)


def _cells_of_input(one: CellInput, index: int, allow_remote: bool) -> Iterable[Cell]:
    return find_cells([one], allow_remote=allow_remote) if isinstance(one, str | Path) else [_cell_of_image(one, index)]


def _cell_of_image(image: "NDArray[np.uint8] | Image.Image", index: int) -> Cell:
    name = f"image-{index}"
    if isinstance(image, Image.Image):
        return Cell(name, image=image_pixels(image))
    if not isinstance(image, np.ndarray):
        raise LymphoscopeError(f"{name} is a {type(image).__name__}: give paths, arrays, Pillow images or a DataFrame")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise LymphoscopeError(
            f"{name} has shape {image.shape} and type {image.dtype}: give (H, W, 3) uint8 RGB, 0-255"
        )
    return Cell(name, image=image)


def _as_manifest(table: "pd.DataFrame") -> "Manifest":
    from lymphoscope.data import Manifest

    if "path" not in table.columns:
        columns = ", ".join(str(name) for name in table.columns[:8])
        raise LymphoscopeError(f"the table has no column `path` (it has {columns}): rename the column of image files")
    paths = [path if is_remote(path) else str(Path(path).absolute()) for path in map(str, table["path"])]
    return Manifest(table.assign(path=paths), "table")


def _cells_of_path(path: str | Path, allow_remote: bool) -> FoundCells:
    if is_remote(path):
        return _cells_at_address(str(path), allow_remote)
    return _cells_at(Path(path).absolute(), allow_remote)


def _cells_at(path: Path, allow_remote: bool) -> FoundCells:
    if path.is_dir():
        return _cells_below(path)
    if not path.exists():
        raise LymphoscopeError(f"{path} does not exist: check the path")
    if path.suffix.lower() in TABLE_SUFFIXES:
        from lymphoscope.data import read_manifest

        manifest = read_manifest(path)
        return FoundCells(cells_of(manifest, allow_remote=allow_remote), Counter(), manifest.notices)
    return FoundCells([Cell(str(path))], Counter())


def _cells_below(folder: Path) -> FoundCells:
    not_read: Counter[str] = Counter()
    images = list(walk_files(folder, not_read=not_read))
    if not images:
        model = folder / "model"
        hint = f"; it is a run, and its model is {model}" if (model / "model.json").is_file() else ""
        skipped = f"; {describe_not_read(not_read)}" if not_read else ""
        raise LymphoscopeError(f"{folder} contains no images ({' '.join(IMAGE_SUFFIXES)}){skipped}{hint}")
    return FoundCells([Cell(str(image)) for image in images], not_read)


def _cells_at_address(url: str, allow_remote: bool) -> FoundCells:
    if is_table(url):
        return _cells_of_remote_table(url, allow_remote)
    images, not_read = images_at(url)
    if not images:
        fault = "contains no images" if exists(url) else "does not exist: check the address"
        raise LymphoscopeError(f"{url} {fault}")
    return FoundCells([Cell(image, fetch=True) for image in images], not_read)


def _cells_of_remote_table(url: str, allow_remote: bool) -> FoundCells:
    """List the cells of a remote manifest; its relative paths start at its own folder."""
    from lymphoscope.data import read_manifest

    try:
        with local_copy(url) as copy:
            manifest, local_folder = read_manifest(copy), f"{copy.parent}/"
    except OSError as error:
        raise LymphoscopeError(f"{url} cannot be read: {error}") from error
    folder = url.rpartition("/")[0] + "/"
    cells = [
        replace(cell, path=folder + cell.path.removeprefix(local_folder), fetch=True)
        if cell.path.startswith(local_folder)
        else replace(cell, fetch=allow_remote)
        for cell in cells_of(manifest)
    ]
    return FoundCells(cells, Counter(), manifest.notices)


def _read_remote(url: str, preparation: CellPreparation, measured: bool) -> ReadCell:
    try:
        with local_copy(url) as copy:
            return read_cell(str(copy), preparation, measured=measured)
    except (OSError, LymphoscopeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return ReadCell(None, error=f"cannot be fetched: {one_line(reason)}")
