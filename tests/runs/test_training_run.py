"""Whole training runs and cross-validations; invalid options are refused before any work."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.cli.main import run as run_command
from lymphoscope.data import Manifest, read_manifest, write_manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Metrics, read_predictions
from lymphoscope.model_file import load_description
from lymphoscope.runs import EvaluationOptions, RunFolder, StressTests, begin_run, evaluate_folds, finish_run

pytestmark = pytest.mark.slow

SUBJECT = r"(?P<subject>S\d+)_"


def run_of(folder: Path, tiny_folder: Path, overrides: list[str], folds: int = 0) -> RunFolder:
    run = RunFolder(folder)
    begin_run(run, str(tiny_folder), "quick", overrides, folds, final=bool(folds), subject_pattern=SUBJECT)
    return run


def test_run_folder_has_the_documented_files(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny])
    metrics = finish_run(run)
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "config.yaml",
        "manifest.parquet",
        "checkpoints",
        "metrics.csv",
        "tensorboard",
        "model",
        "predictions.parquet",
        "metrics.json",
        "notices.json",
        "model_card.md",
        "report.html",
        "log.txt",
    }
    assert metrics.model_dump(mode="json") == json.loads(run.metrics.read_text())
    assert load_description(run.model).scores["weighted_f1"] == metrics.vote["weighted_f1"].model_dump()
    assert "held-out WF1S" in (run.path / "log.txt").read_text()


def test_test_subjects_are_in_no_other_part(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny])
    finish_run(run)
    table = read_manifest(run.manifest).table
    subjects = {part: set(rows["subject"]) for part, rows in table.groupby("split")}
    evaluated = set(read_predictions(run.predictions)["subject"])
    assert evaluated == subjects["test"]
    assert not evaluated & (subjects["train"] | subjects["validation"])
    trained_on = load_description(run.model).trained_on["subjects"]
    assert set(trained_on["train"]) == subjects["train"]


def test_finished_run_is_not_repeated(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny])
    first = finish_run(run)
    before = run.report.stat().st_mtime_ns
    assert finish_run(run) == first
    assert run.report.stat().st_mtime_ns == before
    with pytest.raises(LymphoscopeError, match="already has a run: continue it with --resume"):
        run_of(run.path, tiny_folder, [*tiny])


def test_unreadable_training_cell_is_left_out_and_test_cell_is_a_row_with_error(
    tiny_manifest: object, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    table = tiny_manifest.table.copy()  # type: ignore[attr-defined]
    for part in ("train", "test"):
        broken = tmp_path / f"broken_{part}.png"
        broken.write_bytes(b"no picture " + part.encode())
        table.loc[table.index[table["split"] == part][0], "path"] = str(broken)
    table.to_csv(tmp_path / "cells.csv", index=False)
    run = RunFolder(tmp_path / "run")
    begin_run(run, str(tmp_path / "cells.csv"), "quick", [*tiny])
    metrics = finish_run(run)
    assert metrics.failed == 1
    assert read_predictions(run.predictions)["error"].notna().sum() == 1
    assert load_description(run.model).trained_on["unreadable"] == 1


def test_run_without_test_cells_gives_a_model_without_scores(
    tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny, "split.test=0"])
    assert finish_run(run) is None
    assert set(read_manifest(run.manifest).table["split"]) == {"train", "validation"}
    assert load_description(run.model).scores == {}


def test_folds_evaluate_every_cell_by_a_model_not_trained_on_its_subject(
    tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny, "optimisation.epochs=1"], folds=3)
    metrics = finish_run(run)
    assert len(metrics.folds) == 3
    pooled = read_predictions(run.predictions)
    assert sorted(Path(path).name for path in pooled["path"]) == sorted(p.name for p in tiny_folder.glob("*/*.png"))
    for number in range(3):
        fold = RunFolder(run.path / f"fold_{number}")
        evaluated = set(read_predictions(fold.predictions)["subject"])
        trained_on = load_description(fold.model).trained_on["subjects"]
        assert not evaluated & {*trained_on["train"], *trained_on["validation"]}
    assert "3 folds" in run.report.read_text()
    of_all = load_description(run.path / "final/model")
    assert of_all.trained_on["cells"]["test"] == 0
    assert of_all.scores["weighted_f1"] == metrics.vote["weighted_f1"].model_dump()
    assert "in 3 folds by subject" in (run.path / "final/model/README.md").read_text()
    assert finish_run(run) == metrics
    check_evaluate_folds(run, tmp_path, metrics)


def check_evaluate_folds(run: RunFolder, tmp_path: Path, metrics: Metrics) -> None:
    """Every fold's model gets the stress tests on its own held-out cells only."""
    out = RunFolder(tmp_path / "evaluated")
    stress, options = StressTests(corruptions=True, saliency=True), EvaluationOptions(replicates=100)
    again = evaluate_folds(run, out, stress=stress, options=options)
    assert again.vote["weighted_f1"].value == metrics.vote["weighted_f1"].value
    assert again.robustness is not None
    assert again.saliency is not None
    assert (again.robustness.cells, again.saliency.cells) == (metrics.evaluated, metrics.evaluated)
    assert again.robustness.uncorrupted["accuracy"].value == metrics.vote["accuracy"].value
    assert "Balanced accuracy under each corruption" in out.report.read_text()
    (run.path / "fold_1/metrics.json").unlink()
    with pytest.raises(LymphoscopeError, match="fold_1 is not finished"):
        evaluate_folds(run, out)


def test_final_model_uses_the_test_cells_of_a_split_table_too(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    write_manifest(tiny_manifest, tmp_path / "split.csv")
    run = RunFolder(tmp_path / "run")
    begin_run(run, str(tmp_path / "split.csv"), "quick", [*tiny], 3, final=True)
    assert set(read_manifest(run.path / "final/manifest.parquet").table["split"]) == {"train", "validation"}


@pytest.mark.parametrize("partial_labels", [False, True])
def test_cells_without_a_label_leave_the_split_of_a_table(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path, partial_labels: bool
) -> None:
    table = tiny_manifest.table.copy()
    unlabelled = [table.index[table["split"] == part][0] for part in ("train", "validation", "test")]
    table.loc[unlabelled, "label"], table.loc[unlabelled, "possible_labels"] = None, "all|hem"
    run = RunFolder(tmp_path / "run")
    overrides = [*tiny, "optimisation.epochs=1", f"data.partial_labels={partial_labels}"]
    begin_run(run, Manifest(table, "table"), "quick", overrides)
    assert finish_run(run) is not None
    found = read_manifest(run.manifest).table.loc[unlabelled, "split"].tolist()
    assert found == ["train" if partial_labels else None, None, None]
    count = 2 if partial_labels else 3
    assert f"left out of the table's split: {count} cells without a label" in (run.path / "log.txt").read_text()


def test_random_split_is_marked_on_the_report(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny, "optimisation.epochs=1", "split.by=random"])
    finish_run(run)
    assert "random split" in run.report.read_text().lower()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["blast_class=blast"], "'blast' is not a class of the data"),
        (["model.backbone=resnet19"], "unknown backbone 'resnet19'; the nearest known name is"),
        (["model.initial_weights=nowhere"], "nowhere is not a model"),
        (["optimisation.epoch=3"], "unknown key `optimisation.epoch`"),
        (["split.test=1.0"], "give a share between 0 and 1"),
    ],
)
def test_invalid_options_are_refused_before_anything_is_written(
    tiny_folder: Path, tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(LymphoscopeError, match=message):
        run_of(tmp_path / "run", tiny_folder, overrides)
    assert not (tmp_path / "run").exists()


def test_one_subject_and_an_empty_class_are_one_line(tiny_folder: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"path": [str(p) for p in tiny_folder.glob("*/*.png")]})
    table["label"] = [Path(p).parent.name for p in table["path"]]
    table["subject"] = "S0"
    table.to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(LymphoscopeError, match="one subject"):
        begin_run(RunFolder(tmp_path / "run"), str(tmp_path / "one.csv"), "quick")
    (tmp_path / "cells/all").mkdir(parents=True)
    (tmp_path / "cells/hem").mkdir()
    shutil.copy(next(tiny_folder.glob("all/*.png")), tmp_path / "cells/all/a.png")
    with pytest.raises(LymphoscopeError, match="hem"):
        begin_run(RunFolder(tmp_path / "run"), str(tmp_path / "cells"), "quick")


def test_class_whose_name_is_a_column_is_refused_before_training(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "cells")
    (tmp_path / "cells/hem").rename(tmp_path / "cells/vote")
    with pytest.raises(LymphoscopeError, match="rename the class"):
        begin_run(RunFolder(tmp_path / "run"), str(tmp_path / "cells"), "quick", subject_pattern=SUBJECT)
    assert not (tmp_path / "run").exists()


def test_subject_whose_only_cell_is_unreadable_does_not_stop_a_run(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    parts = ("train", "validation", "test")
    for part in parts:
        (tmp_path / f"broken_{part}.png").write_bytes(b"not an image " + part.encode())
    rows = [
        {"path": str(tmp_path / f"broken_{part}.png"), "label": "all", "subject": f"broken {part}", "split": part}
        for part in parts
    ]
    write_manifest(Manifest(pd.concat([tiny_manifest.table, pd.DataFrame(rows)]), "table"), tmp_path / "cells.csv")
    run = RunFolder(tmp_path / "run")
    begin_run(run, str(tmp_path / "cells.csv"), "quick", [*tiny, "optimisation.epochs=1"], allow_leak=True)
    metrics = finish_run(run)
    assert metrics is not None
    assert metrics.failed == 1
    assert run.report.is_file()


def test_resume_names_the_options_that_it_ignores(
    tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--out", str(tmp_path / "run"), "--data", str(tiny_folder), "--subject-pattern", SUBJECT]
    settings = [word for override in (*tiny, "optimisation.epochs=1") for word in ("--set", override)]
    assert run_command([*arguments, *settings]) == 0
    capsys.readouterr()
    assert run_command([*arguments, "--resume", *settings]) == 0
    assert "ignored: --data, --set, --subject-pattern" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_signal_ends_training_with_its_status_and_one_line(
    many_tiny_cells: Manifest, tiny: tuple[str, ...], tmp_path: Path, number: signal.Signals, status: int, word: str
) -> None:
    write_manifest(many_tiny_cells, tmp_path / "cells.csv")
    out = tmp_path / "run"
    settings = [part for override in (*tiny, "optimisation.epochs=500") for part in ("--set", override)]
    script = "from lymphoscope.cli.main import main; main()"
    command = [
        sys.executable,
        "-c",
        script,
        "train",
        "--data",
        str(tmp_path / "cells.csv"),
        "--out",
        str(out),
        *settings,
    ]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for_file(out / "checkpoints/last.ckpt", child)
    child.send_signal(number)
    _, error = child.communicate(timeout=600)
    assert child.returncode == status
    last = error.splitlines()[-1]
    assert last == f"lymphoscope: {word}; continue with --resume"
    assert "Traceback" not in error


def wait_for_file(path: Path, child: "subprocess.Popen[str]") -> None:
    for _ in range(1200):
        assert child.poll() is None, "the run ended too early"
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"no {path} within two minutes")
