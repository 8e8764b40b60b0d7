"""Outlines, soft discs and smooth noise: the geometry that synthetic cells are drawn with."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

Field = NDArray[np.float32]
"""(H, W) float32, one number a pixel."""
Outline = NDArray[np.float64]
"""(1024,) radius in each direction, clockwise from the right."""

_STEPS = 1024
_ANGLES = np.arange(_STEPS) * (2 * math.pi / _STEPS)


@dataclass(frozen=True)
class Polar:
    """Every pixel about a centre: `down` (H, 1), `right` (1, W), `distance` (H, W), pixels; angle (H, W), steps."""

    down: Field
    right: Field
    distance: Field
    step: NDArray[np.int64]

    def radius(self, outline: Outline) -> Field:
        """Radius (pixels) of an outline (1024,) in the direction of each pixel."""
        radius: Field = outline.astype(np.float32)[self.step]
        return radius


def polar(side: int, y: float = 0.0, x: float = 0.0) -> Polar:
    """Polar coordinates of a (side, side) patch about its middle moved by (y, x) pixels."""
    line = np.arange(side, dtype=np.float32) - (side - 1) / 2
    dy, dx = (line - np.float32(y))[:, None], (line - np.float32(x))[None, :]
    turn = np.arctan2(dy, dx) * np.float32(_STEPS / (2 * math.pi))
    return Polar(dy, dx, np.hypot(dy, dx), turn.astype(np.int64) % _STEPS)


def draw_outline(amplitude: float, roughness: float, rng: np.random.Generator) -> Outline:
    """A closed outline around radius 1, (1024,): `amplitude` in lobes 2 to 6, `roughness` in waves 7 to 30."""
    waves = np.arange(2, 31)
    strength = np.where(waves < 7, amplitude * (2 / waves) ** 1.5, roughness * (7 / waves))
    size = strength * rng.standard_normal(len(waves))
    phase = rng.uniform(0, 2 * math.pi, len(waves))
    outline: Outline = 1 + (size[:, None] * np.cos(waves[:, None] * _ANGLES + phase[:, None])).sum(axis=0)
    return outline


def bump(angle: float, width: float, height: float) -> Outline:
    """A smooth bump (or, with negative height, a cleft) of an outline at an angle, (1024,); radians."""
    apart = np.angle(np.exp(1j * (_ANGLES - angle)))
    shape: Outline = height * np.exp(-((apart / width) ** 2))
    return shape


def inside(radius: Field | float, distance: Field, softness: float) -> Field:
    """1 inside, 0 outside, linear over `softness` pixels on both sides of the outline."""
    cover: Field = np.clip(0.5 + (radius - distance) / np.float32(2 * softness), 0, 1).astype(np.float32)
    return cover


def smooth_noise(side: int, grain: float, rng: np.random.Generator) -> Field:
    """Gaussian noise (side, side), mean 0 and deviation 1, alike over about `grain` pixels."""
    step = max(grain / 2, 1.0)
    small = math.ceil(side / step) + 4
    coarse = gaussian_filter(rng.standard_normal((small, small), dtype=np.float32), 1.0)
    box = (2.0, 2.0, 2.0 + side / step, 2.0 + side / step)
    field = np.array(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC, box=box))
    noise: Field = (field - field.mean()) / max(float(field.std()), 1e-6)
    return noise
