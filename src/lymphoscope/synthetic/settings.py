"""What a set of synthetic smears shall be.

One generator for each thing that is drawn, so that neither order nor number of workers changes a byte.
"""

from enum import IntEnum
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from lymphoscope.errors import LymphoscopeError
from lymphoscope.vocabulary import StrictModel

BLAST, NORMAL = "all", "hem"
"""Labels as in C-NMC: synthetic lymphoblasts and synthetic normal lymphocytes."""


class SynthesisSettings(StrictModel):
    """How many synthetic subjects, cells and fields, how alike the classes are, and from which seed.

    `size` is the side of a cell's picture in pixels (cells shrink with it); `overlap` the shared mass of the two
    classes' distributions, so that 1 - overlap / 2 is the accuracy of the best possible reader; `background` either
    `black`, cut out as C-NMC's cells are, or `smear`, with the red cells around.
    """

    subjects: Annotated[int, Field(ge=2, le=998)] = 24
    cells_per_subject: Annotated[int, Field(ge=1, le=9999)] = 12
    fields: Annotated[int, Field(ge=0, le=9999)] = 4
    faults: bool = True
    seed: Annotated[int, Field(ge=0)] = 0
    size: Annotated[int, Field(ge=48, le=2048)] = 450
    overlap: Annotated[float, Field(gt=0, le=1)] = 0.06
    background: Literal["black", "smear"] = "black"


def checked(**values: Any) -> SynthesisSettings:
    """The settings, or a LymphoscopeError that names the first wrong one."""
    try:
        return SynthesisSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LymphoscopeError(f"synthesize: {where} is {first['input']!r}: {first['msg']}") from error


class Kind(IntEnum):
    """What a generator draws; part of its key, so never renumber."""

    SUBJECT = 0
    CELL = 1
    FIELD = 2
    FAULT = 3


def generator(seed: int, kind: Kind, *key: int) -> np.random.Generator:
    """The generator of one thing, such as (seed, CELL, subject, cell)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(kind, *key)))
