"""One folder per class; subjects by a regular expression on the path."""

import re
from pathlib import Path

from lymphoscope.data.image_files import walk_files
from lymphoscope.data.manifest import Manifest, manifest_of
from lymphoscope.data.sources.registry import source
from lymphoscope.errors import LymphoscopeError

_SPLIT_FOLDERS = {"train", "training", "val", "valid", "validation", "test", "testing"}


@source("folders", title="one folder per class", reads="folder", detect=Path.is_dir, priority=0)
def read_folders(root: Path, subject_pattern: str | None = None) -> Manifest:
    """Read images whose class is the first folder below `root`; images in `root` itself have no label.

    `subject_pattern` is searched in the path below `root` (forward slashes); the subject is its group named `subject`,
    else its first group. Raises LymphoscopeError: no images, a class without any, folders that are parts of a split, a
    pattern that is invalid or matches no path.
    """
    pattern = _compiled(subject_pattern) if subject_pattern is not None else None
    cells = []
    for path in walk_files(root):
        relative = path.relative_to(root)
        label = relative.parts[0] if len(relative.parts) > 1 else None
        cells.append({"path": str(path), "label": label, "subject": _subject(pattern, relative.as_posix())})
    if not cells:
        raise LymphoscopeError(f"{root} contains no images: give a folder with one folder of images per class")
    manifest = manifest_of(cells, "folders")
    _check_classes(root, manifest)
    return manifest.with_table(manifest.table, *_notices(manifest, pattern))


def _compiled(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise LymphoscopeError(f"subject pattern {text!r} is not a valid regular expression: {error}") from error
    if pattern.groups == 0:
        raise LymphoscopeError(f"subject pattern {text!r} has no group: mark the subject as (?P<subject>...)")
    return pattern


def _subject(pattern: re.Pattern[str] | None, relative: str) -> str | None:
    match = pattern.search(relative) if pattern else None
    if pattern is None or match is None:
        return None
    return match["subject" if "subject" in pattern.groupindex else 1] or None


def _check_classes(root: Path, manifest: Manifest) -> None:
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if folders and {name.lower() for name in folders} <= _SPLIT_FOLDERS:
        raise LymphoscopeError(
            f"{root} contains {', '.join(folders)}, which are parts of a split and not classes: "
            "give one of them, or a table with the columns path, label, subject, split"
        )
    empty = sorted(set(folders) - set(manifest.classes))
    if empty:
        raise LymphoscopeError(f"class {empty[0]} has no images in {root / empty[0]}: add some or remove the folder")


def _notices(manifest: Manifest, pattern: re.Pattern[str] | None) -> list[str]:
    notices = []
    unlabelled = int(manifest.table["label"].isna().sum())
    without = manifest.table.loc[manifest.table["subject"].isna(), "path"]
    if unlabelled:
        notices.append(f"{unlabelled} images are outside the class folders and have no label")
    if pattern is not None and len(without) == len(manifest):
        raise LymphoscopeError(f"subject pattern {pattern.pattern!r} matches no path, such as {without.iloc[0]}")
    if pattern is not None and len(without):
        notices.append(f"the subject pattern does not match {len(without)} paths, such as {without.iloc[0]}")
    return notices
