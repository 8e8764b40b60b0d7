"""The base augmentation against torchvision, its bounds, and its seed."""

import io
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image
from pydantic import ValidationError
from torchvision.transforms.v2 import functional as F

from lymphoscope.augment.base import BaseAugmentation, BaseAugmentationSettings

STILL: dict[str, object] = {
    "horizontal_flip": 0,
    "vertical_flip": 0,
    "rotation": 0,
    "translate": 0,
    "scale": (1, 1),
    "shear": 0,
    "grayscale": 0,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "hue": 0,
}


def only(**changed: object) -> BaseAugmentation:
    return BaseAugmentation(BaseAugmentationSettings(**{**STILL, **changed}))  # type: ignore[arg-type]


@pytest.fixture
def cell() -> torch.Tensor:
    """A smooth coloured blob on black that has no symmetry."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 48), indexing="ij")
    blob = torch.exp(-((y - 0.1) ** 2 + (x + 0.15) ** 2) * 6)
    return torch.stack([150 * blob * (1 + x) / 2, 60 * blob * (1 + y) / 2, 200 * blob]).to(torch.uint8)


def test_everything_off_returns_the_image(cell: torch.Tensor) -> None:
    assert torch.equal(only().augment(cell, (0,)), cell)


@pytest.mark.parametrize(("name", "dims"), [("horizontal_flip", [2]), ("vertical_flip", [1])])
def test_flip_happens_with_its_probability(cell: torch.Tensor, name: str, dims: list[int]) -> None:
    assert torch.equal(only(**{name: 1}).augment(cell, (0,)), cell.flip(dims))
    flipped = [torch.equal(only(**{name: 0.5}).augment(cell, (n,)), cell.flip(dims)) for n in range(300)]
    assert 110 < sum(flipped) < 190


def test_rotation_and_scale_agree_with_torchvision_s_tensor_version(cell: torch.Tensor) -> None:
    for seed in range(5):
        turned = only(rotation=180).augment(cell, (seed,)).float()
        angles = np.arange(-180, 180, 2.0)
        gaps = [
            (turned - F.affine(cell, a, [0, 0], 1.0, [0, 0], F.InterpolationMode.BILINEAR).float()).abs().mean()
            for a in angles
        ]
        assert min(gaps) < 1.0 < np.median(gaps)
    larger = only(scale=(1.5, 1.5)).augment(cell, (0,)).float()
    expected = F.affine(cell, 0.0, [0, 0], 1.5, [0, 0], F.InterpolationMode.BILINEAR).float()
    assert (larger - expected).abs().mean() < 0.5


def test_translation_is_within_its_bound(cell: torch.Tensor) -> None:
    shifts = set()
    for seed in range(60):
        moved = only(translate=0.1).augment(cell, (seed,))
        matches = [
            (dy, dx)
            for dy in range(-5, 6)
            for dx in range(-5, 6)
            if torch.equal(moved[:, 8:40, 8:40], cell[:, 8 - dy : 40 - dy, 8 - dx : 40 - dx])
        ]
        assert matches
        shifts.update(matches)
    assert len(shifts) > 20


def test_colour_jitter_keeps_a_grey_image_grey(cell: torch.Tensor) -> None:
    """Grayscale comes before the jitter, and hue and saturation do not change grey."""
    grey = only(grayscale=1, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.3).augment(cell, (5,))
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[1], grey[2])
    assert grey.float().std() > 0
    expected = F.rgb_to_grayscale(cell, 3).int()
    assert (only(grayscale=1).augment(cell, (5,)).int() - expected).abs().max() <= 1


REFERENCES: list[tuple[str, Callable[[torch.Tensor, float], torch.Tensor], float]] = [
    ("brightness", F.adjust_brightness, 1.0),
    ("contrast", F.adjust_contrast, 1.0),
    ("saturation", F.adjust_saturation, 1.0),
    ("hue", F.adjust_hue, 0.0),
]


@pytest.mark.parametrize(("name", "reference", "middle"), REFERENCES)
def test_colour_change_is_torchvision_s_within_its_bound(
    cell: torch.Tensor, name: str, reference: Callable[[torch.Tensor, float], torch.Tensor], middle: float
) -> None:
    bound, factors = 0.3, np.linspace(-0.3, 0.3, 61)
    nearest = []
    for seed in range(12):
        changed = only(**{name: bound}).augment(cell, (seed,)).float()
        gaps = [float((changed - reference(cell, middle + step).float()).abs().mean()) for step in factors]
        assert min(gaps) < 1.0
        nearest.append(factors[int(np.argmin(gaps))])
    assert max(nearest) > 0.05
    assert min(nearest) < -0.05


def test_pixels_from_outside_have_the_fill_value() -> None:
    white = torch.full((3, 40, 40), 255, dtype=torch.uint8)
    for fill in (0, 128):
        smaller = only(scale=(0.5, 0.5), fill=fill).augment(white, (0,))
        assert smaller[:, 0, 0].tolist() == [fill] * 3
        assert smaller[:, 20, 20].tolist() == [255] * 3


@settings(deadline=None, max_examples=40)
@given(height=st.integers(16, 60), width=st.integers(16, 60), seed=st.tuples(*[st.integers(0, 2**40)] * 3))
def test_augmentation_depends_on_its_seed_only(height: int, width: int, seed: tuple[int, int, int]) -> None:
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    augment = BaseAugmentation().augment
    first = augment(image, seed)
    _ = augment(image, (1, 2, 3)), torch.rand(1), np.random.default_rng(0).random()
    again = BaseAugmentation().augment(image, seed)
    assert torch.equal(first, again)
    assert (first.shape, first.dtype) == (image.shape, torch.uint8)
    assert first.is_contiguous()


def test_images_differ_and_threads_make_no_difference(cell: torch.Tensor) -> None:
    augmentation = BaseAugmentation()
    seeds = [(0, epoch, index) for epoch in range(4) for index in range(10)]
    one_by_one = [augmentation.augment(cell, seed) for seed in seeds]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: augmentation.augment(cell, seed), seeds))
    assert all(torch.equal(a, b) for a, b in zip(one_by_one, together, strict=True))
    assert len({image.numpy().tobytes() for image in one_by_one}) == len(seeds)


def test_global_generators_are_neither_read_nor_changed(cell: torch.Tensor) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    BaseAugmentation().augment(cell, (1, 2, 3))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002


def test_call_without_a_seed_follows_torch_s_generator(cell: torch.Tensor) -> None:
    augmentation = BaseAugmentation()
    torch.manual_seed(3)
    first, second = augmentation(cell), augmentation(cell)
    torch.manual_seed(3)
    assert torch.equal(augmentation(cell), first)
    assert not torch.equal(first, second)


def test_input_is_not_changed(cell: torch.Tensor) -> None:
    before = cell.clone()
    BaseAugmentation().augment(cell, (0,))
    only().augment(cell, (0,)).zero_()
    assert torch.equal(cell, before)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"horizontal_flip": 1.5}, "horizontal_flip"),
        ({"scale": (1.2, 0.8)}, "scale"),
        ({"scale": (0, 1)}, "scale"),
        ({"hue": 0.6}, "hue"),
        ({"fill": 256}, "fill"),
        ({"gray": 0.1}, "gray"),
    ],
)
def test_invalid_or_unknown_setting_is_refused_by_name(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BaseAugmentationSettings(**wrong)  # type: ignore[arg-type]


def density(image: torch.Tensor) -> torch.Tensor:
    return -((image.double() + 0.5) / 255.5).log()


def test_stain_multiplies_the_optical_density_of_each_channel_and_keeps_black() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).repeat(3, 16, 1)
    for seed in range(20):
        changed = only(stain=0.3).augment(ramp, (seed,))
        assert (changed[:, :, 0] == 0).all()
        # Where neither end of the range rounds much, the ratio is one number per channel, within 1.3 * 1.3.
        ratios = density(changed)[:, 0, 20:200] / density(ramp)[:, 0, 20:200]
        middle = ratios.median(dim=1).values
        assert (ratios.sub(middle[:, None]).abs() < 0.05 * middle[:, None]).double().mean() > 0.9
        assert ((middle > 0.7**2 - 0.02) & (middle < 1.3**2 + 0.02)).all()
        assert middle.unique().numel() == 3


def test_light_adds_one_density_to_each_channel() -> None:
    flat = torch.full((3, 16, 16), 120, dtype=torch.uint8)
    shifts = (
        torch.stack([density(only(light=0.2).augment(flat, (n,)))[:, 0, 0] for n in range(200)])
        - density(flat)[0, 0, 0]
    )
    assert 0.15 < shifts.abs().max() < 0.21
    assert shifts.mean(dim=0).abs().max() < 0.03
    assert abs(np.corrcoef(shifts.T.numpy())[0, 1]) < 0.2


def test_resolution_blurs_half_of_the_images_and_keeps_their_size(cell: torch.Tensor) -> None:
    noise = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    changed = [only(resolution=0.4).augment(noise, (n,)) for n in range(200)]
    assert all(one.shape == noise.shape for one in changed)
    deviations = np.array([one.float().std().item() for one in changed])
    assert 70 < (deviations < 0.95 * noise.float().std().item()).sum() < 130
    assert torch.equal(only(resolution=1).augment(cell, (0,)), cell)


def test_beyond_a_mirrored_border_is_the_image() -> None:
    light = torch.full((3, 40, 40), 200, dtype=torch.uint8)
    turned = {"rotation": 180.0, "scale": (0.8, 0.8), "translate": 0.1}
    assert (only(**turned).augment(light, (1,)) == 0).any()
    assert (only(**turned, border="reflect").augment(light, (1,)) == 200).all()


def test_a_mirrored_border_changes_nothing_inside(cell: torch.Tensor) -> None:
    moved = {"translate": 0.2, "rotation": 30.0}
    with_black, mirrored = (only(**moved, border=border).augment(cell, (3,)) for border in ("fill", "reflect"))
    inside = (with_black != 0).all(dim=0)
    assert inside.double().mean() > 0.1
    assert (with_black.int() - mirrored.int()).abs().amax(dim=0)[inside].double().quantile(0.9) <= 1


def test_noise_has_at_most_its_standard_deviation_and_differs_between_images() -> None:
    grey = torch.full((3, 64, 64), 128, dtype=torch.uint8)
    augmentation = only(noise=0.04)
    deviations = [float(augmentation.augment(grey, (0, index)).float().std()) for index in range(40)]
    assert max(deviations) < 0.04 * 255 * 1.03
    assert max(deviations) > 0.03 * 255
    assert min(deviations) < 0.01 * 255


def test_noise_changes_nothing_that_is_drawn_before_it(cell: torch.Tensor) -> None:
    settings = {"rotation": 30, "stain": 0.2, "resolution": 0.5}
    plain = only(**settings).augment(cell, (3, 4)).float()
    noisy = only(**settings, noise=0.02).augment(cell, (3, 4)).float()
    assert float((noisy - plain).abs().mean()) < 0.02 * 255


def test_blur_smooths_half_of_the_images_by_up_to_its_fraction_of_the_side() -> None:
    edge = torch.ones((3, 100, 100), dtype=torch.uint8)  # black would stay black
    edge[:, :, 50:] = 200
    widths = [
        int(((changed := only(blur=0.04).augment(edge, (n,)))[0, 50] > 10).logical_and(changed[0, 50] < 190).sum())
        for n in range(200)
    ]
    assert 70 < sum(width == 0 for width in widths) < 130
    # From 5 % to 95 % of an edge are 3.3 standard deviations of the Gaussian, here at most 4 pixels.
    assert 10 <= max(widths) <= 15


def test_blur_and_noise_keep_black_black_and_do_not_darken_the_edge_of_a_cell() -> None:
    on_black = torch.zeros((3, 60, 60), dtype=torch.uint8)
    on_black[:, 15:45, 15:45] = 150
    for n in range(20):
        assert (only(blur=0.05).augment(on_black, (n,)).int() - on_black).abs().max() <= 8  # 8-bit weights
        noisy = only(noise=0.05).augment(on_black, (n,))
        assert torch.equal(noisy == 0, on_black == 0)
    assert not torch.equal(noisy, on_black)


def test_jpeg_changes_half_of_the_images_and_more_at_a_lower_quality() -> None:
    grain = torch.randint(60, 200, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    differences = {
        quality: [float((only(jpeg=quality).augment(grain, (n,)).float() - grain).abs().mean()) for n in range(100)]
        for quality in (30, 90, 100)
    }
    assert 30 < sum(difference == 0 for difference in differences[30]) < 70
    assert max(differences[30]) > max(differences[90]) > 0
    assert max(differences[100]) == 0


def test_jpeg_equals_pillows_own_compression() -> None:
    grain = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    expected = []
    for quality in range(95, 101):
        stream = io.BytesIO()
        Image.fromarray(grain).save(stream, "JPEG", quality=quality)
        expected.append(np.array(Image.open(stream)))
    image = torch.from_numpy(grain).permute(2, 0, 1)
    for n in range(20):
        changed = only(jpeg=95).augment(image, (n,)).permute(1, 2, 0).numpy()
        assert any(np.array_equal(changed, one) for one in [grain, *expected])


def test_bare_surroundings_keep_a_circle_and_give_the_rest_the_colour_of_the_glass() -> None:
    image = torch.full((3, 100, 100), 230, dtype=torch.uint8)  # glass
    image[:, :20] = 90  # other cells
    image[:, 40:60, 40:60] = 40  # the cell
    changed = [only(bare_surroundings=0.5).augment(image, (n,)) for n in range(200)]
    bare = [one for one in changed if not torch.equal(one, image)]
    assert 70 < len(bare) < 130
    for one in bare:
        assert torch.equal(one[:, 35:65, 35:65], image[:, 35:65, 35:65])
        assert (one[:, :10, :10] == 230).all()
    assert torch.equal(only(bare_surroundings=0).augment(image, (0,)), image)


def test_what_only_some_recipes_need_is_off_by_default() -> None:
    settings = BaseAugmentationSettings()
    assert (settings.blur, settings.bare_surroundings, settings.noise, settings.jpeg) == (0, 0, 0, 100)
