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
    find_leaks as find_leaks,
    leak_checks as leak_checks,
    split_leaks as split_leaks,
    without_near_duplicates as without_near_duplicates,
)
from .perceptual_hash import (
    COPY_CORRELATION as COPY_CORRELATION,
    COPY_DISTANCE as COPY_DISTANCE,
    NEAR_CORRELATION as NEAR_CORRELATION,
    NEAR_DISTANCE as NEAR_DISTANCE,
    correlation as correlation,
    near_pairs as near_pairs,
    near_pairs_between as near_pairs_between,
    hash_image as hash_image,
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
    "find_leaks",
    "inspect_file",
    "inspect_files",
    "leak_checks",
    "near_duplicates",
    "near_pairs",
    "near_pairs_between",
    "hash_image",
    "split_leaks",
    "with_fingerprints",
    "without_near_duplicates",
]
