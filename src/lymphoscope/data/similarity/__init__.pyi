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
    leak_checks as leak_checks,
    leaks_between as leaks_between,
    split_leaks as split_leaks,
    without_near_duplicates as without_near_duplicates,
)
from .perceptual_hash import (
    COPY_CORRELATION as COPY_CORRELATION,
    COPY_DISTANCE as COPY_DISTANCE,
    NEAR_CORRELATION as NEAR_CORRELATION,
    NEAR_DISTANCE as NEAR_DISTANCE,
    correlation as correlation,
    hash_image as hash_image,
    near_pairs as near_pairs,
    near_pairs_between as near_pairs_between,
)

__all__ = [
    "COPY_CORRELATION",
    "COPY_DISTANCE",
    "FINGERPRINT_COLUMNS",
    "NEAR_CORRELATION",
    "NEAR_DISTANCE",
    "CellLeak",
    "FileInspection",
    "add_fingerprints",
    "correlation",
    "exact_duplicates",
    "hash_image",
    "inspect_file",
    "inspect_files",
    "leak_checks",
    "leaks_between",
    "near_duplicates",
    "near_pairs",
    "near_pairs_between",
    "split_leaks",
    "with_fingerprints",
    "without_near_duplicates",
]
