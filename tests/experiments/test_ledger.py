"""The ledger: the page is up to date, and each status follows from the numbers."""

import csv
import gzip
from pathlib import Path

import pytest
from sklearn.metrics import f1_score

from lymphoscope.experiments import Number, Result, Row, load_definition, write_ledger
from lymphoscope.experiments.claims import check_difference, constant_weighted_f1, paper_claims
from lymphoscope.experiments.ledger import ledger_page, saved_results

DOCS = Path(__file__).parents[2] / "docs"
REAL = Path(__file__).parents[3] / "shared" / "data" / "cnmc"


@pytest.mark.slow
def test_the_page_is_up_to_date() -> None:
    written = ledger_page(saved_results(DOCS / "results"))
    assert (DOCS / "reproduction.md").read_text(encoding="utf-8") == written, "run: lymphoscope reproduce ledger"


@pytest.mark.slow
def test_every_number_of_the_four_tables_has_an_entry(tmp_path: Path) -> None:
    page = write_ledger(tmp_path).read_text(encoding="utf-8")
    for name in ("table1", "table2", "table3", "table4"):
        for run in load_definition(name).runs.values():
            for value in run.published.values():
                assert any(f"| {run.title}" in line and f"{value:.2f}" in line for line in page.splitlines())


def saved(value: float, low: float, high: float, *limited: str) -> Result:
    ours = {"fold_weighted_f1": Number(value=value, spread=1.0), "weighted_f1": Number(value=value, low=low, high=high)}
    return Result(
        name="table1", title="", claim="", protocol=[], limited=list(limited), rows=[Row(name="WT-DFN", ours=ours)]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("result", "status"),
    [
        (saved(83.5, 83, 84), "reproduced"),
        (saved(84, 80, 88), "undecided"),
        (saved(70, 60, 80), "not reproduced"),
        (saved(84, 80, 88, "2 folds instead of 5."), "needs the full data"),
    ],
)
def test_a_saved_result_is_beside_the_printed_number(result: Result, status: str) -> None:
    line = next(line for line in ledger_page([result]).splitlines() if line.startswith("| WT-DFN: WF1S"))
    assert f"| {status} |" in line
    assert f"{result.rows[0].ours['fold_weighted_f1'].value:.2f} ± 1.00" in line
    assert ("ours is of the limited run above" in line) == bool(result.limited)


def test_the_score_of_a_constant_guess_agrees_with_scikit_learn() -> None:
    truth = [1] * 67 + [0] * 33
    expected = f1_score(truth, [1] * 100, average="weighted", zero_division=0.0)
    assert constant_weighted_f1(0.67) == pytest.approx(expected)


@pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")
def test_the_official_files_have_the_sizes_that_the_ledger_states() -> None:
    with gzip.open(REAL / "all_official_files.csv.gz", "rt", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["path"].endswith(".bmp")]
    sizes = {part: {int(row["bytes"]) for row in rows if row["part"] == part} for part in ("train", "prelim", "final")}
    stored, final = 450 * (450 * 3 + 2), 600 * 600 * 3  # a row of a BMP is padded to four bytes
    assert all(0 <= size - stored <= 256 for part in ("train", "prelim") for size in sizes[part])
    assert sizes["final"] == {final + 54} == {1_080_054}


def test_a_wrong_difference_is_a_contradiction() -> None:
    assert check_difference("3", "", 0.95, 83.41, 82.46).status == "arithmetic agrees"
    assert check_difference("3", "", 0.96, 83.41, 82.46).status == "contradicted by the paper itself"
    assert {claim.status for claim in paper_claims()} >= {"arithmetic agrees", "contradicted by the paper itself"}
