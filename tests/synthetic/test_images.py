from typing import Literal

import numpy as np
import pytest
from scipy.ndimage import label as connected
from sklearn.metrics import roc_auc_score

from lymphoscope.synthetic.cohort import PlannedCell, draw_planned_cell, draw_subjects
from lymphoscope.synthetic.images import BACKGROUND, CYTOPLASM, NUCLEUS, CellImage, draw_field_image
from lymphoscope.synthetic.settings import SynthesisSettings

SMALL = SynthesisSettings(size=225, subjects=20, seed=4)
SUBJECTS = draw_subjects(SMALL)


def cell(subject: int, number: int, settings: SynthesisSettings = SMALL) -> CellImage:
    return draw_planned_cell(PlannedCell(draw_subjects(settings)[subject], subject, number), settings)


@pytest.mark.parametrize("subject", range(6))
def test_mask_on_black_is_the_nonblack_part(subject: int) -> None:
    image = cell(subject, 0)
    assert image.pixels.shape == (225, 225, 3)
    assert set(np.unique(image.mask)) == {BACKGROUND, CYTOPLASM, NUCLEUS}
    np.testing.assert_array_equal(image.mask != BACKGROUND, image.pixels.any(axis=2))
    assert connected(image.mask != BACKGROUND)[1] == 1


@pytest.mark.parametrize("background", ["black", "smear"])
def test_nucleus_is_darker_than_cytoplasm(background: Literal["black", "smear"]) -> None:
    for subject in range(8):
        image = cell(subject, 1, SMALL.model_copy(update={"background": background}))
        red = image.pixels[..., 0].astype(float)
        assert red[image.mask == NUCLEUS].mean() + 20 < red[image.mask == CYTOPLASM].mean()
        assert 0.4 < (image.mask == NUCLEUS).sum() / (image.mask != BACKGROUND).sum() < 1


def test_background_does_not_change_the_mask() -> None:
    black, smear = (cell(0, 2, SMALL.model_copy(update={"background": b})) for b in ("black", "smear"))
    assert abs(int((black.mask > 0).sum()) - int((smear.mask > 0).sum())) < 0.01 * (black.mask > 0).sum()
    assert (smear.pixels[smear.mask == BACKGROUND].max(axis=1) > 100).mean() > 0.95


def test_cells_scale_with_the_image() -> None:
    shares = [
        np.mean([(cell(s, 0, SMALL.model_copy(update={"size": size})).mask > 0).mean() for s in range(6)])
        for size in (90, 225, 450)
    ]
    np.testing.assert_allclose(shares, shares[2], rtol=0.12)


@pytest.mark.parametrize("size", [48, 51])
def test_smallest_images_contain_a_cell(size: int) -> None:
    for background in ("black", "smear"):
        image = cell(1, 0, SMALL.model_copy(update={"size": size, "background": background}))
        assert image.pixels.shape == (size, size, 3)
        assert (image.mask == NUCLEUS).any()


def unevenness(image: CellImage) -> float:
    """Spread of the green in the nucleus over its mean absorbance: how clumped the chromatin is."""
    green = -np.log(np.clip(image.pixels[..., 1][image.mask == NUCLEUS], 1, 255) / 255.0)
    return float(green.std() / green.mean())


def test_classes_overlap_but_differ_in_measured_features() -> None:
    images = [(cell(s, n), SUBJECTS[s].label) for s in range(20) for n in range(5)]
    labels = [label == "hem" for _, label in images]
    clumped = [unevenness(image) for image, _ in images]
    area = [-(image.mask > 0).sum() for image, _ in images]
    for measured in (clumped, area):
        assert 0.58 < roc_auc_score(labels, measured) < 0.97


def test_full_overlap_leaves_no_difference() -> None:
    same = SMALL.model_copy(update={"overlap": 1.0})
    images = [(cell(s, n, same), SUBJECTS[s].label) for s in range(20) for n in range(5)]
    auc = roc_auc_score([label == "hem" for _, label in images], [unevenness(p) for p, _ in images])
    assert 0.3 < auc < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("number", range(6))
def test_boxes_of_a_field_are_tight(number: int) -> None:
    field = draw_field_image(SUBJECTS[number], SMALL, np.random.default_rng(number))
    height, width = field.pixels.shape[:2]
    assert field.numbers.max() == len(field.objects)
    for number_of_object, each in enumerate(field.objects, start=1):
        left, top, right, bottom = each.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        rows, columns = np.nonzero(field.numbers == number_of_object)
        if len(rows):
            assert left <= columns.min() <= columns.max() < right
            assert top <= rows.min() <= rows.max() < bottom
        if each.class_name.startswith("WBC"):  # placed last, so nothing hides them
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == each.box
            assert len(rows) == each.mask.sum()


def test_field_has_dark_white_cells_among_many_red_cells() -> None:
    class_names: set[str] = set()
    for number in range(8):
        field = draw_field_image(SUBJECTS[number], SMALL, np.random.default_rng(100 + number))
        names = [each.class_name for each in field.objects]
        class_names.update(names)
        white = [number for number, name in enumerate(names, start=1) if name.startswith("WBC")]
        assert 1 <= len(white) <= 5
        assert names.count("RBC") > 20
        red = field.pixels[..., 0].astype(float)
        assert red[np.isin(field.numbers, white)].mean() + 30 < red[field.numbers == 0].mean()
    assert class_names == {"RBC", "Platelets", "WBC:lymphoblast", "WBC:lymphocyte", "WBC:neutrophil"}


@pytest.mark.slow
def test_fields_of_normal_subjects_have_no_blasts() -> None:
    for number in range(1, 20, 2):
        field = draw_field_image(SUBJECTS[number], SMALL, np.random.default_rng(number))
        assert "WBC:lymphoblast" not in {each.class_name for each in field.objects}
