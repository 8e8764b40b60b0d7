from .audit import audit as audit, audited as audited
from .findings import AuditReport as AuditReport
from .geometry import Geometry as Geometry, fit_image as fit_image, to_file_pixels as to_file_pixels
from .groups import subject_groups as subject_groups
from .images import UnreadableImage as UnreadableImage, read_image as read_image
from .loading import CellImages as CellImages
from .manifest import (
    COLUMNS as COLUMNS,
    Manifest as Manifest,
    read_manifest as read_manifest,
    write_manifest as write_manifest,
)
from .similarity.fingerprints import FINGERPRINTS as FINGERPRINTS, with_fingerprints as with_fingerprints
from .similarity.leaks import (
    CellLeak as CellLeak,
    checked_by as checked_by,
    leaks_between as leaks_between,
    split_leaks as split_leaks,
)
from .sources.registry import read_source as read_source
from .split import split_folds as split_folds, split_holdout as split_holdout
from .summary import (
    data_summary as data_summary,
    part_counts as part_counts,
    split_by as split_by,
    split_notices as split_notices,
    split_summary as split_summary,
)

__all__ = [
    "COLUMNS",
    "FINGERPRINTS",
    "AuditReport",
    "CellImages",
    "CellLeak",
    "Geometry",
    "Manifest",
    "UnreadableImage",
    "audit",
    "audited",
    "checked_by",
    "data_summary",
    "fit_image",
    "leaks_between",
    "part_counts",
    "read_image",
    "read_manifest",
    "read_source",
    "split_by",
    "split_folds",
    "split_holdout",
    "split_leaks",
    "split_notices",
    "split_summary",
    "subject_groups",
    "to_file_pixels",
    "with_fingerprints",
    "write_manifest",
]
