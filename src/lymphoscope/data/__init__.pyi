from .audit import audit_manifest as audit_manifest, audit_with_fingerprints as audit_with_fingerprints
from .findings import AuditReport as AuditReport
from .geometry import Geometry as Geometry, fit_image as fit_image, to_file_pixels as to_file_pixels
from .groups import subject_groups as subject_groups
from .identity import name_key as name_key, refuse_spelling_conflicts as refuse_spelling_conflicts
from .image_files import IMAGE_SUFFIXES as IMAGE_SUFFIXES, walk_files as walk_files
from .images import UnreadableImage as UnreadableImage, read_image as read_image
from .loading import CellImages as CellImages
from .manifest import (
    COLUMNS as COLUMNS,
    Manifest as Manifest,
    below_common_folder as below_common_folder,
)
from .manifest_files import (
    manifest_from_table as manifest_from_table,
    read_manifest as read_manifest,
    write_manifest as write_manifest,
)
from .overview import (
    DataSummary as DataSummary,
    SplitSummary as SplitSummary,
    data_summary as data_summary,
    part_counts as part_counts,
    split_by as split_by,
    split_notices as split_notices,
    split_summary as split_summary,
)
from .partial_labels import possible_classes as possible_classes, without_unusable_labels as without_unusable_labels
from .preparation import CellPreparation as CellPreparation
from .quality import (
    ImageStatistics as ImageStatistics,
    image_statistics as image_statistics,
    visible_part as visible_part,
)
from .similarity import (
    FINGERPRINT_COLUMNS as FINGERPRINT_COLUMNS,
    CellLeak as CellLeak,
    leak_checks as leak_checks,
    leaks_between as leaks_between,
    split_leaks as split_leaks,
    unchecked_reason as unchecked_reason,
    with_fingerprints as with_fingerprints,
)
from .sources import read_source as read_source
from .split import split_folds as split_folds, split_holdout as split_holdout
from .stain import StainNormalization as StainNormalization, measure_reference as measure_reference
from .stains import NO_STAIN_METHOD as NO_STAIN_METHOD
from .tables import check_table_suffix as check_table_suffix

__all__ = [
    "COLUMNS",
    "FINGERPRINT_COLUMNS",
    "IMAGE_SUFFIXES",
    "NO_STAIN_METHOD",
    "AuditReport",
    "CellImages",
    "CellLeak",
    "CellPreparation",
    "DataSummary",
    "Geometry",
    "ImageStatistics",
    "Manifest",
    "SplitSummary",
    "StainNormalization",
    "UnreadableImage",
    "audit_manifest",
    "audit_with_fingerprints",
    "below_common_folder",
    "check_table_suffix",
    "data_summary",
    "fit_image",
    "image_statistics",
    "leak_checks",
    "leaks_between",
    "manifest_from_table",
    "measure_reference",
    "name_key",
    "part_counts",
    "possible_classes",
    "read_image",
    "read_manifest",
    "read_source",
    "refuse_spelling_conflicts",
    "split_by",
    "split_folds",
    "split_holdout",
    "split_leaks",
    "split_notices",
    "split_summary",
    "subject_groups",
    "to_file_pixels",
    "unchecked_reason",
    "visible_part",
    "walk_files",
    "with_fingerprints",
    "without_unusable_labels",
    "write_manifest",
]
