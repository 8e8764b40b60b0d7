"""Draw synthetic white cells: outlines and textures, cytoplasm, nucleus, chromatin and nucleoli, with their masks."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from lymphoscope.synthetic.subjects import Density, Subject, Traits, optical_density

Field = NDArray[np.float32]
"""(H, W) float32, one value per pixel."""
Outline = NDArray[np.float64]
"""(1024,) radius in each direction, clockwise from the right."""

_STEPS = 1024
_ANGLES = np.arange(_STEPS) * (2 * math.pi / _STEPS)


@dataclass(frozen=True)
class Polar:
    """Coordinates of every pixel from a centre: `down` (H, 1), `right` (1, W), `distance` and `step` (H, W)."""

    down: Field
    right: Field
    distance: Field
    step: NDArray[np.int64]

    def radius(self, outline: Outline) -> Field:
        """Return the radius (pixels) of an outline (1024,) in the direction of each pixel."""
        radius: Field = outline.astype(np.float32)[self.step]
        return radius


def polar(side: int, y: float = 0.0, x: float = 0.0) -> Polar:
    """Return the coordinates of a (side, side) patch from its centre, shifted by (y, x) pixels."""
    line = np.arange(side, dtype=np.float32) - (side - 1) / 2
    dy, dx = (line - np.float32(y))[:, None], (line - np.float32(x))[None, :]
    turn = np.arctan2(dy, dx) * np.float32(_STEPS / (2 * math.pi))
    return Polar(dy, dx, np.hypot(dy, dx), turn.astype(np.int64) % _STEPS)


def draw_outline(amplitude: float, roughness: float, rng: np.random.Generator) -> Outline:
    """Draw a closed outline of radius about 1, (1024,): `amplitude` in lobes 2 to 6, `roughness` in waves 7 to 30."""
    waves = np.arange(2, 31)
    strength = np.where(waves < 7, amplitude * (2 / waves) ** 1.5, roughness * (7 / waves))
    size = strength * rng.standard_normal(len(waves))
    phase = rng.uniform(0, 2 * math.pi, len(waves))
    outline: Outline = 1 + (size[:, None] * np.cos(waves[:, None] * _ANGLES + phase[:, None])).sum(axis=0)
    return outline


def bump(angle: float, width: float, height: float) -> Outline:
    """Return a smooth bump (or, with negative height, a cleft) of an outline at an angle, (1024,); radians."""
    apart = np.angle(np.exp(1j * (_ANGLES - angle)))
    shape: Outline = height * np.exp(-((apart / width) ** 2))
    return shape


def inside(radius: Field | float, distance: Field, softness: float) -> Field:
    """Return 1 inside, 0 outside, linear over `softness` pixels on both sides of the outline."""
    cover: Field = np.clip(0.5 + (radius - distance) / np.float32(2 * softness), 0, 1).astype(np.float32)
    return cover


def smooth_noise(side: int, grain: float, rng: np.random.Generator) -> Field:
    """Draw Gaussian noise (side, side) of mean 0 and deviation 1, correlated over about `grain` pixels."""
    step = max(grain / 2, 1.0)
    small = math.ceil(side / step) + 4
    coarse = gaussian_filter(rng.standard_normal((small, small), dtype=np.float32), 1.0)
    box = (2.0, 2.0, 2.0 + side / step, 2.0 + side / step)
    field = np.array(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC, box=box))
    noise: Field = (field - field.mean()) / max(float(field.std()), 1e-6)
    return noise


Mask = NDArray[np.bool_]

GRANULE_PROBABILITY = 0.15
VACUOLE_PROBABILITY = 0.10
MASK_COVER = 0.9
"""Cover from which a pixel belongs to a cell's mask: inside the translucent blurred edge."""


@dataclass(frozen=True)
class DrawnCell:
    """A cell on a square patch: optical density (h, h, 3), cover of each pixel 0-1 (h, h), and its masks."""

    density: Density
    cover: Field
    cell: Mask
    nucleus: Mask


def draw_cell(traits: Traits, subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """Draw a lymphoblast or a lymphocyte; which of the two follows from the traits alone."""
    radius = traits.diameter / 2 * pixels_per_um
    side = 2 * math.ceil(1.45 * radius)
    soft = max(0.08 * pixels_per_um, 0.6)
    around = polar(side)
    edge = radius * _cell_outline(rng)
    cover = inside(around.radius(edge), around.distance, soft)
    centre, nucleus, depth = _draw_nucleus(traits, radius, side, soft, rng)
    # A nucleus is inside its cell.
    nucleus = np.minimum(nucleus, inside(around.radius(edge) - soft, around.distance, soft))
    azure, blue = _draw_chromatin(traits, centre, depth, pixels_per_um, rng)
    rim_azure, rim_blue = _draw_cytoplasm(traits, around, centre, radius, pixels_per_um, rng)
    azure = nucleus * azure + (cover - nucleus) * rim_azure
    blue = nucleus * blue + (cover - nucleus) * rim_blue
    density = optical_density([azure, blue, cover * np.float32(0.08)], subject)
    return DrawnCell(density, cover, cover > MASK_COVER, nucleus > 0.5)


def _cell_outline(rng: np.random.Generator) -> NDArray[np.float64]:
    outline = draw_outline(0.03, 0.004, rng)
    for _ in range(rng.poisson(0.5)):
        outline += bump(rng.uniform(0, 2 * math.pi), rng.uniform(0.08, 0.35), rng.uniform(0.03, 0.10))
    return outline


def _draw_nucleus(
    traits: Traits, radius: float, side: int, soft: float, rng: np.random.Generator
) -> tuple[Polar, Field, Field]:
    """Coordinates from its centre, its cover, and the depth of each pixel (0 at its edge, 1 in the centre)."""
    size = radius * math.sqrt(traits.nucleus_share)
    outline = draw_outline(traits.irregularity, 0.004, rng)
    for _ in range(min(rng.poisson(10 * traits.irregularity), 2)):
        depth = -min(4 * traits.irregularity * rng.uniform(0.5, 1.5), 0.4)
        outline += bump(rng.uniform(0, 2 * math.pi), rng.uniform(0.12, 0.3), depth)
    outline /= math.sqrt(float((outline**2).mean()))
    away, turn = rng.uniform(0.3, 0.85) * (radius - size), rng.uniform(0, 2 * math.pi)
    centre = polar(side, away * math.sin(turn), away * math.cos(turn))
    edge = centre.radius(size * outline)
    return centre, inside(edge, centre.distance, soft), np.clip(1 - centre.distance / edge, 0, 1)


def _draw_chromatin(
    traits: Traits, centre: Polar, depth: Field, pixels_per_um: float, rng: np.random.Generator
) -> tuple[Field, Field]:
    """Amounts of azure and blue in the nucleus: clumps, a darker membrane, paler nucleoli with a dark rim."""
    side = len(depth)
    clumps = smooth_noise(side, 1.7 * traits.grain * pixels_per_um, rng)
    fine = smooth_noise(side, 0.55 * traits.grain * pixels_per_um, rng)
    texture = np.tanh(0.9 * clumps + 0.55 * fine)
    uneven = smooth_noise(side, 4 * pixels_per_um, rng)
    membrane = np.exp(-((depth / 0.06) ** 2))
    azure = 1.78 * (1 + traits.contrast * texture + 0.05 * uneven + 0.10 * membrane)
    blue = np.full_like(azure, 0.14) * (1 - 0.5 * texture * traits.contrast)
    size = traits.diameter / 2 * math.sqrt(traits.nucleus_share) * pixels_per_um
    for _ in range(traits.nucleoli):
        hole, rim = _nucleolus(centre, size, rng)
        azure = azure * (1 - traits.nucleolus_depth * hole + 0.12 * rim)
        blue = blue + 0.4 * traits.nucleolus_depth * hole
    return azure.astype(np.float32), blue.astype(np.float32)


def _nucleolus(centre: Polar, size: float, rng: np.random.Generator) -> tuple[Field, Field]:
    """A pale disc within the nucleus and the ring of chromatin around it, both 0 to 1."""
    radius = size * rng.uniform(0.11, 0.19)
    away, turn = size * 0.62 * math.sqrt(rng.uniform(0.02, 1)), rng.uniform(0, 2 * math.pi)
    distance = np.hypot(centre.down - away * math.sin(turn), centre.right - away * math.cos(turn))
    ring = np.exp(-(((distance - 1.3 * radius) / (0.3 * radius)) ** 2))
    return inside(radius, distance, 0.5 * radius), ring.astype(np.float32)


def _draw_cytoplasm(
    traits: Traits, around: Polar, nucleus: Polar, radius: float, pixels_per_um: float, rng: np.random.Generator
) -> tuple[Field, Field]:
    """Amounts of azure and blue: darker at the edge, pale beside the nucleus, sometimes with granules or vacuoles."""
    side = len(around.distance)
    cloud = smooth_noise(side, 0.9 * pixels_per_um, rng)
    outward = np.clip(around.distance / radius, 0, 1.2)
    turn = rng.uniform(0, 2 * math.pi)
    reach = 0.85 * radius * math.sqrt(traits.nucleus_share)
    pale = np.hypot(nucleus.down - reach * math.sin(turn), nucleus.right - reach * math.cos(turn))
    pale = np.exp(-((pale / (0.32 * radius)) ** 2))
    blue = traits.basophilia * (0.75 + 0.35 * outward**2) * (1 + 0.10 * cloud) * (1 - 0.45 * pale)
    azure = np.full_like(cloud, 0.10)
    if rng.random() < GRANULE_PROBABILITY:
        azure += 0.9 * np.clip(smooth_noise(side, 0.5 * pixels_per_um, rng) - 1.8, 0, 1)
    if rng.random() < VACUOLE_PROBABILITY:
        holes = 1 - inside(0.4, 2.4 - smooth_noise(side, 1.1 * pixels_per_um, rng), 0.3)
        blue, azure = blue * holes, azure * holes
    return azure.astype(np.float32), blue.astype(np.float32)
