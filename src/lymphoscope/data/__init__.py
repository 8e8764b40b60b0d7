"""Cells: sources -> manifest -> audit and split -> pixels; and the generator of synthetic smears. No torch."""

from typing import TYPE_CHECKING

from lymphoscope.lazily import bring_names_at_first_use

if TYPE_CHECKING:
    from lymphoscope.data.audit import audit, audited
    from lymphoscope.data.fingerprints import FINGERPRINTS, with_fingerprints
    from lymphoscope.data.fit import Fit, fit_image, to_file_pixels
    from lymphoscope.data.groups import subject_groups
    from lymphoscope.data.images import UnreadableImage, read_image
    from lymphoscope.data.leaks import CellLeak, checked_by, leaks_between, split_leaks
    from lymphoscope.data.loading import CellImages
    from lymphoscope.data.manifest import COLUMNS, Manifest, read_manifest, write_manifest
    from lymphoscope.data.report import AuditReport
    from lymphoscope.data.sources import read_source
    from lymphoscope.data.split import split_folds, split_holdout
    from lymphoscope.data.summary import data_summary, part_counts, split_by, split_notices, split_summary
    from lymphoscope.data.synthesis import SynthesisSettings, synthesize

__all__ = [
    "COLUMNS",
    "FINGERPRINTS",
    "AuditReport",
    "CellImages",
    "CellLeak",
    "Fit",
    "Manifest",
    "SynthesisSettings",
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
    "synthesize",
    "to_file_pixels",
    "with_fingerprints",
    "write_manifest",
]

bring_names_at_first_use(__name__)
