"""One generator for each thing that is drawn, so that neither order nor number of workers changes a byte."""

from enum import IntEnum

import numpy as np


class Kind(IntEnum):
    """What a generator draws; part of its key, so never renumber."""

    SUBJECT = 0
    CELL = 1
    FIELD = 2
    FAULT = 3


def generator(seed: int, kind: Kind, *key: int) -> np.random.Generator:
    """The generator of one thing, such as (seed, CELL, subject, cell)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(kind, *key)))
