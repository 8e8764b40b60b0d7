"""The files that results name: only those within the results folder, or below a folder that the server was given."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lymphoscope.review.refusals import RefusalError, not_found
from lymphoscope.review.tables import Case, Source


def results_folder(session: Session, case: int) -> Path:
    """Return the results folder of a case. Raises RefusalError 404."""
    folder = session.scalar(select(Source.folder).join(Case, Case.source_id == Source.id).where(Case.id == case))
    if folder is None:
        raise not_found("case", case)
    return Path(folder)


def named_file(folder: Path, name: str, roots: Iterable[Path]) -> Path:
    """Return a file that results name, relative to their folder or absolute.

    Raises RefusalError 404 if it lies neither in the folder nor below one of `roots`, with links followed, or is gone.
    """
    path = (folder / name).resolve()
    if not any(path.is_relative_to(root.resolve()) for root in (folder, *roots)):
        raise RefusalError(
            404, "unavailable", f"{path.name} lies outside the folders that this server may read: start it with --root"
        )
    if not path.exists():
        raise RefusalError(404, "unavailable", f"{path.name} is missing: it was moved or removed since the import")
    return path
