"""What tells a synthetic lymphoblast from a synthetic lymphocyte: seven traits whose classes overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from lymphoscope.synthetic.settings import BLAST

Scores = NDArray[np.float64]

TRAITS = ("size", "nucleus_share", "irregularity", "fineness", "openness", "nucleoli", "basophilia")
"""Scores with standard deviation 1 within a class; blasts have the higher mean of each."""
SUBJECT_SHARE = 0.3
"""Part of a trait's variance that lies between the subjects of a class."""

_PULL = np.array([0.35, 0.35, 0.2, 0.5, 0.45, 0.5, 0.2])
_PULL /= np.linalg.norm(_PULL)


@dataclass(frozen=True)
class Traits:
    """What a white cell is drawn with: lengths in micrometres, areas and densities as fractions."""

    diameter: float
    nucleus_share: float
    irregularity: float
    grain: float
    contrast: float
    nucleoli: int
    nucleolus_depth: float
    basophilia: float


def separation(overlap: float) -> float:
    """Distance of the class means, in standard deviations along the best direction, that gives this `overlap`."""
    return float(-2 * ndtri(overlap / 2))


def draw_effect(rng: np.random.Generator) -> Scores:
    """A subject's own deviation in each trait, (7,), standard normal."""
    return rng.standard_normal(len(TRAITS))


def draw_scores(label: str, effect: Scores, overlap: float, rng: np.random.Generator) -> Scores:
    """The scores of one cell, (7,): half the separation towards its class, its subject's effect, and its own."""
    side = 0.5 if label == BLAST else -0.5
    own = rng.standard_normal(len(TRAITS))
    spread = np.sqrt(SUBJECT_SHARE) * effect + np.sqrt(1 - SUBJECT_SHARE) * own
    scores: Scores = side * separation(overlap) * _PULL + spread
    return scores


def traits_of(scores: Scores) -> Traits:
    """Scores (7,) -> what can be drawn, every trait monotone in its score."""
    size, share, irregular, fine, open_, nucleoli, blue = np.clip(scores, -3.5, 3.5)
    return Traits(
        diameter=float(11.4 * np.exp(0.09 * size)),
        nucleus_share=float(np.clip(0.77 + 0.065 * share, 0.5, 0.95)),
        irregularity=float(0.045 * np.exp(0.38 * irregular)),
        grain=float(0.50 * np.exp(-0.26 * fine)),
        contrast=float(0.23 * np.exp(-0.30 * open_)),
        nucleoli=round(float(np.clip(0.9 + 0.9 * nucleoli, 0, 3))),
        nucleolus_depth=float(np.clip(0.30 + 0.07 * nucleoli, 0.1, 0.5)),
        basophilia=float(0.62 * np.exp(0.22 * blue)),
    )
