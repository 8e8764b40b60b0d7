"""What the user names -> the fields and slides to read, in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lymphoscope.data import walk_files
from lymphoscope.data.tables import TABLE_SUFFIXES, read_table_file
from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear.readers import slide_suffixes
from lymphoscope.smear.readers.slide import plausible_scale

TABLE_COLUMNS = ("path", "slide", "subject", "microns_per_pixel")


@dataclass(frozen=True)
class FieldInput:
    """A field or slide to read, and what the user said about it."""

    path: Path
    slide: str | None = None
    subject: str | None = None
    microns_per_pixel: float | None = None


def find_fields(
    paths: Sequence[str | Path], *, slide: str | None = None, subject: str | None = None
) -> list[FieldInput]:
    """List the fields of files, folders and tables, in order; `slide` and `subject` are those of all of them.

    A folder gives the images and slides below it, sorted; the name of the folder that holds an image is its slide. A
    folder of DICOM files is one slide. A CSV or Parquet table has the columns `path` and, where known, `slide`,
    `subject` and `microns_per_pixel`. Raises LymphoscopeError for a path that does not exist, a folder without images,
    and no fields at all.
    """
    found = [one for path in paths for one in _fields_at(Path(path).absolute())]
    if not found:
        raise LymphoscopeError("no fields given: name images, slides, folders of them, or a table with their paths")
    named = [replace(one, slide=slide or one.slide, subject=subject or one.subject) for one in found]
    seen: set[Path] = set()
    for one in named:
        if one.path in seen:
            raise LymphoscopeError(f"{one.path} is given twice: its cells would be counted twice, name it once")
        seen.add(one.path)
    return named


def _fields_at(path: Path) -> Iterator[FieldInput]:
    if not path.exists():
        raise LymphoscopeError(f"{path} does not exist: check the path")
    if path.suffix.lower() in TABLE_SUFFIXES and path.is_file():
        yield from _fields_of_table(path)
    elif path.is_dir() and not any(path.glob("*.dcm")):
        yield from _fields_below(path)
    else:
        yield FieldInput(path)


def _fields_below(folder: Path) -> list[FieldInput]:
    found, dicom = [], set()
    for file in walk_files(folder, slide_suffixes()):
        if file.suffix.lower() != ".dcm":
            found.append(FieldInput(file, slide=file.parent.name))
        elif file.parent not in dicom:
            dicom.add(file.parent)
            found.append(FieldInput(file.parent))
    if not found:
        raise LymphoscopeError(f"{folder} contains no fields or slides ({' '.join(slide_suffixes())})")
    return found


def _fields_of_table(path: Path) -> list[FieldInput]:
    table = read_table_file(path)
    if "path" not in table.columns:
        raise LymphoscopeError(f"{path} has no column `path`: rename the column with the files of the fields")
    table = table.reindex(columns=list(TABLE_COLUMNS)).astype(object)
    rows = table.where(table.notna(), None).itertuples(index=False, name=None)
    return [_field_of_row(path, number, row) for number, row in enumerate(rows, start=1)]


def _field_of_row(table: Path, number: int, row: tuple[object, ...]) -> FieldInput:
    path, slide, subject, scale = (None if value is None else str(value).strip() for value in row)
    if not path:
        raise LymphoscopeError(f"{table}: row {number} after the header has no path")
    try:
        microns = None if not scale else float(scale)
    except ValueError:
        microns = -1.0
    if microns is not None and plausible_scale(microns) is None:
        raise LymphoscopeError(f"{table}: row {number}: microns_per_pixel is {scale}: give a number from 0.02 to 5")
    return FieldInput((table.parent / path).absolute(), slide or None, subject or None, microns)
