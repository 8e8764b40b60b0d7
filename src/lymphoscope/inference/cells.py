"""What a person names -> the cells to look at, in the order in which they were named."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lymphoscope.data.sources.walk import IMAGE_SUFFIXES, walk_files
from lymphoscope.errors import LymphoscopeError

if TYPE_CHECKING:
    from lymphoscope.data import Manifest

TABLE_SUFFIXES = (".csv", ".parquet")


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
    Raises LymphoscopeError for a path that is not there, a folder without images, and no cells at all.
    """
    cells = [cell for path in paths for cell in _cells_at(Path(path).absolute())]
    if not cells:
        raise LymphoscopeError("no cells named: give files, folders, or a CSV or Parquet manifest")
    return cells


def cells_of(manifest: "Manifest") -> list[Cell]:
    """The cells of a manifest, in its order."""
    table = manifest.table[list(Cell._fields)]
    return [Cell(*row) for row in table.itertuples(index=False, name=None)]


def _cells_at(path: Path) -> list[Cell]:
    if path.is_dir():
        return [Cell(str(image)) for image in _images_below(path)]
    if not path.exists():
        raise LymphoscopeError(f"{path} is not there: check the path")
    if path.suffix.lower() in TABLE_SUFFIXES:
        from lymphoscope.data import read_manifest  # brings pandas, which single files do without

        return cells_of(read_manifest(path))
    return [Cell(str(path))]


def _images_below(folder: Path) -> list[Path]:
    images = list(walk_files(folder))
    if not images:
        inside = folder / "model"
        hint = f"; it is a run, its model is {inside}" if (inside / "model.json").is_file() else ""
        raise LymphoscopeError(f"{folder} holds no images ({' '.join(IMAGE_SUFFIXES)}){hint}")
    return images
