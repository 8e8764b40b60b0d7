"""The plain install in a virtual environment of its own: without torch, small, quick to start, and right.

Run by `.ci/run` on the wheel; `lymphoscope` is the installed package here, never the checkout.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

import lymphoscope as package
from lymphoscope import load
from lymphoscope.inference import predict_cells
from lymphoscope.inference.inputs import find_cells

Run = Callable[..., subprocess.CompletedProcess[str]]

ABSENT = ("torch", "torchvision", "timm", "lightning", "openvino", "ray", "pyarrow", "sklearn")
MOST_MEGABYTES = 600
SCORES = {"agreement", "score_all", "score_hem", "raw_all", "crop_all", "erase_all"}
OF_TESTS = ("pytest", "_pytest", "pluggy", "iniconfig")


def seconds(run: Run, *words: str | Path) -> float:
    """The best of three: what the command takes, whatever else the machine is doing."""
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        answer = run(*words)
        best = min(best, time.perf_counter() - begun)
        assert answer.returncode == 0, answer.stderr
    return best


def test_it_is_the_wheel_and_brings_no_torch() -> None:
    assert "site-packages" in Path(package.__file__).parts
    assert [name for name in ABSENT if find_spec(name)] == []


def test_it_is_under_600_megabytes() -> None:
    """Disk blocks of all that lies in the virtual environment, pip included, but for pytest."""
    size = 0
    for path in Path(sys.prefix).rglob("*"):
        if not path.is_symlink() and not set(path.parts) & set(OF_TESTS):
            size += path.stat().st_blocks * 512
    print(f"installed size: {size / 1e6:.0f} MB")
    assert size < MOST_MEGABYTES * 1e6


def test_help_answers_in_half_a_second(lymphoscope: Run) -> None:
    took = seconds(lymphoscope, "--help")
    print(f"--help: {took:.2f} s")
    assert took < 0.5


def test_a_cell_is_predicted_from_a_cold_process_in_two_seconds(lymphoscope: Run, cells: Path, tmp_path: Path) -> None:
    cell = cells / "all" / "S0_0.png"
    took = seconds(lymphoscope, "predict", cell, "--out", tmp_path / "one.csv", "--overwrite")
    print(f"predict of one cell: {took:.2f} s")
    assert took < 2
    written = pd.read_csv(tmp_path / "one.csv")
    assert written["path"].tolist() == [str(cell)]
    assert written["score_all"][0] + written["score_hem"][0] == pytest.approx(1, abs=1e-6)


def test_the_numbers_are_those_that_torch_gives(cells: Path, tmp_path: Path) -> None:
    """Reference: `python tests_plain/make_reference.py`, by torch in float32, three streams."""
    reference = json.loads((Path(__file__).parent / "reference.json").read_text(encoding="utf-8"))
    predict_cells(load(runtime="onnx"), find_cells([cells]), tmp_path / "all.csv")
    found = pd.read_csv(tmp_path / "all.csv")
    assert len(found) == len(reference) == 12
    for row, expected in zip(found.to_dict("records"), reference, strict=True):
        assert row["path"].endswith(expected["path"])
        assert row["predicted"] == expected["predicted"]
        for name in SCORES:  # a pixel on the threshold may be erased by one library and not by the other
            assert row[name] == pytest.approx(expected[name], abs=2e-4 if name in ("raw_all", "crop_all") else 0.01)


def test_the_bytes_are_those_that_pandas_writes(cells: Path, tmp_path: Path) -> None:
    from lymphoscope.evaluation import write_predictions

    model = load()
    predict_cells(model, find_cells([cells]), tmp_path / "one.csv", batch_size=4)
    write_predictions(model.predict(cells, batch_size=4), tmp_path / "other.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()


def test_a_model_is_evaluated_and_a_report_written(lymphoscope: Run, cells: Path, tmp_path: Path) -> None:
    source, model = f"folders:{cells}", Path(package.__file__).parent / "model_file" / "blast"
    answer = lymphoscope(
        *("evaluate", model, "--data", source),
        *("--out", tmp_path / "judged", "--replicates", "200"),
    )
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "judged" / "report.html").stat().st_size > 10_000
    assert json.loads((tmp_path / "judged" / "metrics.json").read_text(encoding="utf-8"))["evaluated"] == 12
    assert len(pd.read_csv(tmp_path / "judged" / "predictions.csv")) == 12


def test_a_leak_guard_that_needs_more_is_one_line(lymphoscope: Run, cells: Path, tmp_path: Path) -> None:
    """A model of one's own keeps its training cells as Parquet, which the plain install cannot read."""
    model = shutil.copytree(Path(package.__file__).parent / "model_file" / "blast", tmp_path / "model")
    (model / "training_cells.parquet").touch()
    answer = lymphoscope("evaluate", model, "--data", f"folders:{cells}", "--out", tmp_path / "judged")
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr.splitlines()[-1].endswith("pip install 'lymphoscope[parquet]'")
    assert "Traceback" not in answer.stderr


def test_cells_are_audited(lymphoscope: Run, cells: Path) -> None:
    answer = lymphoscope("data", "audit", f"folders:{cells}")
    assert answer.returncode == 0, answer.stderr
    assert "errors 0" in answer.stdout


def test_explain_draws_what_the_streams_saw(lymphoscope: Run, cells: Path, tmp_path: Path) -> None:
    answer = lymphoscope("explain", cells / "all" / "S0_0.png", "--out", tmp_path / "seen")
    assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "seen").glob("*.png"))) == 1


def test_the_doctor_finds_it_well_and_names_what_is_not_there(lymphoscope: Run) -> None:
    answer = lymphoscope("doctor", "--json")
    assert answer.returncode == 0, answer.stdout
    found = json.loads(answer.stdout)
    parts = ["shipped model with onnx", "--runtime auto for blast", "--runtime auto for white-cells"]
    assert [check["part"] for check in found["checks"]] == parts
    assert found["versions"]["torch"] == "not installed"


@pytest.mark.parametrize("command", ["train", "review", "review verify", "review users add", "smear train"])
def test_help_needs_no_extra(lymphoscope: Run, command: str) -> None:
    answer = lymphoscope(*command.split(), "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"Usage: lymphoscope {command}")


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["train", "--data", "CELLS", "--out", "OUT"], "train"),
        (["demo", "--out", "OUT"], "train"),
        (["predict", "CELLS", "--runtime", "torch"], "train"),
        (["predict", "CELLS", "--runtime", "openvino"], "openvino"),
        (["predict", "CELLS", "--cluster", "local", "--out", "OUT.parquet"], "cluster"),
        (["predict", "CELLS", "--out", "OUT.parquet"], "parquet"),
        (["predict", "s3://bucket/cells"], "cluster"),
        (["review", "verify"], "review"),
    ],
    ids=" ".join,
)
def test_an_absent_extra_is_one_line_that_says_what_to_install(
    words: list[str], extra: str, lymphoscope: Run, cells: Path, tmp_path: Path
) -> None:
    answer = lymphoscope(*(word.replace("CELLS", str(cells)).replace("OUT", f"{tmp_path}/out") for word in words))
    assert answer.returncode == 2, answer.stderr
    errors = [line for line in answer.stderr.splitlines() if line.startswith("lymphoscope: error: ")]
    assert len(errors) == 1
    assert re.search(rf"pip install 'lymphoscope\[{extra}\]'$", errors[0]), errors
    assert "Traceback" not in answer.stderr
