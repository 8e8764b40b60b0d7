"""Settings of a synthetic set, and its random generators.

Every object has its own generator, so that neither the order nor the number of workers changes a byte.
"""

from enum import IntEnum
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from lymphoscope.errors import LymphoscopeError
from lymphoscope.strict_model import StrictModel

BLAST, NORMAL = "all", "hem"
"""Labels as in C-NMC: synthetic lymphoblasts and synthetic normal lymphocytes."""


class SynthesisSettings(StrictModel):
    """Number of synthetic subjects, cells and fields, overlap of the classes, and seed."""

    subjects: int = Field(default=24, ge=2, le=998, description="Synthetic subjects, half of each class.")
    cells_per_subject: int = Field(default=12, ge=1, le=9999, description="Cells of each subject.")
    fields: int = Field(default=4, ge=0, le=9999, description="Whole fields with boxes and masks.")
    faults: bool = Field(default=True, description="Add duplicates, truncated files and wrong labels.")
    seed: int = Field(default=0, ge=0, description="Seed of all random numbers.")
    size: int = Field(default=450, ge=48, le=2048, description="Side of a cell image in pixels; cells scale with it.")
    overlap: float = Field(
        default=0.06,
        gt=0,
        le=1,
        description="Shared mass of the classes: the best classifier has an accuracy of 1 - overlap / 2.",
    )
    background: Literal["black", "smear"] = Field(
        default="black", description="black: segmented, like C-NMC's cells; smear: among red cells."
    )


def check_settings(**values: Any) -> SynthesisSettings:
    """Validate settings. Raises LymphoscopeError that names the first invalid one."""
    try:
        return SynthesisSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LymphoscopeError(f"synthesize: {where} is {first['input']!r}: {first['msg']}") from error


class Drawn(IntEnum):
    """What a generator draws; part of its key, so never renumber."""

    SUBJECT = 0
    CELL = 1
    FIELD = 2
    FAULT = 3


def random_generator(seed: int, drawn: Drawn, *key: int) -> np.random.Generator:
    """Return the generator of one object, such as (seed, CELL, subject, cell)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(drawn, *key)))
