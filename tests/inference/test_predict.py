import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lymphoscope.data import Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import read_predictions
from lymphoscope.files import output_lock
from lymphoscope.inference import (
    Model,
    PredictionSummary,
    find_cells,
    load,
    predict_cells,
    predict_manifest,
    predicted_rows,
)

Colours = Callable[[int], list[Path]]


def stop_after(runtime: Any, batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    predict = type(runtime).predict

    def until(pixels: Any) -> Any:
        if len(runtime.batches) == batches:
            raise KeyboardInterrupt
        return predict(runtime, pixels)

    monkeypatch.setattr(runtime, "predict", until)


def interrupted(runtime: Any, paths: list[Path], out: Path, batches: int, **options: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_after(runtime, batches, patch)
        with pytest.raises(KeyboardInterrupt):
            predict_cells(Model(runtime), find_cells(paths), out, batch_size=2, chunk_rows=4, **options)
    runtime.batches.clear()


def test_a_manifest_becomes_a_file_of_predictions(by_colour: Any, colours: Colours, tmp_path: Path) -> None:
    paths = colours(5)
    paths[3].write_bytes(b"")
    table = pd.DataFrame({"path": map(str, paths), "label": "hem", "subject": [*"12345"]})
    out = tmp_path / "new" / "folder" / "predictions.parquet"
    summary = predict_manifest(Model(by_colour), Manifest(table, "table"), out, batch_size=2)
    assert summary == PredictionSummary(rows=5, failed=1, out=out)
    written = read_predictions(out)
    assert written["path"].tolist() == list(map(str, paths))
    assert written["subject"].tolist() == [*"12345"]
    assert written["error"].notna().tolist() == [False, False, False, True, False]
    assert os.listdir(out.parent) == [out.name]  # noqa: PTH208


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("batches", [0, 1, 2, 5, 7])
def test_a_resumed_run_ends_with_the_same_bytes(
    by_colour: Any, colours: Colours, tmp_path: Path, batches: int, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths, whole, out = colours(15), tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    predict_cells(Model(by_colour), find_cells(paths), whole, batch_size=2, chunk_rows=4)
    by_colour.batches.clear()
    interrupted(by_colour, paths, out, batches)
    assert not out.exists()
    predict_cells(Model(by_colour), find_cells(paths), out, batch_size=2, chunk_rows=4)
    assert out.read_bytes() == whole.read_bytes()
    done = batches // 2 * 4
    assert sum(by_colour.batches) == 15 - done  # finished chunks are not computed again
    assert f"continuing after {done} cells" in capsys.readouterr().err


def change_model(runtime: Any, paths: list[Path]) -> None:
    runtime.description = runtime.description.model_copy(update={"weights_sha256": "1" * 64})


def change_thresholds(runtime: Any, paths: list[Path]) -> None:
    loose = runtime.description.referral.model_copy(update={"minimum_score": 0.1})
    runtime.description = runtime.description.model_copy(update={"referral": loose})


def change_inputs(runtime: Any, paths: list[Path]) -> None:
    paths.reverse()


def change_a_file(runtime: Any, paths: list[Path]) -> None:
    paths[0].write_bytes(paths[1].read_bytes())


@pytest.mark.parametrize("change", [change_model, change_thresholds, change_inputs, change_a_file])
def test_a_run_with_a_change_starts_over_and_says_so(
    by_colour: Any,
    colours: Colours,
    tmp_path: Path,
    change: Callable[[Any, list[Path]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths, out = colours(9), tmp_path / "out.csv"
    interrupted(by_colour, paths, out, batches=3)
    capsys.readouterr()
    change(by_colour, paths)
    predict_cells(Model(by_colour), find_cells(paths), out, batch_size=2, chunk_rows=4)
    assert capsys.readouterr().err.startswith("starting over: ")
    assert sum(by_colour.batches) == 9
    assert read_predictions(out)["path"].tolist() == list(map(str, paths))


def test_other_options_start_over(by_colour: Any, colours: Colours, tmp_path: Path) -> None:
    paths, out = colours(9), tmp_path / "out.csv"
    interrupted(by_colour, paths, out, batches=3)
    predict_cells(Model(by_colour), find_cells(paths), out, batch_size=4, chunk_rows=4)
    assert sum(by_colour.batches) == 9


def test_resume_false_starts_over(
    by_colour: Any, colours: Colours, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths, out = colours(9), tmp_path / "out.csv"
    interrupted(by_colour, paths, out, batches=3)
    predict_cells(Model(by_colour), find_cells(paths), out, batch_size=2, chunk_rows=4, resume=False)
    assert sum(by_colour.batches) == 9
    assert capsys.readouterr().err == ""


def test_a_finished_run_is_computed_again_with_overwrite(by_colour: Any, colours: Colours, tmp_path: Path) -> None:
    paths, out = colours(3), tmp_path / "out.csv"
    for _ in range(2):
        predict_cells(Model(by_colour), find_cells(paths), out, if_exists="overwrite")
    assert by_colour.batches == [3, 3]


def test_no_cells_is_one_line(by_colour: Any, tmp_path: Path) -> None:
    with pytest.raises(LymphoscopeError, match="no cells"):
        predict_cells(Model(by_colour), [], tmp_path / "out.csv")


def test_a_manifest_may_name_a_deleted_file(by_colour: Any, tmp_path: Path) -> None:
    manifest = Manifest(pd.DataFrame({"path": [str(tmp_path / "gone.png")]}), "table")
    assert predict_manifest(Model(by_colour), manifest, tmp_path / "out.csv").failed == 1
    assert read_predictions(tmp_path / "out.csv")["refer_reason"].tolist() == ["unreadable"]


KILLED_RUN = """
import sys, time
from pathlib import Path
from lymphoscope.inference import find_cells, load, predict_cells
model = load(sys.argv[1], device="cpu")
predict = model.runtime.predict
def slowly(pixels):
    time.sleep(0.15)
    return predict(pixels)
model.runtime.predict = slowly
predict_cells(model, find_cells([sys.argv[2]]), Path(sys.argv[3]), batch_size=4, chunk_rows=8)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_ends_with_the_same_bytes(
    tiny_model: Path, colours: Colours, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out, whole = colours(40)[0].parent, tmp_path / "out.csv", tmp_path / "whole.csv"
    command = [sys.executable, "-c", KILLED_RUN, str(tiny_model), str(folder), str(out)]
    run = subprocess.Popen(command, stderr=subprocess.PIPE)
    second = tmp_path / ".out.csv.partial" / "chunk-00001.csv"
    deadline = time.monotonic() + 300
    while not second.exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    run.kill()
    _, errors = run.communicate()
    assert run.returncode == -signal.SIGKILL, errors.decode()
    assert second.exists()
    assert not out.exists()

    model, cells = load(tiny_model, device="cpu"), find_cells([folder])
    predict_cells(model, cells, out, batch_size=4, chunk_rows=8)
    assert "continuing after 16 cells" in capsys.readouterr().err
    predict_cells(model, cells, whole, batch_size=4, chunk_rows=8)
    assert out.read_bytes() == whole.read_bytes()
    with predicted_rows(model.runtime, cells) as rows:
        assert [row["predicted"] for row in rows] == read_predictions(out)["predicted"].tolist()


def test_an_existing_output_is_not_replaced_unless_asked(by_colour: Any, colours: Colours, tmp_path: Path) -> None:
    cells, out = find_cells(colours(3)), tmp_path / "out.csv"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(LymphoscopeError, match=r"exists: --overwrite replaces it, --append adds"):
        predict_cells(Model(by_colour), cells, out)
    assert out.read_text(encoding="utf-8") == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"cells", "out.csv"}
    predict_cells(Model(by_colour), cells, out, if_exists="overwrite")
    assert len(read_predictions(out)) == 3


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_append_predicts_only_the_cells_that_the_output_lacks(
    by_colour: Any, colours: Colours, tmp_path: Path, suffix: str
) -> None:
    cells, out, whole = find_cells(colours(9)), tmp_path / f"out{suffix}", tmp_path / f"whole{suffix}"
    predict_cells(Model(by_colour), cells, whole)
    by_colour.batches.clear()
    assert predict_cells(Model(by_colour), cells[:4], out, if_exists="append").rows == 4
    assert predict_cells(Model(by_colour), cells, out, if_exists="append").rows == 5
    assert predict_cells(Model(by_colour), cells, out, if_exists="append").rows == 0
    assert by_colour.batches == [4, 5]
    pd.testing.assert_frame_equal(read_predictions(out), read_predictions(whole))


def test_an_interrupted_append_continues(by_colour: Any, colours: Colours, tmp_path: Path) -> None:
    paths, out, whole = colours(9), tmp_path / "out.csv", tmp_path / "whole.csv"
    predict_cells(Model(by_colour), find_cells(paths), whole, batch_size=2, chunk_rows=4)
    predict_cells(Model(by_colour), find_cells(paths[:1]), out)
    by_colour.batches.clear()
    interrupted(by_colour, paths, out, batches=3, if_exists="append")
    assert len(read_predictions(out)) == 1
    predict_cells(Model(by_colour), find_cells(paths), out, batch_size=2, chunk_rows=4, if_exists="append")
    assert sum(by_colour.batches) == 4
    assert out.read_bytes() == whole.read_bytes()


def test_append_refuses_predictions_with_other_columns(by_colour: Any, colours: Colours, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("path,other\na,b\n", encoding="utf-8")
    with pytest.raises(LymphoscopeError, match="other columns than the predictions of this model"):
        predict_cells(Model(by_colour), find_cells(colours(1)), tmp_path / "out.csv", if_exists="append")


def test_a_second_run_on_the_same_output_is_refused(by_colour: Any, colours: Colours, tmp_path: Path) -> None:
    cells, out = find_cells(colours(3)), tmp_path / "out.csv"
    with output_lock(out), pytest.raises(LymphoscopeError, match=r"out\.csv is in use by another run \(process"):
        predict_cells(Model(by_colour), cells, out)
    predict_cells(Model(by_colour), cells, out)


def test_an_output_that_is_a_link_writes_its_target(by_colour: Any, colours: Colours, tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere" / "target.csv", tmp_path / "link.csv"
    target.parent.mkdir()
    link.symlink_to(target)
    predict_cells(Model(by_colour), find_cells(colours(3)), link)
    assert link.is_symlink()
    assert len(read_predictions(target)) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_output_that_is_a_pipe_is_refused(by_colour: Any, colours: Colours, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(LymphoscopeError, match="is not a regular file"):
        predict_cells(Model(by_colour), find_cells(colours(1)), tmp_path / "pipe.csv", if_exists="overwrite")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_append_refuses_predictions_of_another_model(
    by_colour: Any, colours: Colours, tmp_path: Path, suffix: str
) -> None:
    paths, out = colours(3), tmp_path / f"out{suffix}"
    predict_cells(Model(by_colour), find_cells(paths[:2]), out)
    assert set(read_predictions(out)["model_id"]) == {by_colour.description.model_id}
    change_model(by_colour, paths)
    with pytest.raises(LymphoscopeError, match="has predictions of the model"):
        predict_cells(Model(by_colour), find_cells(paths), out, if_exists="append")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_append_computes_rows_with_an_error_again_and_says_so(
    by_colour: Any, colours: Colours, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths, out = colours(5), tmp_path / f"out{suffix}"
    content = paths[1].read_bytes()
    paths[1].write_bytes(b"not there yet")
    assert predict_cells(Model(by_colour), find_cells(paths[:4]), out).failed == 1
    paths[1].write_bytes(content)
    again = predict_cells(Model(by_colour), find_cells(paths), out, if_exists="append")
    assert (again.rows, again.failed) == (2, 0)
    assert "predicting 1 cell again whose row" in capsys.readouterr().err
    table = read_predictions(out)
    assert sorted(table["path"]) == sorted(map(str, paths))
    assert table["error"].isna().all()
    fresh = tmp_path / f"fresh{suffix}"
    predict_cells(Model(by_colour), find_cells(paths), fresh)
    expected = read_predictions(fresh).set_index("path")
    pd.testing.assert_frame_equal(table.set_index("path").loc[expected.index], expected)
