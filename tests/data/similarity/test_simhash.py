import numpy as np
import pytest

from lymphoscope.data.similarity.perceptual_hash import correlation
from lymphoscope.data.similarity.simhash import simhash_correlation, simhashes


def test_simhash_estimates_the_correlation_of_two_images() -> None:
    generator = np.random.default_rng(0)
    one = generator.integers(20, 255, (64, 64)).astype(np.uint8)
    for share in (0.0, 0.3, 0.6, 0.9, 1.0):
        noise = generator.integers(20, 255, (64, 64))
        other = np.clip(share * one + (1 - share) * noise, 0, 255).astype(np.uint8)
        first, second = simhashes([one, other])
        assert first is not None and second is not None
        assert simhash_correlation(first, second) == pytest.approx(correlation(one, other), abs=0.12)
    assert simhashes([None, one]) == [None, simhashes([one])[0]]
