"""A run from words to report; what is wrong is said before any work is done."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.data import Manifest, read_manifest, write_manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import Metrics, read_predictions
from lymphoscope.model_file import load_description
from lymphoscope.runs import EvaluationOptions, RunFolder, Stress, begin, evaluate_folds, finish

SUBJECT = r"(?P<subject>S\d+)_"


def run_of(folder: Path, tiny_folder: Path, overrides: list[str], folds: int = 0) -> RunFolder:
    run = RunFolder(folder)
    begin(run, str(tiny_folder), "quick", overrides, folds, final=bool(folds), subject_pattern=SUBJECT)
    return run


def test_a_run_folder_holds_what_the_design_names(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny])
    metrics = finish(run)
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
        "model_card.md",
        "report.html",
        "log.txt",
    }
    assert metrics.model_dump(mode="json") == json.loads(run.metrics.read_text())
    assert load_description(run.model).scores["weighted_f1"] == metrics.vote["weighted_f1"].model_dump()
    assert "held-out WF1S" in (run.path / "log.txt").read_text()


def test_the_test_subjects_are_nowhere_else(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny])
    finish(run)
    table = read_manifest(run.manifest).table
    subjects = {part: set(rows["subject"]) for part, rows in table.groupby("split")}
    judged = set(read_predictions(run.predictions)["subject"])
    assert judged == subjects["test"]
    assert not judged & (subjects["train"] | subjects["validation"])
    trained_on = load_description(run.model).trained_on["subjects"]
    assert set(trained_on["train"]) == subjects["train"]


def test_a_finished_run_is_not_done_again(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny])
    first = finish(run)
    before = run.report.stat().st_mtime_ns
    assert finish(run) == first
    assert run.report.stat().st_mtime_ns == before
    with pytest.raises(LymphoscopeError, match="holds a run already: go on with --resume"):
        run_of(run.path, tiny_folder, [*tiny])


def test_an_unreadable_training_cell_is_left_out_and_a_test_cell_is_a_row(
    tiny_manifest: object, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    table = tiny_manifest.table.copy()  # type: ignore[attr-defined]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    for part in ("train", "test"):
        table.loc[table.index[table["split"] == part][0], "path"] = str(broken)
    table.to_csv(tmp_path / "cells.csv", index=False)
    run = RunFolder(tmp_path / "run")
    begin(run, str(tmp_path / "cells.csv"), "quick", [*tiny])
    metrics = finish(run)
    assert metrics.failed == 1
    assert read_predictions(run.predictions)["error"].notna().sum() == 1
    assert load_description(run.model).trained_on["unreadable"] == 1


def test_without_test_cells_there_is_a_model_and_no_score(
    tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny, "split.test=0"])
    assert finish(run) is None
    assert set(read_manifest(run.manifest).table["split"]) == {"train", "validation"}
    assert load_description(run.model).scores == {}


def test_folds_judge_every_cell_once_by_a_model_that_had_not_seen_its_subject(
    tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny, "optimisation.epochs=1"], folds=3)
    metrics = finish(run)
    assert len(metrics.folds) == 3
    pooled = read_predictions(run.predictions)
    assert sorted(Path(path).name for path in pooled["path"]) == sorted(p.name for p in tiny_folder.glob("*/*.png"))
    for number in range(3):
        fold = RunFolder(run.path / f"fold_{number}")
        judged = set(read_predictions(fold.predictions)["subject"])
        seen = load_description(fold.model).trained_on["subjects"]
        assert not judged & {*seen["train"], *seen["validation"]}
    assert "3 folds" in run.report.read_text()
    of_all = load_description(run.path / "final/model")
    assert of_all.trained_on["cells"]["test"] == 0
    assert of_all.scores["weighted_f1"] == metrics.vote["weighted_f1"].model_dump()
    assert "in 3 folds by subject" in (run.path / "final/model/README.md").read_text()
    assert finish(run) == metrics
    check_judged_anew(run, tmp_path, metrics)


def check_judged_anew(run: RunFolder, tmp_path: Path, metrics: Metrics) -> None:
    """Every fold's model is stressed on the cells that it had not seen, and on no others."""
    out = RunFolder(tmp_path / "judged")
    again = evaluate_folds(run, out, stress=Stress(shift=True, saliency=True), how=EvaluationOptions(replicates=100))
    assert again.vote["weighted_f1"].value == metrics.vote["weighted_f1"].value
    assert again.shift is not None
    assert again.saliency is not None
    assert (again.shift.cells, again.saliency.cells) == (metrics.evaluated, metrics.evaluated)
    assert again.robustness.uncorrupted["accuracy"].value == metrics.vote["accuracy"].value
    assert "Balanced accuracy under each corruption" in out.report.read_text()
    (run.path / "fold_1/metrics.json").unlink()
    with pytest.raises(LymphoscopeError, match="fold_1 is not finished"):
        evaluate_folds(run, out)


def test_the_model_of_all_cells_leaves_none_out_for_a_test_that_the_table_had(
    tiny_manifest: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    write_manifest(tiny_manifest, tmp_path / "split.csv")
    run = RunFolder(tmp_path / "run")
    begin(run, str(tmp_path / "split.csv"), "quick", [*tiny], 3, final=True)
    assert set(read_manifest(run.path / "final/manifest.parquet").table["split"]) == {"train", "validation"}


def test_a_random_split_says_so_on_the_report(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", tiny_folder, [*tiny, "optimisation.epochs=1", "split.by=random"])
    finish(run)
    assert "random split" in run.report.read_text().lower()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["blast_class=blast"], "'blast' is not a class of the data"),
        (["model.backbone=resnet19"], "no backbone is called 'resnet19'; the nearest known name is"),
        (["model.initial_weights=nowhere"], "nowhere is no model"),
        (["optimisation.epoch=3"], "unknown key `optimisation.epoch`"),
        (["split.test=1.0"], "give a share between 0 and 1"),
    ],
)
def test_wrong_words_stop_before_anything_is_written(
    tiny_folder: Path, tmp_path: Path, overrides: list[str], said: str
) -> None:
    with pytest.raises(LymphoscopeError, match=said):
        run_of(tmp_path / "run", tiny_folder, overrides)
    assert not (tmp_path / "run").exists()


def test_one_subject_and_a_class_without_images_are_one_line(tiny_folder: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"path": [str(p) for p in tiny_folder.glob("*/*.png")]})
    table["label"] = [Path(p).parent.name for p in table["path"]]
    table["subject"] = "S0"
    table.to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(LymphoscopeError, match="one subject"):
        begin(RunFolder(tmp_path / "run"), str(tmp_path / "one.csv"), "quick")
    (tmp_path / "cells/all").mkdir(parents=True)
    (tmp_path / "cells/hem").mkdir()
    shutil.copy(next(tiny_folder.glob("all/*.png")), tmp_path / "cells/all/a.png")
    with pytest.raises(LymphoscopeError, match="hem"):
        begin(RunFolder(tmp_path / "run"), str(tmp_path / "cells"), "quick")
