"""Limits on the cells, and the phases of Table 2 with the subjects that they keep apart."""

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from lymphoscope.data import COLUMNS, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments.cell_selection import available_phases, limit_cells, phase_split, unlabelled_phase


def cells(*groups: tuple[str, str | None, str, int]) -> Manifest:
    """(phase, label, subject, count) -> a manifest without images."""
    rows = [
        {"path": f"/{phase}/{subject}_{number}.png", "phase": phase, "label": label, "subject": subject}
        for phase, label, subject, count in groups
        for number in range(count)
    ]
    return Manifest(pd.DataFrame(rows).reindex(columns=list(COLUMNS)), "cnmc")


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=4, max_size=10),
    limit=st.integers(4, 60),
)
def test_limited_cells_are_balanced_over_classes_and_spread_over_subjects(sizes: list[int], limit: int) -> None:
    groups = [("phase-1", ("all", "hem")[place % 2], f"S{place}", size) for place, size in enumerate(sizes)]
    whole = cells(*groups)
    chosen = limit_cells(whole, limit).table
    assert len(chosen) == min(limit, len(whole))
    counts, available = chosen["label"].value_counts(), whole.table["label"].value_counts()
    for name, other in (("all", "hem"), ("hem", "all")):
        assert counts[name] >= counts[other] - 1 or counts[name] == available[name]
        subjects = chosen[chosen["label"] == name]["subject"].nunique()
        in_whole = whole.table[whole.table["label"] == name]["subject"].nunique()
        assert subjects == min(in_whole, counts[name])
    assert limit_cells(whole, limit).digest == limit_cells(whole, limit).digest


def test_a_limit_below_two_cells_per_class_is_refused() -> None:
    whole = cells(("phase-1", "all", "1", 5), ("phase-1", "hem", "H1", 5))
    with pytest.raises(LymphoscopeError, match="--limit-cells 3: 2 classes need at least two cells each"):
        limit_cells(whole, 3)


def official() -> Manifest:
    first = [
        ("phase-1", label, f"{mark}{number}", 4) for label, mark in (("all", ""), ("hem", "H")) for number in range(6)
    ]
    second = [("phase-2", "all", "61", 4), ("phase-2", "all", "0", 3), ("phase-2", "hem", "H71", 4)]
    manifest = cells(*first, *second, ("phase-3", None, "", 0))
    last = pd.DataFrame({"path": [f"/phase-3/{number}.bmp" for number in (10, 2, 1)], "phase": "phase-3"})
    table = pd.concat([manifest.table, last], ignore_index=True)
    return manifest.with_table(table.assign(sha256=[f"{row:064x}" for row in range(len(table))], phash=None))


def test_offline_trains_on_the_first_phase_and_tests_on_the_second() -> None:
    split = phase_split(official(), "offline", validation=0.3, seed=0)
    assert split is not None
    parts = split.table.groupby("split")
    assert set(parts.get_group("test")["phase"]) == {"phase-2"}
    assert set(parts.get_group("train")["phase"]) | set(parts.get_group("validation")["phase"]) == {"phase-1"}
    subjects = [set(rows["subject"]) for _, rows in parts]
    assert sum(map(len, subjects)) == len(set.union(*subjects))  # subject 0 of both phases is not trained on
    assert "0" not in set(parts.get_group("train")["subject"]) | set(parts.get_group("validation")["subject"])


def test_final_trains_on_two_phases_and_excludes_the_third() -> None:
    split = phase_split(official(), "final", validation=0.3, seed=0)
    assert split is not None
    assert set(split.table["phase"]) == {"phase-1", "phase-2"}
    assert set(split.table["split"]) == {"train", "validation"}


def test_there_is_no_split_without_the_phases_it_needs() -> None:
    manifest = cells(("phase-1", "all", "1", 3), ("phase-1", "hem", "H1", 3))
    assert available_phases(manifest) == {"phase-1"}
    assert phase_split(manifest, "offline", validation=0.3, seed=0) is None
    assert phase_split(manifest, "final", validation=0.3, seed=0) is None


def test_the_third_phase_is_ordered_by_file_number() -> None:
    assert [path.rpartition("/")[2] for path in unlabelled_phase(official()).table["path"]] == [
        "1.bmp",
        "2.bmp",
        "10.bmp",
    ]
