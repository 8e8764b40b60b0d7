import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.cli.main import run
from lymphoscope.evaluation import read_predictions


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A folder with two cells of one name, one without a suffix that tells it apart, and one that is no picture."""
    generator = np.random.default_rng(0)
    for name in ("a/cell.png", "b/cell.png", "b/Cell.bmp"):
        path = tmp_path / "cells" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (50, 60, 3), dtype=np.uint8)).save(path)
    (tmp_path / "cells" / "note.png").write_text("no picture", encoding="utf-8")
    return tmp_path / "cells"


@pytest.mark.slow
def test_each_cell_gets_an_image_and_each_file_a_row(
    models: Path, cells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "explained"
    assert run(["explain", str(models / "attention"), str(cells), "--out", str(out), "--json"]) == 3
    index = read_predictions(out / "index.csv")
    assert len(index) == 4
    assert index["error"].notna().sum() == 1
    drawn = index["picture"].dropna().tolist()
    assert len({name.casefold() for name in drawn}) == 3
    assert {path.name for path in out.iterdir()} == {"index.csv", *drawn}
    for name in drawn:
        with Image.open(out / name) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 300
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "rows": 4,
        "failed": 1,
        "not_read": {},
        "out": str(out),
        "index": str(out / "index.csv"),
    }
    assert captured.err.splitlines()[-1] == f"4 cells, 1 failed; wrote {out}"


@pytest.mark.slow
def test_the_index_equals_the_output_of_predict(models: Path, cells: Path, tmp_path: Path) -> None:
    run(["explain", str(models / "attention"), str(cells), "--out", str(tmp_path)])
    run(["predict", str(models / "attention"), str(cells), "--out", str(tmp_path / "predicted.csv")])
    explained, predicted = read_predictions(tmp_path / "index.csv"), read_predictions(tmp_path / "predicted.csv")
    assert explained["path"].tolist() == predicted["path"].tolist()
    assert explained["predicted"].tolist() == predicted["predicted"].tolist()
    np.testing.assert_allclose(explained["score_all"], predicted["score_all"], atol=1e-4)


def test_a_model_without_attention_is_a_one_line_error(
    models: Path, cells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", str(models / "linear"), str(cells), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "tiny linear has a linear head" in error
    assert error.count("\n") == 1


def test_output_images_never_overwrite_input_images(
    models: Path, cells: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (cells / "a" / "cell.png").read_bytes()
    assert run(["explain", str(models / "attention"), str(cells), "--out", str(cells / "a")]) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert (cells / "a" / "cell.png").read_bytes() == before
