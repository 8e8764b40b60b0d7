"""Table 3's counts: the exact integers, and how each row compares with the paper."""

from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.data import COLUMNS as MANIFEST_COLUMNS, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.experiments import Number, Request, Result, count_only, load_definition
from lymphoscope.experiments.columns import FinishedGrid
from lymphoscope.experiments.counts import compare_counts
from lymphoscope.experiments.table3 import add_counts, count_rows

EXACT = {
    "resnet18": (11_177_538, 11_225_730),
    "resnet34": (21_285_698, 21_333_890),
    "se_resnext26": (14_745_378, 14_937_954),
    "se_resnext50": (25_514_994, 25_707_570),
    "mobilenet_v2": (2_226_434, 2_346_818),
    "inception_v1": (5_982_882, 6_079_202),
    "inception_v2": (10_165_338, 10_261_658),
    "inception_v3": (21_789_666, 21_982_242),
    "inception_v4": (41_145_890, 41_290_338),
    "inception_resnet_v2": (54_309_538, 54_453_986),
}
OTHERWISE = {
    "ResNet34 with WT-DFN": "not to the last digit: 21.33 M is counted, 21.34 M printed; an unused two-class head",
    "InceptionV1 with WT-DFN": "agrees with an unused 1000-class head in the count (1,025,000)",
    "InceptionV2 without WT-DFN": "not reproduced: -3.30 M",
    "InceptionV2 with WT-DFN": "not reproduced: -3.31 M",
    "InceptionV3 with WT-DFN": "agrees with the unused two-class head in the count (4,098)",
    "Inception-ResNetV2 with WT-DFN": "agrees with the unused two-class head in the count (3,074)",
}


@pytest.mark.slow
def test_every_row_has_its_exact_count_and_comparison() -> None:
    titles = {name: run.title for name, run in load_definition("table3").runs.items()}
    rows = {row.name: row for row in count_rows()}
    for name, counts in EXACT.items():
        for index, head in enumerate(("without", "with")):
            row = rows[titles[f"{name}_{head}"]]
            assert row.ours["parameters_exact"].value == counts[index]
            expected = OTHERWISE.get(row.name, "agrees")
            assert row.verdict == "agrees" if expected == "agrees" else row.verdict.startswith(expected)
            passes = 3 if head == "with" else 1
            one, all_three = (row.ours[key].value for key in ("multiply_adds", "multiply_adds_three"))
            assert one is not None
            assert all_three == pytest.approx(passes * one)


@pytest.mark.parametrize(
    ("counted", "printed", "expected"),
    [
        (1_234_999, 1.23, "agrees"),
        (
            1_235_001,
            1.23,
            "not to the last digit: 1.24 M is counted, 1.23 M printed; "
            "an unused two-class head (402) does not explain it (1.2354 M)",
        ),
        (
            1_234_500,
            1.24,
            "not to the last digit: 1.23 M is counted, 1.24 M printed; "
            "an unused two-class head (402) does not explain it (1.2349 M)",
        ),
        (1_234_700, 1.24, "agrees with the unused two-class head in the count (402)"),
        (1_000_000, 1.20, "agrees with an unused 1000-class head in the count (201,000): arithmetic, not a finding"),
        (1_000_000, 1.50, "not reproduced: -0.50 M"),
    ],
)
def test_counts_are_compared_to_the_printed_digits(counted: int, printed: float, expected: str) -> None:
    assert compare_counts(counted, printed, 200) == expected


def test_table_3_compares_counts_but_not_scores_of_other_cells() -> None:
    request = Request("table3", None, Path(), only=("resnet18_with",))
    no_cells = Manifest(pd.DataFrame(columns=list(MANIFEST_COLUMNS)), "table")
    (counted,) = count_rows(request.only)
    for millions, start in ((11.22573, "parameters: agrees; scores are"), (4.0, "scores are")):
        row = counted.model_copy(
            update={"ours": {"parameters": Number(value=millions), "weighted_f1": Number(value=80)}}
        )
        result = add_counts(
            Result(name="table3", title="", claim="", protocol=[], rows=[row]), FinishedGrid(request, no_cells, {})
        )
        assert result.rows[0].verdict == f"{start} of other cells than the paper's"


def test_only_table_3_has_counts() -> None:
    assert [row.name for row in count_only(Request("table3", None, None, only=("resnet18_with",))).rows] == [  # type: ignore[arg-type]
        "ResNet18 with WT-DFN"
    ]
    with pytest.raises(LymphoscopeError, match="table1 has no counts"):
        count_only(Request("table1", None, None))  # type: ignore[arg-type]
