"""Synthetic subjects: their class, the traits of their cells, and how their smear was stained and photographed.

Seven traits distinguish a lymphoblast from a lymphocyte; their distributions overlap between the classes. Stains absorb
light (Beer-Lambert) in Wright-Giemsa-like colours that vary between subjects.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri

from lymphoscope.synthetic.settings import BLAST

Scores = NDArray[np.float64]

TRAITS = ("size", "nucleus_share", "irregularity", "fineness", "openness", "nucleoli", "basophilia")
"""Trait scores have standard deviation 1 within a class; blasts have the higher mean in each."""
SUBJECT_VARIANCE = 0.3
"""Share of a trait's variance that is between the subjects of a class."""

_DIRECTION = np.array([0.35, 0.35, 0.2, 0.5, 0.45, 0.5, 0.2])
_DIRECTION /= np.linalg.norm(_DIRECTION)


@dataclass(frozen=True)
class Traits:
    """Parameters of the drawing of a white cell: lengths in micrometres, areas and densities as fractions."""

    diameter: float
    nucleus_share: float
    irregularity: float
    grain: float
    contrast: float
    nucleoli: int
    nucleolus_depth: float
    basophilia: float


def separation(overlap: float) -> float:
    """Return the distance of the class means, in standard deviations along the best direction, for an `overlap`."""
    return float(-2 * ndtri(overlap / 2))


def draw_effect(rng: np.random.Generator) -> Scores:
    """Draw a subject's deviation in each trait, (7,), standard normal."""
    return rng.standard_normal(len(TRAITS))


def draw_scores(label: str, effect: Scores, overlap: float, rng: np.random.Generator) -> Scores:
    """Draw the scores of one cell, (7,): half the separation towards its class, the subject's effect, and its own."""
    side = 0.5 if label == BLAST else -0.5
    own = rng.standard_normal(len(TRAITS))
    spread = np.sqrt(SUBJECT_VARIANCE) * effect + np.sqrt(1 - SUBJECT_VARIANCE) * own
    scores: Scores = side * separation(overlap) * _DIRECTION + spread
    return scores


def traits_of(scores: Scores) -> Traits:
    """Convert scores (7,) to drawing parameters, each monotone in its score."""
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


Density = NDArray[np.float32]
"""(H, W) amount of one stain, or (H, W, 3) optical density in red, green and blue."""

AZURE, BLUE, EOSIN = range(3)
"""Rows of a stain matrix: nuclei and granules; basophilic cytoplasm; red cells."""

_STAINS = np.array([[0.57, 0.78, 0.27], [0.80, 0.57, 0.18], [0.36, 0.76, 0.54]])
_LIGHT = np.array([251.0, 233.0, 214.0])


@dataclass(frozen=True)
class Subject:
    """One synthetic subject: name, class, deviation of the cells' traits, stains, light and microscope."""

    name: str
    label: str
    effect: Scores
    stains: NDArray[np.float32]
    light: NDArray[np.float32]
    blur: float
    noise: float
    red_radius: float
    pallor: float


def draw_subject(name: str, label: str, rng: np.random.Generator) -> Subject:
    """Draw a subject: direction and strength of each stain, light, focus, sensor noise, red cells."""
    effect = draw_effect(rng)
    tint = _STAINS + rng.normal(0, 0.03, (3, 3))
    tint = tint / np.linalg.norm(tint, axis=1, keepdims=True)
    strength = np.exp(rng.normal(0, 0.10) + rng.normal(0, 0.05, (3, 1)))
    return Subject(
        name=name,
        label=label,
        effect=effect,
        stains=(tint * strength).astype(np.float32),
        light=np.clip(_LIGHT + rng.normal(0, 6) + rng.normal(0, 4, 3), 190, 255).astype(np.float32),
        blur=float(rng.uniform(0.06, 0.11)),
        noise=float(rng.uniform(0.8, 2.0)),
        red_radius=float(rng.normal(3.6, 0.18)),
        pallor=float(rng.uniform(0.35, 0.85)),
    )


def optical_density(amounts: list[Density], subject: Subject) -> Density:
    """Convert amounts of azure, blue and eosin, each (H, W), to optical density (H, W, 3)."""
    return np.stack(amounts, axis=-1) @ subject.stains


def photograph(density: Density, subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Convert optical density (H, W, 3) to an image (H, W, 3) uint8: transmitted light, blurred, with noise."""
    light = subject.light * np.exp(-density)
    light = gaussian_filter(light, (subject.blur * pixels_per_um, subject.blur * pixels_per_um, 0), truncate=3)
    light += subject.noise * rng.standard_normal(light.shape, dtype=np.float32)
    image: NDArray[np.uint8] = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    return image
