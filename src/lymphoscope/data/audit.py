"""Every check of a manifest and its files: unreadable files, sizes, duplicates, leaks, suspicious labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from lymphoscope.data.findings import AuditReport, Finding, findings_table
from lymphoscope.data.identity import IDENTITY_COLUMNS, spelling_conflicts
from lymphoscope.data.manifest import HASH_COLUMNS, Manifest
from lymphoscope.data.overview import split_notices
from lymphoscope.data.partial_labels import unknown_possible_labels
from lymphoscope.data.quality import DEFAULT_CROP
from lymphoscope.data.similarity import (
    NEAR_DISTANCE,
    FileInspection,
    add_fingerprints,
    exact_duplicates,
    inspect_files,
    near_duplicates,
)
from lymphoscope.data.sources.cnmc import label_in_name

_INSPECTED = ("fault", "sha256", *HASH_COLUMNS, "beyond_crop", "few_bits")
_USUAL_SIZE_SHARE = 0.9
_SINGLE_LABEL_SHARE = 0.9
_LARGE_SUBJECT = 1 / 3
_CLASS_RATIO = 3


def audit_manifest(
    manifest: Manifest, *, expected_size: tuple[int, int] | None = None, near_distance: int = NEAR_DISTANCE
) -> AuditReport:
    """Read every file once and report what is wrong; the report says whether the audit failed.

    Errors: unreadable files, one file under two labels or subjects or in two parts of a split, subjects in two parts,
    another size than `expected_size` (width, height; pixels). Warnings: files that occur twice, near duplicates (within
    `near_distance` of 256 bits) under two labels or subjects or in two parts, another size than 90 % of the images, a
    subject with two labels where 90 % of the subjects have one, 12 bits stored in 16, a folder
    named as another class than the label, a possible label that no cell has, no label at all. All other
    findings are notices.
    """
    return audit_with_fingerprints(manifest, expected_size=expected_size, near_distance=near_distance)[0]


def audit_with_fingerprints(
    manifest: Manifest, *, expected_size: tuple[int, int] | None = None, near_distance: int = NEAR_DISTANCE
) -> tuple[AuditReport, Manifest]:
    """Return the report of `audit_manifest` and the manifest with fingerprints, both from one reading of the files."""
    inspections = inspect_files(list(manifest.table["path"]))
    report = _report(manifest, inspections, expected_size, near_distance)
    return report, add_fingerprints(manifest, inspections, manifest.table.index)


def _report(
    manifest: Manifest, inspections: Sequence[FileInspection], expected_size: tuple[int, int] | None, near_distance: int
) -> AuditReport:
    cells = manifest.table.assign(**{name: [getattr(one, name) for one in inspections] for name in _INSPECTED})
    for name in ("width", "height"):
        cells[name] = pd.array([getattr(one, name) for one in inspections], dtype="Int64")
    findings = [
        *_unreadable(cells),
        *_sizes(cells, expected_size),
        *exact_duplicates(cells),
        *near_duplicates(cells, near_distance),
        *_spellings(cells),
        *_split_subjects(cells),
        *_unusual_labels(cells),
        *_missing_values(cells),
        *_imbalance(cells),
        *_beyond_crop(cells),
        *_few_bits(cells),
        *_other_folder(cells),
        *_possible_labels(cells),
        *_labelled_again(manifest),
        *_flat_folder(manifest),
    ]
    notices = tuple(dict.fromkeys(manifest.notices + split_notices(cells)))
    return AuditReport(manifest.source, len(cells), findings_table(findings), _class_counts(cells), notices)


def _unreadable(cells: pd.DataFrame) -> Iterator[Finding]:
    for row in cells[cells["fault"].notna()].itertuples():
        yield Finding("unreadable", "error", str(row.path), None, str(row.fault))


def _sizes(cells: pd.DataFrame, expected: tuple[int, int] | None) -> Iterator[Finding]:
    readable = cells[cells["width"].notna()]
    sizes = pd.Series(list(zip(readable["width"], readable["height"], strict=True)), index=readable.index, dtype=object)
    if sizes.empty:
        return
    counts = sizes.value_counts()
    right_size = expected or counts.index[0]
    if expected is None and counts.iloc[0] < _USUAL_SIZE_SHARE * len(sizes):
        listed = ", ".join(f"{width}x{height}" for width, height in counts.index[:5])
        yield Finding("size", "notice", None, None, f"{len(counts)} sizes, none of them usual: {listed}")
        return
    reference = f"{right_size[0]}x{right_size[1]}"
    for row in sizes.index[sizes != right_size]:
        detail = f"{sizes[row][0]}x{sizes[row][1]} pixels, "
        detail += f"{reference} expected" if expected else f"most are {reference}"
        yield Finding("size", "error" if expected else "warning", str(cells.at[row, "path"]), None, detail)


def _split_subjects(cells: pd.DataFrame) -> Iterator[Finding]:
    """Subjects in two parts of a split (or in two folds, if there are only folds), with one file of each part."""
    column = next((name for name in ("split", "fold") if name in cells), None)
    if column is None:
        return
    for subject, own in cells[cells[column].notna()].groupby("subject"):
        parts = own.drop_duplicates(column)
        if len(parts) > 1:
            listed = " and ".join(str(part) for part in parts[column])
            path, other = parts["path"].iloc[:2]
            yield Finding("split-subject", "error", path, other, f"subject {subject} is in {column} {listed}")


def _unusual_labels(cells: pd.DataFrame) -> Iterator[Finding]:
    """Subjects with cells of two labels where nearly every subject has one: some labels may be wrong."""
    labels = cells.groupby("subject")["label"].nunique()
    if (labels <= 1).mean() < _SINGLE_LABEL_SHARE or (labels <= 1).all():
        return
    for subject in labels.index[labels > 1]:
        counts = cells.loc[cells["subject"] == subject, "label"].value_counts()
        path = cells.loc[(cells["subject"] == subject) & (cells["label"] == counts.index[-1]), "path"].iloc[0]
        listed = " and ".join(f"{count} {label}" for label, count in counts.items())
        yield Finding("subject-label", "warning", path, None, f"subject {subject} has {listed}, others have one label")


def _spellings(cells: pd.DataFrame) -> Iterator[Finding]:
    """Names of subjects, labels or slides that may be spellings of one name: errors where a split depends on them."""
    for column in IDENTITY_COLUMNS:
        for names in spelling_conflicts(cells[column]):
            paths = [cells.loc[cells[column] == name, "path"].iloc[0] for name in names[:2]]
            detail = f"{column} {' and '.join(repr(name) for name in names)} may be the same {column}"
            yield Finding("spelling", "warning" if column == "slide" else "error", paths[0], paths[1], detail)


def _missing_values(cells: pd.DataFrame) -> Iterator[Finding]:
    for name in ("label", "subject"):
        paths = cells.loc[cells[name].isna(), "path"]
        if len(paths):
            yield Finding(name, "notice", paths.iloc[0], None, f"{len(paths)} of {len(cells)} cells have no {name}")


def _imbalance(cells: pd.DataFrame) -> Iterator[Finding]:
    counts = cells["label"].value_counts()
    if len(counts) and counts.iloc[0] >= _CLASS_RATIO * counts.iloc[-1]:
        detail = f"{counts.index[0]} has {counts.iloc[0]} cells, {counts.index[-1]} has {counts.iloc[-1]}"
        yield Finding("balance", "notice", None, None, detail)
    for label, own in cells[cells["subject"].notna()].groupby("label"):
        subjects = own["subject"].value_counts()
        if len(subjects) == 1:
            detail = f"{label} has only one subject: a split by subject is impossible"
            yield Finding("balance", "notice", None, None, detail)
        elif subjects.iloc[0] > _LARGE_SUBJECT * counts[label]:
            detail = f"subject {subjects.index[0]} has {subjects.iloc[0]} of the {counts[label]} cells of {label}"
            yield Finding("balance", "notice", None, None, detail)


def _beyond_crop(cells: pd.DataFrame) -> Iterator[Finding]:
    paths = cells.loc[cells["beyond_crop"], "path"]
    if len(paths):
        crop = f"{DEFAULT_CROP}x{DEFAULT_CROP}"
        detail = f"{len(paths)} of {len(cells)} cells on black reach the border of the central {crop} pixels"
        yield Finding("border", "notice", paths.iloc[0], None, detail)


def _other_folder(cells: pd.DataFrame) -> Iterator[Finding]:
    """Cells in a folder named like a class whose label is another: somebody moved them, or the table is old."""
    folders = cells["path"].map(lambda path: Path(path).parent.name)
    classes = set(cells["label"].dropna())
    for row in cells[folders.isin(classes) & cells["label"].notna() & (folders != cells["label"])].itertuples():
        detail = f"its label is {row.label}, but it lies in the folder {Path(str(row.path)).parent.name}"
        yield Finding("folder-label", "warning", str(row.path), None, detail)


def _possible_labels(cells: pd.DataFrame) -> Iterator[Finding]:
    """Partial labels with a class that no cell has: a misspelling, or cells of that class are missing."""
    for row, names in unknown_possible_labels(cells).items():
        detail = f"its possible label {', '.join(names)} is the label of no cell"
        yield Finding("possible-labels", "warning", str(cells.at[row, "path"]), None, detail)


def _labelled_again(manifest: Manifest) -> Iterator[Finding]:
    """Cells of C-NMC whose folder, and so whose label, is another class than their name says."""
    if manifest.source != "cnmc":
        return
    for path, label in manifest.table[["path", "label"]].itertuples(index=False, name=None):
        named = label_in_name(Path(path))
        if named not in (None, label):
            detail = f"its file name says {named}; its label is {label}, as its folder says"
            yield Finding("labelled-again", "notice", path, None, detail)


def _few_bits(cells: pd.DataFrame) -> Iterator[Finding]:
    """16-bit files whose samples use 12 bits or fewer, as many microscope cameras write them."""
    for path in cells.loc[cells["few_bits"], "path"]:
        detail = "16-bit samples that use 12 bits or fewer, so it is read as nearly black: multiply them by 16"
        yield Finding("bit-depth", "warning", path, None, detail)


def _flat_folder(manifest: Manifest) -> Iterator[Finding]:
    """Images of a folder without any label: probably not what the user meant."""
    labels = manifest.table["label"]
    if manifest.source == "folders" and labels.isna().all():
        detail = (
            "no cell has a label, so neither duplicates under two labels nor the balance of classes were checked: "
            "give a folder with one subfolder per class, or a table with the column `label`"
        )
        yield Finding("no-labels", "warning", None, None, detail)


def _class_counts(cells: pd.DataFrame) -> pd.DataFrame:
    counts = cells.groupby("label").agg(cells=("path", "size"), subjects=("subject", "nunique"))
    return counts.reset_index()
