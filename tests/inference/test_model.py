import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import lymphoscope
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import check_predictions
from lymphoscope.inference import Model, load
from lymphoscope.model_file import resolve_model


def test_the_package_loads_a_model(tiny_model: Path, mixed: Path) -> None:
    model = lymphoscope.load(tiny_model, device="cpu")
    table = model.predict([mixed / "a.png", str(mixed / "b.png")])
    check_predictions(table)
    assert table["predicted"].notna().tolist() == [True, False]
    assert table["error"].tolist() == [None, "empty file"]
    assert table["refer"].dtype == bool


def test_one_path_needs_no_list(tiny_model: Path, mixed: Path) -> None:
    model = load(tiny_model, device="cpu")
    path = mixed / "a.png"
    for one in (path, str(path)):
        assert model.predict(one)["path"].tolist() == [str(path)]
        assert [seen.row["path"] for seen in model.explain(one)] == [str(path)]


def test_a_folder_gives_one_row_per_file_with_boxes_in_its_pixels(tiny_model: Path, mixed: Path) -> None:
    table = load(tiny_model, device="cpu").predict([mixed], batch_size=2)
    assert [Path(path).name for path in table["path"]] == ["a.png", "b.png", "c.png"]
    assert table["predicted"].notna().tolist() == [True, False, True]
    boxes = table.loc[[0, 2], ["box_top", "box_left", "box_bottom", "box_right"]].to_numpy(dtype=int)
    for (top, left, bottom, right), (height, width) in zip(boxes, [(80, 80), (70, 90)], strict=True):
        # the network saw the central 64 pixels
        assert (height - 64) // 2 <= top < bottom <= (height + 64) // 2
        assert (width - 64) // 2 <= left < right <= (width + 64) // 2


def test_explanations_hold_their_rows(tiny_model: Path, mixed: Path) -> None:
    seen = list(load(tiny_model, device="cpu").explain([mixed]))
    assert [cell.streams is None for cell in seen] == [False, True, False]
    for cell in seen:
        assert ("error" in cell.row) == (cell.streams is None)
        if cell.streams is not None:
            top, left, bottom, right = cell.streams.box
            assert cell.streams.raw.shape == cell.streams.crop.shape == cell.streams.erase.shape == (64, 64, 3)
            assert cell.streams.attention[top:bottom, left:right].max() == 1.0
            assert cell.row["erase_vote"] in ("all", "hem")


def test_a_runtime_without_attention_cannot_explain(by_colour: Any, mixed: Path) -> None:
    with pytest.raises(LymphoscopeError, match="no attention"):
        list(Model(by_colour).explain(mixed / "a.png"))


def test_an_unknown_runtime_is_one_line(tiny_model: Path) -> None:
    with pytest.raises(LymphoscopeError, match="no runtime 'abacus'"):
        load(tiny_model, runtime="abacus")


@pytest.mark.skipif(not (resolve_model(None) / "model.json").is_file(), reason="needs the model that ships")
def test_load_without_a_folder_loads_the_default_model(mixed: Path) -> None:
    model = load(device="cpu")
    assert model.description.limits
    assert model.predict(mixed / "a.png")["error"].isna().all()


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, lymphoscope; print(*sorted({'numpy', 'pandas', 'torch', 'PIL'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""


def test_the_package_knows_its_version_and_its_names() -> None:
    assert lymphoscope.__version__[0].isdigit()
    assert {"load", "__version__"} <= set(dir(lymphoscope))
    with pytest.raises(AttributeError, match="lode"):
        _ = lymphoscope.lode


def test_arrays_images_and_tables_give_the_same_rows_as_files(tiny_model: Path, mixed: Path) -> None:
    model = load(tiny_model, device="cpu")
    path = mixed / "a.png"
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    expected = model.predict(path).drop(columns="path")
    table = pd.DataFrame({"path": [path], "subject": ["7"]})
    assert model.predict(table)["subject"].tolist() == ["7"]
    for cells in (pixels, [pixels], Image.fromarray(pixels), table.drop(columns="subject")):
        pd.testing.assert_frame_equal(model.predict(cells).drop(columns="path"), expected)
    (explanation,) = model.explain(pixels)
    assert explanation.streams is not None


def test_a_model_shows_what_it_is(tiny_model: Path) -> None:
    model = load(tiny_model, device="cpu")
    assert repr(model) == (
        "<Model name='tiny attention', classes='all, hem', network='test_resnet, attention head', "
        "input='64x64 pixels', runtime='torch', device='cpu', precision='float32', erase='always'>"
    )
    assert "<tr><th>classes</th><td>all, hem</td></tr>" in model._repr_html_()
