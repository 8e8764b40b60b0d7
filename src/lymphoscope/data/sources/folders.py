"""One folder per class; subjects by a regular expression on the path."""

import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lymphoscope.data.image_files import describe_not_read, walk_files
from lymphoscope.data.manifest import Manifest, manifest_of
from lymphoscope.data.sources.registry import source
from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import counted

if TYPE_CHECKING:
    import regex

_SPLIT_FOLDER = re.compile(r"(?i)(train|training|val|valid|validation|test|testing)(?![a-z]).*")
"""Names of parts of a split: `train`, `TEST_SIMPLE`, `val-2`, but not `testis`."""
_PATTERN_SECONDS = 5.0
"""Time for a subject pattern on all paths, to which each path adds a millisecond. Usual ones need a microsecond."""


@source("folders", title="one folder per class", reads="folder", detect=Path.is_dir, priority=0)
def read_folders(root: Path, subject_pattern: str | None = None) -> Manifest:
    """Read images whose class is the first folder below `root`; images in `root` itself have no label.

    `subject_pattern` is searched in the path below `root` (forward slashes); the subject is its group named `subject`,
    else its first group. Raises LymphoscopeError: no images, a class without any, folders that are parts of a split, a
    pattern that is invalid, takes too long or matches no path. What is not read is a notice.
    """
    pattern = _compiled(subject_pattern) if subject_pattern is not None else None
    not_read: Counter[str] = Counter()
    paths = [path.relative_to(root) for path in walk_files(root, not_read=not_read)]
    skipped = describe_not_read(not_read)
    if not paths:
        hint = f" ({skipped})" if skipped else ""
        raise LymphoscopeError(f"{root} contains no images{hint}: give a folder with one folder of images per class")
    subjects = _subjects(pattern, [path.as_posix() for path in paths])
    cells = [
        {"path": str(root / path), "label": path.parts[0] if len(path.parts) > 1 else None, "subject": subject}
        for path, subject in zip(paths, subjects, strict=True)
    ]
    manifest = manifest_of(cells, "folders")
    _check_classes(root, manifest)
    notices = [*_notices(manifest, pattern), *_deeper_classes(root, manifest), *([skipped] if skipped else [])]
    return manifest.with_table(manifest.table, *notices)


def _compiled(text: str) -> "regex.Pattern[str]":
    import regex  # unlike `re` it has a time limit: some patterns take years on a short path

    try:
        pattern = regex.compile(text)
    except regex.error as error:
        raise LymphoscopeError(f"subject pattern {text!r} is not a valid regular expression: {error}") from error
    if pattern.groups == 0:
        raise LymphoscopeError(f"subject pattern {text!r} has no group: mark the subject as (?P<subject>...)")
    return pattern


def _subjects(pattern: "regex.Pattern[str] | None", paths: list[str]) -> list[str | None]:
    """Return the subject of every path. Raises LymphoscopeError if that takes too long."""
    if pattern is None:
        return [None] * len(paths)
    group = "subject" if "subject" in pattern.groupindex else 1
    deadline = time.monotonic() + _PATTERN_SECONDS + len(paths) / 1000
    subjects: list[str | None] = []
    for path in paths:
        try:
            match = pattern.search(path, timeout=max(deadline - time.monotonic(), 0.001))
        except TimeoutError as error:
            raise LymphoscopeError(
                f"subject pattern {pattern.pattern!r} takes too long on {path}: avoid nested repetitions such as (a+)+"
            ) from error
        subjects.append((match[group] or None) if match else None)
    return subjects


def _check_classes(root: Path, manifest: Manifest) -> None:
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    parts = [name for name in folders if _SPLIT_FOLDER.fullmatch(name)]
    if parts and (len(parts) == len(folders) or len(parts) > 1):
        raise LymphoscopeError(
            f"{root} contains {', '.join(parts)}, which are parts of a split and not classes: "
            "give one of them, or a table with the columns path, label, subject, split"
        )
    empty = sorted(set(folders) - set(manifest.classes))
    if empty:
        raise LymphoscopeError(f"class {empty[0]} has no images in {root / empty[0]}: add some or remove the folder")


def _deeper_classes(root: Path, manifest: Manifest) -> list[str]:
    """A notice if all images have one label and lie in subfolders, which are probably the classes."""
    if len(manifest.classes) != 1:
        return []
    folder = root / manifest.classes[0]
    relative = [Path(path).relative_to(folder).parts for path in manifest.table["path"] if folder in Path(path).parents]
    below = sorted({parts[0] for parts in relative if len(parts) > 1})
    if len(below) < 2:
        return []
    listed = ", ".join(below[:4])
    return [f"ONE CLASS: all images have the label {folder.name}. If {listed} are the classes, give {folder}"]


def _notices(manifest: Manifest, pattern: "regex.Pattern[str] | None") -> list[str]:
    notices = []
    unlabelled = int(manifest.table["label"].isna().sum())
    without = manifest.table.loc[manifest.table["subject"].isna(), "path"]
    if unlabelled:
        notices.append(f"{counted(unlabelled, 'image')} outside the class folders, without a label")
    if pattern is not None and len(without) == len(manifest):
        raise LymphoscopeError(f"subject pattern {pattern.pattern!r} matches no path, such as {without.iloc[0]}")
    if pattern is not None and len(without):
        notices.append(f"the subject pattern does not match {len(without)} paths, such as {without.iloc[0]}")
    return notices
