"""Random numbers that depend on a seed only, also from torchvision, which draws from torch's global generator."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

Seed = tuple[int, ...]
"""The origin of all draws for one image, such as (seed, epoch, position), all 0 or more."""


def generator_for(seed: Seed, stream: int) -> np.random.Generator:
    """Create a generator for a seed; `stream` separates it from the base augmentation, which uses the seed alone."""
    return np.random.default_rng((*seed, stream))


@contextmanager
def seeded_torch(seed: Seed, stream: int) -> Iterator[None]:
    """Within the context torch's CPU generator follows `seed` and `stream`; afterwards it is as it was before."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(int(generator_for(seed, stream).integers(2**62)))
    try:
        yield
    finally:
        torch.set_rng_state(state)
