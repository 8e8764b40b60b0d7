import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.cli.main import run
from lymphoscope.data import read_manifest, split_by


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a class: four subjects of each, three cells each."""
    root = tmp_path_factory.mktemp("cells")
    generator = np.random.default_rng(0)
    for subject in range(8):
        for cell in range(3):
            path = root / ("blast" if subject % 2 else "normal") / f"S{subject}_{cell}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(path)
    return root


PATTERN = ["--subject-pattern", r"(S\d+)_"]


def arguments(*parts: object) -> list[str]:
    return ["data", *map(str, parts)]


def test_audit_of_clean_cells_exits_with_0(cells: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments("audit", cells, *PATTERN)) == 0
    shown = capsys.readouterr().out
    assert "24 cells (folders)" in shown
    assert "nothing is wrong" in shown


def test_audit_with_findings_exits_with_3(cells: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments("audit", cells, "--expected-size", "24x25", "--json")) == 3
    report = json.loads(capsys.readouterr().out)
    assert report["failed"] is True
    assert {finding["check"] for finding in report["findings"]} == {"size", "subject"}
    assert run(arguments("audit", cells, "--expected-size", "24")) == 0


def test_split_writes_a_table_and_prints_the_counts(
    cells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "split.csv"
    assert run(arguments("split", cells, "--out", out, "--test", 0.25, "--validation", 0.3, *PATTERN)) == 0
    shown = capsys.readouterr().out
    table = read_manifest(out).table
    assert split_by(table) == "subject"
    assert table.groupby(["split", "label"])["subject"].nunique().tolist() == [1, 1, 2, 2, 1, 1]
    assert "hold-out by subject" in shown
    assert [line.split() for line in shown.splitlines() if " blast " in line] == [
        ["train", "blast", "6", "2"],
        ["validation", "blast", "3", "1"],
        ["test", "blast", "3", "1"],
    ]


def test_folds_and_random_splits_are_named_in_the_output(
    cells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "folds.parquet"
    options = ["--folds", 4, "--by", "random", "--validation", 0, "--json", *PATTERN]
    assert run(arguments("split", cells, "--out", out, *options)) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["split"]["by"], summary["split"]["kind"]) == ("random", "folds")
    assert any("RANDOM SPLIT" in notice for notice in summary["notices"])
    assert read_manifest(out).table["fold"].value_counts().to_dict() == {0: 6, 1: 6, 2: 6, 3: 6}


def test_the_seed_determines_the_split(cells: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1)):
        assert run(arguments("split", cells, "--out", tmp_path / f"{name}.csv", "--seed", seed, *PATTERN)) == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_synthetic_cells_stay_marked_as_synthetic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--subjects", 10, "--cells-per-subject", 2, "--fields", 0, "--size", 64]
    assert run(arguments("synthesize", tmp_path / "made", *options)) == 0
    assert "synthetic cells of 10 synthetic subjects" in capsys.readouterr().out
    assert run(arguments("audit", tmp_path / "made")) == 3
    assert "synthetic cells (synthetic)" in capsys.readouterr().out
    assert run(arguments("split", tmp_path / "made", "--out", tmp_path / "s.csv", "--validation", 0)) == 0
    assert "synthetic cells (synthetic), hold-out by subject" in capsys.readouterr().out
    assert read_manifest(tmp_path / "s.csv").source == "synthetic"


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (["audit", "{cells}/nowhere"], "no such file or folder"),
        (["audit", "{cells}", "--expected-size", "big"], "--expected-size big: give width"),
        (["audit", "{cells}", "--subject-pattern", "(["], "is not a valid regular expression"),
        (["split", "{cells}", "--out", "{out}/x.txt"], "not .txt"),
        (["split", "{cells}", "--out", "{out}/x.csv", "--by", "smear"], "smear"),
        (["split", "{cells}", "--out", "{out}/x.csv", "--folds", "9", *PATTERN], "for 9 parts"),
        (["split", "{cells}", "--out", "{out}/x.csv", "--test", "2"], "test 2.0: give a share"),
        (["split", "{cells}"], "--out"),
        (["synthesize", "{cells}"], "give a new folder"),
        (["synthesize", "{out}/new", "--size", "4"], "size"),
        (["mix"], "mix"),
    ],
)
def test_invalid_arguments_are_one_line_and_exit_with_2(
    cells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], parts: list[str], says: str
) -> None:
    assert run(arguments(*(part.format(cells=cells, out=tmp_path) if "{" in part else part for part in parts))) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    # On a busy machine progress is shown before.
    assert len([line for line in shown.err.strip().splitlines() if not line.startswith("reading cells: ")]) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_a_subcommand_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data"]) == 2
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("audit", "split", "synthesize"))
