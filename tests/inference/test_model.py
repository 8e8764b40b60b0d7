import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lymphoscope
from lymphoscope.errors import LymphoscopeError
from lymphoscope.evaluation import check_predictions
from lymphoscope.inference import Model, load
from lymphoscope.model_file import demonstration_model


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


def test_a_folder_gives_a_row_a_file_and_boxes_in_its_pixels(tiny_model: Path, mixed: Path) -> None:
    table = load(tiny_model, device="cpu").predict([mixed], batch_size=2)
    assert [Path(path).name for path in table["path"]] == ["a.png", "b.png", "c.png"]
    assert table["predicted"].notna().tolist() == [True, False, True]
    boxes = table.loc[[0, 2], ["box_top", "box_left", "box_bottom", "box_right"]].to_numpy(dtype=int)
    for (top, left, bottom, right), (height, width) in zip(boxes, [(80, 80), (70, 90)], strict=True):
        # the network saw the central 64 pixels
        assert (height - 64) // 2 <= top < bottom <= (height + 64) // 2
        assert (width - 64) // 2 <= left < right <= (width + 64) // 2


def test_explanations_come_with_their_rows(tiny_model: Path, mixed: Path) -> None:
    seen = list(load(tiny_model, device="cpu").explain([mixed]))
    assert [cell.pictures is None for cell in seen] == [False, True, False]
    for cell in seen:
        assert ("error" in cell.row) == (cell.pictures is None)
        if cell.pictures is not None:
            top, left, bottom, right = cell.pictures.box
            assert cell.pictures.raw.shape == cell.pictures.crop.shape == cell.pictures.erase.shape == (64, 64, 3)
            assert cell.pictures.attention[top:bottom, left:right].max() == 1.0
            assert cell.row["erase_vote"] in ("all", "hem")


def test_colours_show_nothing(by_colour: Any, mixed: Path) -> None:
    with pytest.raises(LymphoscopeError, match="no attention"):
        list(Model(by_colour).explain(mixed / "a.png"))


def test_a_runtime_that_is_not_here_is_one_line(tiny_model: Path) -> None:
    with pytest.raises(LymphoscopeError, match="no runtime 'abacus'"):
        load(tiny_model, runtime="abacus")


@pytest.mark.skipif(not (demonstration_model() / "model.json").is_file(), reason="needs the model that ships")
def test_without_a_name_it_is_the_model_that_ships(mixed: Path) -> None:
    model = load(device="cpu")
    assert model.description.limits
    assert model.predict(mixed / "a.png")["error"].isna().all()


def test_importing_the_package_brings_nothing_heavy() -> None:
    code = "import sys, lymphoscope; print(*sorted({'numpy', 'pandas', 'torch', 'PIL'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""


def test_the_package_knows_its_version_and_its_names() -> None:
    assert lymphoscope.__version__[0].isdigit()
    assert {"load", "__version__"} <= set(dir(lymphoscope))
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = lymphoscope.lode
