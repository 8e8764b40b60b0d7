"""The leak guard in whole runs: planted leaks are refused by name, or allowed on request and then marked."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lymphoscope import extras
from lymphoscope.cli.main import run
from lymphoscope.data import Manifest, with_fingerprints, write_manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Leak, read_predictions
from lymphoscope.model_file import load_description
from lymphoscope.runs import RunFolder, TrainingCells, refuse_leaks, training_cells_of_model
from lymphoscope.runs.leak_guard import TRAINING_CELLS, find_leaks, write_training_cells

pytestmark = pytest.mark.slow


def sets(tiny: tuple[str, ...]) -> list[str]:
    return [word for override in (*tiny, "optimisation.epochs=1") for word in ("--set", override)]


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory, tiny_manifest: Manifest) -> Path:
    """A split in which two test cells are copied into training under another subject."""
    folder = tmp_path_factory.mktemp("leaking")
    table = tiny_manifest.table.copy()
    rows = []
    for place, (_, cell) in enumerate(table[table["split"] == "test"].iloc[:2].iterrows()):
        shutil.copy(cell["path"], folder / f"copy_{place}.png")
        path = str(folder / f"copy_{place}.png")
        rows.append({"path": path, "label": cell["label"], "subject": "S1", "split": "train"})
    write_manifest(Manifest(pd.concat([table, pd.DataFrame(rows)]), "table"), folder / "cells.csv")
    return folder / "cells.csv"


@pytest.fixture(scope="module")
def allowed(leaking: Path, tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("allowed") / "run"
    arguments = ["train", "--data", str(leaking), *sets(tiny), "--out", str(out), "--allow-leak"]
    assert run(arguments) == 0
    return out


@pytest.mark.parametrize("command", ["train", "demo"])
def test_leak_is_refused_in_one_line_that_names_the_cells(
    leaking: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--data", str(leaking), "--out", str(tmp_path / "run")]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lymphoscope: error")]
    assert len(error) == 1
    assert "2 evaluated cells were used in training (2 by duplicate)" in error[0]
    assert "S8_0.png" in error[0]
    assert "--allow-leak" in error[0]
    assert not (tmp_path / "run/config.yaml").exists()


def test_allowed_leak_is_marked_in_report_json_and_card(allowed: Path) -> None:
    leakage = json.loads((allowed / "metrics.json").read_text())["leakage"]
    assert leakage["allowed"] is True
    assert leakage["leaking_cells"] == 2
    assert {leak["kind"] for leak in leakage["leaks"]} == {"duplicate"}
    page = (allowed / "report.html").read_text()
    assert "LEAKAGE" in page.upper().split("<MAIN>")[0]
    for card in (allowed / "model_card.md", allowed / "model/README.md"):
        assert (
            "**TRAIN/TEST LEAKAGE, allowed in this run:** training included 2 cells (2 by duplicate)"
            in card.read_text()
        )
    assert json.loads((allowed / "metrics.json").read_text())["label_errors"]["reason"]


def test_training_cells_are_found_without_their_images(
    allowed: Path, tiny_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under new names and without subjects, duplicates are found by the fingerprints in the model file."""
    seen = tiny_manifest.table[tiny_manifest.table["split"] == "train"].iloc[:20:4]
    new = tiny_manifest.table[tiny_manifest.table["split"] == "test"].iloc[2:]
    for number, (_, cell) in enumerate(pd.concat([seen, new]).iterrows()):
        target = tmp_path / "cells" / cell["label"] / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(cell["path"], target)
    arguments = ["evaluate", str(allowed / "model"), "--data", str(tmp_path / "cells"), "--replicates", "100", "--out"]
    assert run([*arguments, str(tmp_path / "no")]) == 2
    assert f"{len(seen)} evaluated cells were used in training" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
    assert run([*arguments, str(tmp_path / "show"), "--show-leak"]) == 0
    told = capsys.readouterr().out
    assert f"{len(seen)} of {len(seen) + len(new)} cells leak" in told
    assert "without leaks" in told
    leakage = json.loads((tmp_path / "show/metrics.json").read_text())["leakage"]
    assert leakage["scores_without_leaks"]["cells"] == len(new)
    assert leakage["reason"] == "no subjects are known of these cells"


def test_model_without_fingerprints_is_compared_by_subjects_and_says_so(allowed: Path, tmp_path: Path) -> None:
    model = shutil.copytree(allowed / "model", tmp_path / "model")
    description = load_description(model)
    assert {"sha256", "phash", "simhash", "subject"} <= set(training_cells_of_model(model, description).table.columns)
    (model / TRAINING_CELLS).unlink()
    known = training_cells_of_model(model, description)
    assert set(known.table["subject"]) == {f"S{number}" for number in range(8)}
    assert "has no fingerprints" in str(known.reason)
    nothing = training_cells_of_model(model, description.model_copy(update={"trained_on": {}}))
    assert nothing.table.empty
    assert nothing.reason == "the model does not say what it was trained on"


@pytest.mark.parametrize(("module", "extra"), [("pyarrow", "parquet")])
def test_missing_extra_of_the_guard_is_one_line(
    module: str,
    extra: str,
    allowed: Path,
    leaking: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == module else object())
    assert run(["evaluate", str(allowed / "model"), "--data", str(leaking), "--out", str(tmp_path / "no")]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lymphoscope: error")]
    assert len(error) == 1
    assert "the leak guard of" in error[0]
    assert error[0].endswith(f"pip install 'lymphoscope[{extra}]'")
    assert not (tmp_path / "no").exists()


def test_no_image_and_no_folder_of_the_training_cells_is_stored(allowed: Path) -> None:
    table = pd.read_parquet(allowed / "model" / TRAINING_CELLS)
    assert not any(Path(path).is_absolute() for path in table["path"])
    assert set(table["split"]) == {"train", "validation"}
    assert table["simhash"].str.len().eq(len("2:") + 256).all()


def test_one_leak_is_reported_in_the_singular() -> None:
    leak = Leak(kind="subject", path="/a/b.png", other="c", detail="training saw cells of subject S1")
    with pytest.raises(LymphoscopeError, match=r"1 evaluated cell was used in training \(1 by subject\): b\.png;"):
        refuse_leaks([leak], allow=False)
    refuse_leaks([leak], allow=True)
    refuse_leaks([], allow=False)


def test_random_split_is_marked_as_such(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    common = ["--data", str(tiny_folder), "--subject-pattern", r"(?P<subject>S\d+)_", *sets(tiny)]
    assert run(["train", *common, "--set", "split.by=random", "--out", str(tmp_path / "run")]) == 0
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["leakage"]["allowed"] is True
    page = (tmp_path / "run/report.html").read_text()
    assert "Random split" in page
    assert "--allow-leak" not in page.split("<main>")[0]


def test_score_of_predictions_gives_the_same_metrics_without_torch(allowed: Path, tmp_path: Path) -> None:
    file = RunFolder(allowed).predictions
    code = f"""
import sys
from lymphoscope.cli.main import run
arguments = ["score", {str(file)!r}, "--blast-class", "all", "--held-out"]
arguments += ["--blast-threshold", "30", "--out", {str(tmp_path)!r}]
assert run(arguments) == 0
print([name for name in ("torch", "torchvision", "timm", "lightning") if name in sys.modules])
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"
    ours = json.loads((tmp_path / "metrics.json").read_text())
    assert ours["vote"] == json.loads((allowed / "metrics.json").read_text())["vote"]
    assert ours["subject_level"]["blast_threshold"] == 30
    assert ours["leakage"]["checked"] == []
    assert "which is not here to say what it was trained on" in ours["leakage"]["reason"]
    assert "Leaks not checked" in (tmp_path / "report.html").read_text()
    assert ours["label_errors"]["reason"] is None
    assert (tmp_path / "report.html").exists()


def test_labels_are_joined_from_the_data_by_path(allowed: Path, leaking: Path, tmp_path: Path) -> None:
    table = read_predictions(RunFolder(allowed).predictions)
    table.assign(label=None, subject=None).to_parquet(tmp_path / "bare.parquet")
    arguments = ["score", str(tmp_path / "bare.parquet"), "--out"]
    assert run([*arguments, str(tmp_path / "out"), "--data", str(leaking)]) == 0
    ours = json.loads((tmp_path / "out/metrics.json").read_text())
    assert ours["blast_class"] == "all"
    expected = json.loads((allowed / "metrics.json").read_text())["vote"]["estimates"]["accuracy"]
    assert ours["vote"]["estimates"]["accuracy"] == expected


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["score", "FILE", "--blast-class", "all", "--blast-threshold", "100"], "less than or equal to 99.9"),
        (["score", "FILE", "--part", "test"], "name the split data with --data"),
        (["score", "FILE", "--blast-class", "blast"], "blast class 'blast' is not one of the classes"),
        (["evaluate", "MODEL"], "add the labelled cells with --data"),
        (["score", "FILE", "--data", "OTHER"], "none of its 12 cells is among"),
        (["score", "gone.csv"], "no such table"),
    ],
)
def test_invalid_options_are_one_line(
    allowed: Path, tiny_folder: Path, tmp_path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"FILE": str(allowed / "predictions.parquet"), "MODEL": str(allowed / "model"), "OTHER": str(tiny_folder)}
    assert run([*(named.get(word, word) for word in more), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_subject_ids_can_be_left_out_and_copies_are_still_found(tiny_manifest: Manifest, tmp_path: Path) -> None:
    write_training_cells(tiny_manifest, tmp_path, record_subjects=False)
    stored = pd.read_parquet(tmp_path / "training_cells.parquet")
    assert stored["subject"].isna().all()
    assert not stored["path"].str.contains("S").any()
    train = tiny_manifest.table[tiny_manifest.table["split"] == "train"].reset_index(drop=True)
    leakage = find_leaks(with_fingerprints(tiny_manifest.with_table(train)), TrainingCells(stored))
    assert leakage.leaking_cells == len(train)
    assert "subjects" not in leakage.checked
