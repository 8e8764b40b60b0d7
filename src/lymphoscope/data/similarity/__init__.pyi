from .duplicates import exact_duplicates as exact_duplicates, near_duplicates as near_duplicates
from .fingerprints import (
    FINGERPRINT_COLUMNS as FINGERPRINT_COLUMNS,
    FileInspection as FileInspection,
    add_fingerprints as add_fingerprints,
    inspect_file as inspect_file,
    inspect_files as inspect_files,
    with_fingerprints as with_fingerprints,
)
from .leaks import (
    CellLeak as CellLeak,
    LeakCheck as LeakCheck,
    leak_checks as leak_checks,
    leaks_between as leaks_between,
    split_leaks as split_leaks,
    unchecked_reason as unchecked_reason,
    without_near_duplicates as without_near_duplicates,
)
from .matching import (
    COPY_CORRELATION as COPY_CORRELATION,
    NEAR_DISTANCE as NEAR_DISTANCE,
    CellMatch as CellMatch,
    hash_image as hash_image,
    matching_cells as matching_cells,
    matching_cells_between as matching_cells_between,
)

__all__ = [
    "COPY_CORRELATION",
    "FINGERPRINT_COLUMNS",
    "NEAR_DISTANCE",
    "CellLeak",
    "CellMatch",
    "FileInspection",
    "LeakCheck",
    "add_fingerprints",
    "exact_duplicates",
    "hash_image",
    "inspect_file",
    "inspect_files",
    "leak_checks",
    "leaks_between",
    "matching_cells",
    "matching_cells_between",
    "near_duplicates",
    "split_leaks",
    "unchecked_reason",
    "with_fingerprints",
    "without_near_duplicates",
]
