"""A folder a class; the subject by a regular expression on the path."""

import re
from pathlib import Path

from lymphoscope.data.manifest import Manifest, manifest_of
from lymphoscope.data.sources.files import walk_files
from lymphoscope.errors import LymphoscopeError

_PARTS_OF_A_SPLIT = {"train", "training", "val", "valid", "validation", "test", "testing"}


def read_folders(root: Path, subject_pattern: str | None = None) -> Manifest:
    """A manifest where the first folder below `root` is the class; pictures in `root` itself have no label.

    `subject_pattern` is searched in the path below `root` (forward slashes); the subject is its group named `subject`,
    else its first. Raises LymphoscopeError: no pictures, a class without any, folders that are parts of a split, a
    pattern that is wrong or matches no path.
    """
    pattern = _compiled(subject_pattern) if subject_pattern is not None else None
    cells = []
    for path in walk_files(root):
        below = path.relative_to(root)
        label = below.parts[0] if len(below.parts) > 1 else None
        cells.append({"path": str(path), "label": label, "subject": _subject(pattern, below.as_posix())})
    if not cells:
        raise LymphoscopeError(f"{root} holds no pictures: give a folder with a folder of pictures for each class")
    manifest = manifest_of(cells, "folders")
    _check_classes(root, manifest)
    return manifest.with_table(manifest.table, *_notices(manifest, pattern))


def _compiled(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise LymphoscopeError(f"subject pattern {text!r} is no regular expression: {error}") from error
    if pattern.groups == 0:
        raise LymphoscopeError(f"subject pattern {text!r} has no group: put the subject's part in (?P<subject>...)")
    return pattern


def _subject(pattern: re.Pattern[str] | None, below: str) -> str | None:
    found = pattern.search(below) if pattern else None
    if pattern is None or found is None:
        return None
    return found["subject" if "subject" in pattern.groupindex else 1] or None


def _check_classes(root: Path, manifest: Manifest) -> None:
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if folders and {name.lower() for name in folders} <= _PARTS_OF_A_SPLIT:
        raise LymphoscopeError(
            f"{root} holds {', '.join(folders)}, which are parts of a split and not classes: "
            "give one of them, or a table with the columns path, label, subject, split"
        )
    empty = sorted(set(folders) - set(manifest.classes))
    if empty:
        raise LymphoscopeError(f"class {empty[0]} has no pictures in {root / empty[0]}: add some or remove the folder")


def _notices(manifest: Manifest, pattern: re.Pattern[str] | None) -> list[str]:
    notices = []
    unlabelled = int(manifest.table["label"].isna().sum())
    without = manifest.table.loc[manifest.table["subject"].isna(), "path"]
    if unlabelled:
        notices.append(f"{unlabelled} pictures lie outside the folders of the classes and have no label")
    if pattern is not None and len(without) == len(manifest):
        raise LymphoscopeError(f"subject pattern {pattern.pattern!r} matches no path, such as {without.iloc[0]}")
    if pattern is not None and len(without):
        notices.append(f"the subject pattern does not match {len(without)} paths, such as {without.iloc[0]}")
    return notices
