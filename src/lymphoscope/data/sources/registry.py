"""One way in: words such as `PATH` or `cnmc:PATH` -> manifest."""

from pathlib import Path

from lymphoscope.data.manifest import Manifest
from lymphoscope.data.sources.cnmc import looks_like_cnmc, read_cnmc
from lymphoscope.data.sources.folders import read_folders
from lymphoscope.data.sources.tables import SYNTHETIC_MARK, read_synthetic, read_table
from lymphoscope.errors import LymphoscopeError

KINDS = ("cnmc", "folders", "table")
"""What may stand before the colon."""


def read_source(where: str, *, subject_pattern: str | None = None) -> Manifest:
    """The cells at `where`: a path whose kind is detected, or `cnmc:PATH`, `folders:PATH`, `table:PATH`.

    `subject_pattern` is for `folders`. Pictures are not opened. Raises LymphoscopeError: no such place, the wrong kind
    of place, a pattern where names or columns carry the subject, and what each source raises.
    """
    kind, path = _parse(where)
    if kind != "folders" and subject_pattern is not None:
        raise LymphoscopeError(
            f"a subject pattern is for folders, and {where} is {kind}: leave it out, or folders:PATH"
        )
    if kind == "folders":
        return read_folders(path, subject_pattern)
    return {"cnmc": read_cnmc, "table": read_table, "synthetic": read_synthetic}[kind](path)


def _parse(where: str) -> tuple[str, Path]:
    word, colon, rest = where.partition(":")
    named = colon and word in KINDS
    path = Path(rest if named else where).expanduser()
    if not path.exists():
        raise LymphoscopeError(f"{path}: no such file or folder (a source is PATH, or {':PATH, '.join(KINDS)}:PATH)")
    kind = word if named else _detected(path)
    if path.is_file() != (kind == "table"):
        raise LymphoscopeError(f"{path}: {kind} takes a {'file' if kind == 'table' else 'folder'}")
    return kind, path.resolve()


def _detected(path: Path) -> str:
    if path.is_file():
        return "table"
    if (path / SYNTHETIC_MARK).is_file():
        return "synthetic"
    return "cnmc" if looks_like_cnmc(path) else "folders"
