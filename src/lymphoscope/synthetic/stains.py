"""Wright-Giemsa-like colours: stains absorb light (Beer-Lambert), each subject's smear a little apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lymphoscope.synthetic.traits import Scores, draw_effect

Density = NDArray[np.float32]
"""(H, W) amount of one stain, or (H, W, 3) optical density in red, green and blue."""

AZURE, BLUE, EOSIN = range(3)
"""Rows of a stain matrix: nuclei and granules; basophilic cytoplasm; red cells."""

_STAINS = np.array([[0.57, 0.78, 0.27], [0.80, 0.57, 0.18], [0.36, 0.76, 0.54]])
_LIGHT = np.array([251.0, 233.0, 214.0])


@dataclass(frozen=True)
class Subject:
    """One synthetic subject: name, class, deviation of the cells' traits, and how the smear was stained and seen."""

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
    """A subject with a stain of its own: direction and strength of each, light, focus, sensor noise, red cells."""
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


def stained(amounts: list[Density], subject: Subject) -> Density:
    """Amounts of azure, blue and eosin, each (H, W) -> optical density (H, W, 3)."""
    return np.stack(amounts, axis=-1) @ subject.stains


def photograph(density: Density, subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Optical density (H, W, 3) -> picture (H, W, 3) uint8: light let through, out of focus a little, with noise."""
    seen = subject.light * np.exp(-density)
    seen = gaussian_filter(seen, (subject.blur * pixels_per_um, subject.blur * pixels_per_um, 0), truncate=3)
    seen += subject.noise * rng.standard_normal(seen.shape, dtype=np.float32)
    picture: NDArray[np.uint8] = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    return picture
