"""Each augmentation of Table 1 by its defining property, and all of them by their seed."""

from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lymphoscope.augment import Comparison, ComparisonSettings, batch_mixing, image_augmentation
from lymphoscope.augment.comparison_methods import BATCH_MIXINGS, IMAGE_AUGMENTATIONS
from lymphoscope.augment.occlusion import draw_grid, draw_square

MEAN = (0.485, 0.456, 0.406)
GREY = torch.tensor([124, 116, 104], dtype=torch.uint8).view(3, 1, 1)
SETTINGS = ComparisonSettings(random_erasing_probability=1.0, grid_mask_probability=1.0)


@pytest.fixture
def image() -> torch.Tensor:
    """Brighter than any fill, with different pixels."""
    return torch.randint(128, 256, (3, 60, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", IMAGE_AUGMENTATIONS)
def test_augmentation_depends_on_its_seed_only(name: str, image: torch.Tensor) -> None:
    augmentation, original = image_augmentation(name, SETTINGS, MEAN), image.clone()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = [augmentation.augment(image, (0, 1, index)) for index in range(12)]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    again = [augmentation.augment(image, (0, 1, index)) for index in reversed(range(12))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({each.numpy().tobytes() for each in first}) > 8
    assert all((each.shape, each.dtype) == (image.shape, torch.uint8) for each in first)
    assert torch.equal(image, original)


def test_random_erasing_hides_a_rectangle_of_the_configured_area_and_shape(image: torch.Tensor) -> None:
    augmentation = image_augmentation("random_erasing", SETTINGS, MEAN)
    areas = []
    for index in range(200):
        changed = (augmentation.augment(image, (index,)) != image).any(dim=0)
        rows, columns = changed.any(dim=1).nonzero(), changed.any(dim=0).nonzero()
        height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
        assert changed.sum() > 0.9 * height * width  # noise may equal the old value in all three colours
        assert 0.25 < height / width < 4
        areas.append(height * width / 3600)
    assert 0.015 < min(areas) < 0.06
    assert 0.34 < max(areas) < 0.41
    never = ComparisonSettings(random_erasing_probability=0.0)
    assert torch.equal(image_augmentation("random_erasing", never, MEAN).augment(image, (0,)), image)


def test_random_erasing_can_fill_with_the_mean_colour(image: torch.Tensor) -> None:
    grey = ComparisonSettings(random_erasing_probability=1.0, random_erasing_fill="mean")
    noise, mean = (image_augmentation("random_erasing", each, MEAN) for each in (SETTINGS, grey))
    for index in range(20):
        changed = (mean.augment(image, (index,)) != image).any(dim=0)
        assert torch.equal(mean.augment(image, (index,)), torch.where(changed, GREY, image))
        noisy = (noise.augment(image, (index,)) != image).any(dim=0)
        assert noisy[~changed].sum() == 0


def test_cut_out_paints_one_square_clipped_to_the_image(image: torch.Tensor) -> None:
    augmentation = image_augmentation("cut_out", ComparisonSettings(), MEAN)
    areas = []
    for index in range(300):
        top, bottom, left, right = draw_square(60, 60, 0.5, (index,))
        painted = augmentation.augment(image, (index,))
        expected = image.clone()
        expected[:, top:bottom, left:right] = GREY
        assert torch.equal(painted, expected)
        # Half of the square at least stays on each axis, since its centre is a pixel of the image.
        assert 15 <= bottom - top <= 30
        assert 15 <= right - left <= 30
        areas.append((bottom - top) * (right - left))
    # Half of the centres lie within 15 pixels of a border and keep 22.5 pixels on average, the others keep 30.
    assert np.mean(areas) == pytest.approx(26.25**2, rel=0.05)
    assert max(areas) == 900


@pytest.mark.parametrize(("unit", "ratio"), [(20, 0.6), (10, 0.5), (30, 0.8)])
def test_grid_mask_keeps_the_fraction_of_its_paper(unit: int, ratio: float) -> None:
    mask = draw_grid(60, 60, unit, ratio, np.random.default_rng(0))
    assert 1 - mask.float().mean().item() == pytest.approx(1 - (1 - ratio) ** 2)  # 60 is whole units
    assert torch.equal(mask[unit:], mask[:-unit])
    assert torch.equal(mask[:, unit:], mask[:, :-unit])


def test_grid_mask_paints_with_its_probability(image: torch.Tensor) -> None:
    augmentation = image_augmentation("grid_mask", ComparisonSettings(), MEAN)
    masks = [augmentation.augment(image, (index,)) for index in range(300)]
    changed = [each for each in masks if not torch.equal(each, image)]
    assert len(changed) / 300 == pytest.approx(0.8, abs=0.08)
    for each in changed:
        painted = (each == GREY).all(dim=0)
        assert torch.equal(each, torch.where(painted, GREY, image))
        assert torch.equal(painted, painted.any(dim=1)[:, None] & painted.any(dim=0)[None, :])


def test_mix_up_mixes_each_image_by_its_own_fraction() -> None:
    images = list(torch.randint(0, 256, (24, 3, 20, 20), dtype=torch.uint8))
    labels = [index % 2 for index in range(24)]
    mixing = batch_mixing("mix_up", ComparisonSettings(mix_up_alpha=1.0), 3)
    mixed = mixing.mix(images, labels, [(1, 2, index) for index in range(24)])
    for index, (image, shares) in enumerate(mixed):
        assert shares.sum() == pytest.approx(1.0)
        share = shares[labels[index]]
        expected = share * images[index].float() + (1 - share) * images[index - 1].float()
        assert (image.float() - expected).abs().max() <= 0.51
    assert len({float(shares.max()) for _, shares in mixed}) == 24


def test_cut_mix_labels_count_by_area() -> None:
    images = [torch.full((3, 20, 20), index, dtype=torch.uint8) for index in range(24)]
    labels = [index % 3 for index in range(24)]
    mixing = batch_mixing("cut_mix", ComparisonSettings(), 3)
    mixed = mixing.mix(images, labels, [(1, 2, index) for index in range(24)])
    for index, (image, shares) in enumerate(mixed):
        own = float((image[0] == index).float().mean())
        expected = torch.zeros(3)
        expected[labels[index]] += own
        expected[labels[index - 1]] += 1 - own
        torch.testing.assert_close(shares, expected)
        assert set(image.unique().tolist()) <= {index, (index - 1) % 24}
    assert len({float(shares.max()) for _, shares in mixed}) > 12


def test_mixing_depends_on_its_seeds_only() -> None:
    images = list(torch.randint(0, 256, (4, 3, 20, 20), dtype=torch.uint8))
    mixing = batch_mixing("cut_mix", ComparisonSettings(), 2)
    torch.manual_seed(0)
    first = mixing.mix(images, [0, 1, 0, 1], [(0, 0, index) for index in range(4)])
    torch.manual_seed(1)
    again = mixing.mix(images, [0, 1, 0, 1], [(0, 0, index) for index in range(4)])
    other = mixing.mix(images, [0, 1, 0, 1], [(0, 1, index) for index in range(4)])
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, other, strict=True))


def test_every_name_is_in_one_registry_except_none() -> None:
    for name in get_args(Comparison):
        created = image_augmentation(name, SETTINGS, MEAN) is not None, batch_mixing(name, SETTINGS, 2) is not None
        assert created == (name in IMAGE_AUGMENTATIONS, name in BATCH_MIXINGS)


@pytest.mark.parametrize("wrong", [{"random_erasing_area": (0.4, 0.1)}, {"cut_out_side": 0}, {"grid_mask_ratio": 1}])
def test_invalid_setting_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ComparisonSettings(**wrong)
