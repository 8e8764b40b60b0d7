"""`lymphoscope export`: every export is compared with torch, and removed if it differs too much."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope import extras
from lymphoscope.cli.main import run
from lymphoscope.errors import LymphoscopeError
from lymphoscope.export import exporter, parity
from lymphoscope.model_file import load_description

pytestmark = pytest.mark.slow


@pytest.fixture
def model(models: Path, tmp_path: Path) -> Path:
    shutil.copytree(models / "attention", tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    folder = tmp_path / "cells"
    folder.mkdir()
    for number in range(12):
        Image.fromarray(generator.integers(0, 256, (70, 70, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(("runtime", "name"), [("onnx", "algorithm1.onnx"), ("openvino", "algorithm1.xml")])
def test_algorithm_1_is_exported_as_one_graph_of_any_batch_size(
    model: Path, runtime: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(model), "--to", runtime, "--whole", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["graph"], made["precision"], next(iter(made["files"]))) == ("algorithm1", "float32", name)
    of_export = made["parity"]
    assert (of_export["labels"], of_export["boxes"], of_export["source"]) == (1.0, 1.0, "64 synthetic cells")
    assert of_export["scores"] <= 1e-4
    (recorded,) = load_description(model).exports
    assert recorded.model_dump(mode="json") == made


def test_an_export_is_compared_on_the_given_cells(model: Path, cells: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(model), "--to", "onnx", "--cells", str(cells)]) == 0
    assert "on 12 cells of cells: equal labels 100.00%, equal boxes 100.00%" in capsys.readouterr().out
    assert run(["export", str(model), "--to", "onnx"]) == 0
    assert len(load_description(model).exports) == 1  # replaced, not added


def test_an_export_beyond_the_bound_is_removed(
    model: Path, cells: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(path.name for path in model.iterdir())
    monkeypatch.setattr(parity, "MAX_SCORE_DIFFERENCE", -1.0)
    assert run(["export", str(model), "--to", "openvino"]) == 2
    assert "differs from torch float32" in capsys.readouterr().err
    monkeypatch.setattr(exporter, "measure_parity", lambda *_: parity.Parity(
        cells=1, source="", labels=0.98, boxes=1, boxes_iou=1, scores=0, mean_scores=0, first_streams=0))  # fmt: skip
    assert run(["export", str(model), "--to", "onnx", "--int8", "--calibration", str(cells)]) == 2
    assert "98.00% of labels equal those of float32, fewer than 99.00%" in capsys.readouterr().err
    assert sorted(path.name for path in model.iterdir()) == before
    assert load_description(model).exports == ()


@pytest.mark.parametrize(("first", "scores", "kept"), [(9e-5, 9e-3, True), (2e-4, 9e-3, False), (9e-5, 2e-2, False)])
def test_only_scores_with_the_erase_stream_may_differ_by_a_pixel_on_the_threshold(
    first: float, scores: float, kept: bool
) -> None:
    measured = parity.Parity(
        cells=346, source="", labels=1, boxes=1, boxes_iou=1, scores=scores, mean_scores=0, first_streams=first
    )
    with nullcontext() if kept else pytest.raises(LymphoscopeError, match="raw and crop by up to"):
        parity.check_parity(measured, "float32", 0.99)


def test_a_failed_export_leaves_the_older_one(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["export", str(model), "--to", "onnx"]) == 0
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    monkeypatch.setattr(parity, "MAX_SCORE_DIFFERENCE", -1.0)
    assert run(["export", str(model), "--to", "onnx"]) == 2
    assert "was removed" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(["--to", "openvino"], "--to openvino"), (["--to", "onnx", "--int8", "--calibration", "CELLS"], "int8")],
)
def test_a_missing_package_is_reported_before_anything_is_written(
    model: Path,
    cells: Path,
    arguments: list[str],
    what: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    assert run(["export", str(model), *(str(cells) if word == "CELLS" else word for word in arguments)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"lymphoscope: error: {what} needs openvino")
    assert error.endswith("pip install 'lymphoscope[openvino]'\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "onnx", "--int8"], "int8 needs cells"),
        (["--to", "onnx", "--precision", "bfloat16"], "does not compute bfloat16"),
        (["--to", "onnx", "--whole", "--int8", "--calibration", "CELLS"], "written in floats"),
        (["--to", "onnx", "--cells", "gone"], "gone does not exist"),
        (["--to", "openvino", "--int8", "--precision", "bfloat16"], "leave one out"),
    ],
)
def test_invalid_options_are_one_line(
    model: Path, cells: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(model), *(str(cells) if word == "CELLS" else word for word in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_linear_head_can_be_exported_as_a_network_only(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(models / "linear", tmp_path / "linear")
    assert run(["export", str(tmp_path / "linear"), "--to", "onnx", "--whole"]) == 2
    assert "has a linear head" in capsys.readouterr().err
    assert run(["export", str(tmp_path / "linear"), "--to", "onnx"]) == 0
