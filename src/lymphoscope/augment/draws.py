"""torchvision draws from torch's global generator: lend it one seeded for an image, and give it back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

Seed = tuple[int, ...]
"""What an image's draws come from alone, such as (seed, epoch, position), all 0 or more."""


def generator_of(seed: Seed, purpose: int) -> np.random.Generator:
    """Numbers of a seed and a purpose: unlike those of the base augmentation, which uses the seed alone."""
    return np.random.default_rng((*seed, purpose))


@contextmanager
def drawing_from(seed: Seed, purpose: int) -> Iterator[None]:
    """Within, torch's generator on the processor follows `seed` and `purpose`; after, it is as it was before."""
    kept = torch.get_rng_state()
    torch.default_generator.manual_seed(int(generator_of(seed, purpose).integers(2**62)))
    try:
        yield
    finally:
        torch.set_rng_state(kept)
