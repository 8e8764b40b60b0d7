from typing import Literal

import numpy as np
import pytest
from scipy.ndimage import label as connected
from sklearn.metrics import roc_auc_score

from lymphoscope.synthetic.cohort import PlannedCell, draw_planned, draw_subjects
from lymphoscope.synthetic.images import BACKGROUND, CYTOPLASM, NUCLEUS, CellPicture, field_picture
from lymphoscope.synthetic.settings import SynthesisSettings

SMALL = SynthesisSettings(size=225, subjects=20, seed=4)
PEOPLE = draw_subjects(SMALL)


def cell(subject: int, number: int, settings: SynthesisSettings = SMALL) -> CellPicture:
    return draw_planned(PlannedCell(draw_subjects(settings)[subject], subject, number), settings)


@pytest.mark.parametrize("subject", range(6))
def test_on_black_the_mask_is_what_is_not_black(subject: int) -> None:
    picture = cell(subject, 0)
    assert picture.pixels.shape == (225, 225, 3)
    assert set(np.unique(picture.mask)) == {BACKGROUND, CYTOPLASM, NUCLEUS}
    np.testing.assert_array_equal(picture.mask != BACKGROUND, picture.pixels.any(axis=2))
    assert connected(picture.mask != BACKGROUND)[1] == 1


@pytest.mark.parametrize("background", ["black", "smear"])
def test_the_nucleus_is_the_darker_part_within_the_cell(background: Literal["black", "smear"]) -> None:
    for subject in range(8):
        picture = cell(subject, 1, SMALL.model_copy(update={"background": background}))
        red = picture.pixels[..., 0].astype(float)
        assert red[picture.mask == NUCLEUS].mean() + 20 < red[picture.mask == CYTOPLASM].mean()
        assert 0.4 < (picture.mask == NUCLEUS).sum() / (picture.mask != BACKGROUND).sum() < 1


def test_a_cell_in_its_smear_has_the_same_mask_as_the_cell_on_black() -> None:
    black, smear = (cell(0, 2, SMALL.model_copy(update={"background": b})) for b in ("black", "smear"))
    assert abs(int((black.mask > 0).sum()) - int((smear.mask > 0).sum())) < 0.01 * (black.mask > 0).sum()
    assert (smear.pixels[smear.mask == BACKGROUND].max(axis=1) > 100).mean() > 0.95


def test_cells_shrink_with_their_picture() -> None:
    shares = [
        np.mean([(cell(s, 0, SMALL.model_copy(update={"size": size})).mask > 0).mean() for s in range(6)])
        for size in (90, 225, 450)
    ]
    np.testing.assert_allclose(shares, shares[2], rtol=0.12)


@pytest.mark.parametrize("size", [48, 51])
def test_the_smallest_pictures_still_hold_a_cell(size: int) -> None:
    for background in ("black", "smear"):
        picture = cell(1, 0, SMALL.model_copy(update={"size": size, "background": background}))
        assert picture.pixels.shape == (size, size, 3)
        assert (picture.mask == NUCLEUS).any()


def unevenness(picture: CellPicture) -> float:
    """Spread of the green in the nucleus over its mean absorbance: how clumped the chromatin is."""
    green = -np.log(np.clip(picture.pixels[..., 1][picture.mask == NUCLEUS], 1, 255) / 255.0)
    return float(green.std() / green.mean())


def test_classes_overlap_and_yet_can_be_told_apart_by_what_is_measured() -> None:
    pictures = [(cell(s, n), PEOPLE[s].label) for s in range(20) for n in range(5)]
    labels = [label == "hem" for _, label in pictures]
    clumped = [unevenness(picture) for picture, _ in pictures]
    area = [-(picture.mask > 0).sum() for picture, _ in pictures]
    for measured in (clumped, area):
        assert 0.58 < roc_auc_score(labels, measured) < 0.97


def test_more_overlap_leaves_less_to_tell_them_by() -> None:
    same = SMALL.model_copy(update={"overlap": 1.0})
    pictures = [(cell(s, n, same), PEOPLE[s].label) for s in range(20) for n in range(5)]
    auc = roc_auc_score([label == "hem" for _, label in pictures], [unevenness(p) for p, _ in pictures])
    assert 0.3 < auc < 0.7


@pytest.mark.parametrize("number", range(6))
def test_boxes_of_a_field_hold_what_was_drawn_and_touch_it(number: int) -> None:
    field = field_picture(PEOPLE[number], SMALL, np.random.default_rng(number))
    height, width = field.pixels.shape[:2]
    assert field.numbers.max() == len(field.things)
    for place, thing in enumerate(field.things, start=1):
        left, top, right, bottom = thing.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        rows, columns = np.nonzero(field.numbers == place)
        if len(rows):
            assert left <= columns.min() <= columns.max() < right
            assert top <= rows.min() <= rows.max() < bottom
        if thing.kind.startswith("WBC"):  # laid last, so nothing hides them
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == thing.box
            assert len(rows) == thing.mask.sum()


def test_a_field_holds_white_cells_among_many_red_ones_and_they_are_the_dark_ones() -> None:
    kinds: set[str] = set()
    for number in range(8):
        field = field_picture(PEOPLE[number], SMALL, np.random.default_rng(100 + number))
        names = [thing.kind for thing in field.things]
        kinds.update(names)
        white = [place for place, name in enumerate(names, start=1) if name.startswith("WBC")]
        assert 1 <= len(white) <= 5
        assert names.count("RBC") > 20
        red = field.pixels[..., 0].astype(float)
        assert red[np.isin(field.numbers, white)].mean() + 30 < red[field.numbers == 0].mean()
    assert kinds == {"RBC", "Platelets", "WBC:lymphoblast", "WBC:lymphocyte", "WBC:neutrophil"}


def test_a_normal_subject_has_no_blast_in_its_fields() -> None:
    for number in range(1, 20, 2):
        field = field_picture(PEOPLE[number], SMALL, np.random.default_rng(number))
        assert "WBC:lymphoblast" not in {thing.kind for thing in field.things}
