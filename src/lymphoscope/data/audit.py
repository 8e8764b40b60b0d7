"""What is there, and what is wrong with it: every check over a manifest."""

from collections.abc import Iterator

import pandas as pd

from lymphoscope.data.findings import AuditReport, Finding, as_findings
from lymphoscope.data.manifest import Manifest
from lymphoscope.data.quality import CROP, Examination, examine_all
from lymphoscope.data.similarity.duplicates import exact_duplicates, near_duplicates
from lymphoscope.data.similarity.fingerprints import with_marks
from lymphoscope.data.similarity.perceptual_hash import NEAR_DISTANCE
from lymphoscope.data.summary import split_notices

_USUAL_SIZE = 0.9
_USUAL_LABELS = 0.9
_LARGE_SUBJECT = 1 / 3
_UNEVEN_CLASSES = 3


def audit(
    manifest: Manifest, *, expected_size: tuple[int, int] | None = None, near_distance: int = NEAR_DISTANCE
) -> AuditReport:
    """Read every file once and report what is wrong; see AuditReport for what fails.

    Errors: unreadable files, one file under two labels or subjects or in two parts of a split, subjects in two parts,
    another size than `expected_size` (width, height; pixels). Warnings: files that stand twice, near duplicates under
    two labels, subjects or parts (`near_distance` of 256 bits, see `looks`), another size than nine in ten have,
    a subject of two labels where nine in ten have one. The rest are notices.
    """
    return audited(manifest, expected_size=expected_size, near_distance=near_distance)[0]


def audited(
    manifest: Manifest, *, expected_size: tuple[int, int] | None = None, near_distance: int = NEAR_DISTANCE
) -> tuple[AuditReport, Manifest]:
    """The report of `audit`, and the manifest with the fingerprints of that one reading."""
    examined = examine_all(list(manifest.table["path"]))
    report = _report(manifest, examined, expected_size, near_distance)
    return report, with_marks(manifest, examined, manifest.table.index)


def _report(
    manifest: Manifest, examined: list[Examination], expected_size: tuple[int, int] | None, near_distance: int
) -> AuditReport:
    cells = manifest.table.assign(
        **{name: [getattr(one, name) for one in examined] for name in ("fault", "sha256", "phash", "beyond_crop")}
    )
    for name in ("width", "height"):
        cells[name] = pd.array([getattr(one, name) for one in examined], dtype="Int64")
    findings = [
        *_unreadable(cells),
        *_sizes(cells, expected_size),
        *exact_duplicates(cells),
        *near_duplicates(cells, [one.thumbnail for one in examined], near_distance),
        *_split_subjects(cells),
        *_odd_labels(cells),
        *_unknown(cells),
        *_uneven(cells),
        *_beyond_crop(cells),
    ]
    notices = tuple(dict.fromkeys(manifest.notices + split_notices(cells)))
    return AuditReport(manifest.source, len(cells), as_findings(findings), _balance(cells), notices)


def _unreadable(cells: pd.DataFrame) -> Iterator[Finding]:
    for row in cells[cells["fault"].notna()].itertuples():
        yield Finding("unreadable", "error", str(row.path), None, str(row.fault))


def _sizes(cells: pd.DataFrame, expected: tuple[int, int] | None) -> Iterator[Finding]:
    readable = cells[cells["width"].notna()]
    sizes = pd.Series(list(zip(readable["width"], readable["height"], strict=True)), index=readable.index, dtype=object)
    if sizes.empty:
        return
    common = sizes.value_counts()
    wanted = expected or common.index[0]
    if expected is None and common.iloc[0] < _USUAL_SIZE * len(sizes):
        listed = ", ".join(f"{width}x{height}" for width, height in common.index[:5])
        yield Finding("size", "notice", None, None, f"{len(common)} sizes, none of them usual: {listed}")
        return
    for row in sizes.index[sizes != wanted]:
        detail = f"{sizes[row][0]}x{sizes[row][1]} pixels, {'' if expected else 'most are '}{wanted[0]}x{wanted[1]}"
        detail += " expected" if expected else ""
        yield Finding("size", "error" if expected else "warning", str(cells.at[row, "path"]), None, detail)


def _split_subjects(cells: pd.DataFrame) -> Iterator[Finding]:
    """Subjects in two parts of a split (in two folds, where there are only folds), each with a file of two parts."""
    name = next((name for name in ("split", "fold") if name in cells), None)
    if name is None:
        return
    for subject, own in cells[cells[name].notna()].groupby("subject"):
        parts = own.drop_duplicates(name)
        if len(parts) > 1:
            held = " and ".join(str(part) for part in parts[name])
            one, other = parts["path"].iloc[:2]
            yield Finding("split-subject", "error", one, other, f"subject {subject} is in {name} {held}")


def _odd_labels(cells: pd.DataFrame) -> Iterator[Finding]:
    """Subjects with cells of two labels, where nearly every subject has one: perhaps cells under a wrong label."""
    labels = cells.groupby("subject")["label"].nunique()
    if (labels <= 1).mean() < _USUAL_LABELS or (labels <= 1).all():
        return
    for subject in labels.index[labels > 1]:
        counts = cells.loc[cells["subject"] == subject, "label"].value_counts()
        path = cells.loc[(cells["subject"] == subject) & (cells["label"] == counts.index[-1]), "path"].iloc[0]
        held = " and ".join(f"{count} {label}" for label, count in counts.items())
        yield Finding("subject-label", "warning", path, None, f"subject {subject} has {held}, others have one label")


def _unknown(cells: pd.DataFrame) -> Iterator[Finding]:
    for name in ("label", "subject"):
        without = cells.loc[cells[name].isna(), "path"]
        if len(without):
            yield Finding(name, "notice", without.iloc[0], None, f"{len(without)} of {len(cells)} cells have no {name}")


def _uneven(cells: pd.DataFrame) -> Iterator[Finding]:
    counts = cells["label"].value_counts()
    if len(counts) and counts.iloc[0] >= _UNEVEN_CLASSES * counts.iloc[-1]:
        detail = f"{counts.index[0]} has {counts.iloc[0]} cells, {counts.index[-1]} has {counts.iloc[-1]}"
        yield Finding("balance", "notice", None, None, detail)
    for label, own in cells[cells["subject"].notna()].groupby("label"):
        held = own["subject"].value_counts()
        if len(held) == 1:
            yield Finding("balance", "notice", None, None, f"{label} has one subject only: no split by subject")
        elif held.iloc[0] > _LARGE_SUBJECT * counts[label]:
            detail = f"subject {held.index[0]} has {held.iloc[0]} of the {counts[label]} cells of {label}"
            yield Finding("balance", "notice", None, None, detail)


def _beyond_crop(cells: pd.DataFrame) -> Iterator[Finding]:
    beyond = cells.loc[cells["beyond_crop"], "path"]
    if len(beyond):
        detail = f"{len(beyond)} of {len(cells)} cells on black reach the border of the central {CROP}x{CROP} pixels"
        yield Finding("border", "notice", beyond.iloc[0], None, detail)


def _balance(cells: pd.DataFrame) -> pd.DataFrame:
    counted = cells.groupby("label").agg(cells=("path", "size"), subjects=("subject", "nunique"))
    return counted.reset_index()
