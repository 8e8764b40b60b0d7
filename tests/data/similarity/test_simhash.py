import numpy as np
import pytest

from lymphoscope.data.similarity.orientations import oriented
from lymphoscope.data.similarity.simhash import (
    estimated_correlation,
    parse_simhashes,
    simhash_orientations,
    simhashes_of,
)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 64, 64)).astype(np.float32)


def test_simhash_estimates_the_correlation_of_two_images() -> None:
    first, noise = images(2)
    for share in (0.0, 0.3, 0.6, 0.9, 1.0):
        second = share * first + (1 - share) * noise
        hashes = parse_simhashes(simhashes_of(np.stack([first, second])))
        correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
        assert estimated_correlation(hashes[:1], hashes[1:])[0] == pytest.approx(correlation, abs=0.12)


def test_simhash_of_a_turned_image_is_a_permutation_of_its_simhash() -> None:
    turned = oriented(images(3))
    hashes = simhash_orientations(parse_simhashes(simhashes_of(images(3))))
    for image, own in zip(turned, hashes, strict=True):
        expected = parse_simhashes(simhashes_of(image))
        # Sums in another order may put a value that is nearly 0 on the other side.
        assert (estimated_correlation(own, expected) > 0.999).all()


def test_simhashes_are_the_same_in_every_version() -> None:
    gradient = np.linspace(-1, 1, 4096, dtype=np.float32).reshape(1, 64, 64)
    assert simhashes_of(gradient)[0][:16] == "074317f2eaad494b"
