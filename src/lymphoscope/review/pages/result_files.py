"""The files that results name: only those within the results folder, or below a folder that the server was given."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review.refusals import RefusalError, not_found
from lymphoscope.review.tables import Case, Cell, Field, Source


def results_folder(session: Session, case: int) -> Path:
    """Return the results folder of a case. Raises RefusalError 404."""
    folder = session.scalar(select(Source.folder).join(Case, Case.source_id == Source.id).where(Case.id == case))
    if folder is None:
        raise not_found("case", case)
    return Path(folder)


def named_folders(session: Session, results: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders of the fields and cells that these results name by absolute paths."""
    wanted = [root.resolve() for root in results]
    sources = [one for one in session.scalars(select(Source)) if _is_of(Path(one.folder), wanted)]
    cases = select(Case.id).where(Case.source_id.in_([one.id for one in sources]))
    fields = session.scalars(select(Field.path).where(Field.case_id.in_(cases)))
    cells = session.scalars(select(Cell.path).where(Cell.case_id.in_(cases)).distinct())
    folders = {Path(path).parent for path in (*fields, *cells) if path and Path(path).is_absolute()}
    return tuple(sorted(folders))


def _is_of(folder: Path, results: Iterable[Path]) -> bool:
    return any(folder.is_relative_to(root) or folder == root.parent for root in results)


def named_file(folder: Path, name: str, roots: Iterable[Path]) -> Path:
    """Return a file that results name, relative to their folder or absolute.

    Raises RefusalError 404 if it lies neither in the folder nor below one of `roots`, with links followed, or is gone.
    """
    path = (folder / name).resolve()
    if not any(path.is_relative_to(root.resolve()) for root in (folder, *roots)):
        raise RefusalError(
            404, "unavailable", f"{path.name} lies outside the folders that this server was started with"
        )
    if not path.exists():
        raise RefusalError(404, "unavailable", f"{path.name} is missing: it was moved or removed since the import")
    return path
