import numpy as np
import pytest

from lymphoscope.data.stains import NO_STAIN_METHOD, get_stain_method, stain_method_names
from lymphoscope.errors import LymphoscopeError

METHODS = stain_method_names()[1:]


def foreground(shift: int = 0) -> np.ndarray:
    """Pixels (N, 3) with different amounts of a stain, brighter by `shift`."""
    amount = np.random.default_rng(0).uniform(0.2, 1.6, (5000, 1))
    return np.clip(210 * np.exp(-amount * (0.4, 0.7, 0.3)) + shift, 1, 254).astype(np.uint8)


def test_none_is_the_first_name_and_no_method() -> None:
    assert stain_method_names()[0] == NO_STAIN_METHOD
    with pytest.raises(LymphoscopeError, match=f"'none' is unknown: use one of none, {', '.join(METHODS)}"):
        get_stain_method(NO_STAIN_METHOD)


@pytest.mark.parametrize("name", METHODS)
def test_method_is_named_like_its_module_and_has_a_title(name: str) -> None:
    method = get_stain_method(name)
    assert method.name == name
    assert method.title


@pytest.mark.parametrize("name", METHODS)
def test_normalized_pixels_have_the_statistics_of_the_reference(name: str) -> None:
    method = get_stain_method(name)
    pixels, reference = foreground(), method.measure(foreground(shift=25))
    normalized = method.normalize(pixels, method.measure(pixels), reference)
    assert normalized.dtype == np.uint8
    measured = method.measure(normalized)
    np.testing.assert_allclose(measured.level, reference.level, rtol=0.03)
    np.testing.assert_allclose(measured.contrast, reference.contrast, rtol=0.05)


@pytest.mark.parametrize("name", METHODS)
def test_pixels_with_the_statistics_of_the_reference_stay_the_same(name: str) -> None:
    method = get_stain_method(name)
    pixels = foreground()
    np.testing.assert_array_equal(method.normalize(pixels, method.measure(pixels), method.measure(pixels)), pixels)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("level", [0, 13, 255])
def test_flat_pixels_give_finite_statistics_and_valid_pixels(name: str, level: int) -> None:
    method = get_stain_method(name)
    flat = np.full((100, 3), level, dtype=np.uint8)
    own = method.measure(flat)
    assert np.isfinite([*own.level, *own.contrast]).all()
    assert method.normalize(flat, own, method.measure(foreground())).shape == (100, 3)
