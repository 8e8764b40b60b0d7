from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lymphoscope.cli.data import app
from lymphoscope.smear.cells_on_black import cell_on_black
from lymphoscope.smear.segmentation import CellMasks
from lymphoscope.synthetic.images import draw_cell_image
from lymphoscope.synthetic.settings import SynthesisSettings
from lymphoscope.synthetic.subjects import draw_subject


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    subject = draw_subject("subject-0", "hem", rng)
    settings = SynthesisSettings(subjects=2, size=240, background="smear")
    folder = tmp_path / "cells"
    for label in ("all", "hem"):
        (folder / label).mkdir(parents=True)
        Image.fromarray(draw_cell_image(subject, label, settings, rng).pixels).save(folder / label / "a.png")
    return folder


def test_segmented_cells_lie_in_the_middle_of_black_with_a_mask_each(cells: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["segment", str(cells), "--out", str(out), "--size", "300"])
    assert result.exit_code == 0, result.output
    for path in sorted(out.glob("[ah]*/*.png")):
        image, mask = np.asarray(Image.open(path)), np.asarray(Image.open(out / "masks" / path.name))
        assert image.shape == (300, 300, 3)
        assert set(np.unique(mask)) == {0, 128, 255}
        assert (image[mask == 0] == 0).all()
        rows, columns = np.nonzero(mask)
        assert abs(rows.min() + rows.max() - 299) <= 2
        assert abs(columns.min() + columns.max() - 299) <= 2
    assert len((out / "cells.csv").read_text().splitlines()) == 3


def test_a_blank_image_is_left_out_and_named(cells: Path, tmp_path: Path) -> None:
    Image.new("RGB", (200, 200), "white").save(cells / "hem" / "blank.png")
    result = CliRunner().invoke(app, ["segment", str(cells), "--out", str(tmp_path / "out")])
    assert result.exit_code == 3
    assert "blank.png: no cell stands out" in result.output


def test_a_cell_larger_than_the_image_is_cut_around_its_middle() -> None:
    mask = np.ones((100, 80), np.bool_)
    pixels, levels = cell_on_black(np.full((100, 80, 3), 9, np.uint8), CellMasks(mask, mask), 40)
    assert (pixels == 9).all()
    assert (levels == 255).all()
