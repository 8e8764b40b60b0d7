import numpy as np
import pytest

from lymphoscope.data.similarity.orientations import oriented
from lymphoscope.data.similarity.perceptual_hash import orientations_of, parse_hashes, perceptual_hash_of


def thumbnails(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64), dtype=np.uint8)


def test_hash_of_a_turned_image_follows_from_the_hash() -> None:
    images = thumbnails(5)
    turned = orientations_of(parse_hashes([perceptual_hash_of(image) for image in images]))
    for image, hashes in zip(oriented(images), turned, strict=True):
        np.testing.assert_array_equal(parse_hashes([perceptual_hash_of(each) for each in image]), hashes)


def test_hash_does_not_depend_on_brightness_and_contrast() -> None:
    image = (thumbnails(1)[0] // 2).astype(np.uint8)
    assert perceptual_hash_of(image) == perceptual_hash_of(image + 20) == perceptual_hash_of(image * 2)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_image_has_an_empty_hash(level: int) -> None:
    hashes = parse_hashes([perceptual_hash_of(np.full((64, 64), level, dtype=np.uint8))])
    assert not hashes.any()
    assert not orientations_of(hashes).any()
