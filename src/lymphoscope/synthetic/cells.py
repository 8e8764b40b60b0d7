"""One synthetic white cell: cytoplasm, nucleus, chromatin and nucleoli, as amounts of stain and as masks."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lymphoscope.synthetic.shapes import Field, Polar, bump, draw_outline, inside, polar, smooth_noise
from lymphoscope.synthetic.stains import Density, Subject, stained
from lymphoscope.synthetic.traits import Traits

Mask = NDArray[np.bool_]

CELLS_WITH_GRANULES = 0.15
CELLS_WITH_VACUOLES = 0.10
SHARP = 0.9
"""Cover from which a pixel belongs to a cell's mask: inside the blurred edge, through which the light shines."""


@dataclass(frozen=True)
class DrawnCell:
    """A cell on its own square patch: optical density (h, h, 3), how far it covers a pixel (h, h), and its masks."""

    density: Density
    cover: Field
    cell: Mask
    nucleus: Mask


def draw_cell(traits: Traits, subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """Draw a lymphoblast or a lymphocyte of these traits; which of the two, the traits alone decide."""
    radius = traits.diameter / 2 * pixels_per_um
    side = 2 * math.ceil(1.45 * radius)
    soft = max(0.08 * pixels_per_um, 0.6)
    around = polar(side)
    edge = radius * _cell_outline(rng)
    cover = inside(around.radius(edge), around.distance, soft)
    centre, nucleus, depth = _draw_nucleus(traits, radius, side, soft, rng)
    # A nucleus ends within its cell.
    nucleus = np.minimum(nucleus, inside(around.radius(edge) - soft, around.distance, soft))
    azure, blue = _draw_chromatin(traits, centre, depth, pixels_per_um, rng)
    rim_azure, rim_blue = _draw_cytoplasm(traits, around, centre, radius, pixels_per_um, rng)
    azure = nucleus * azure + (cover - nucleus) * rim_azure
    blue = nucleus * blue + (cover - nucleus) * rim_blue
    density = stained([azure, blue, cover * np.float32(0.08)], subject)
    return DrawnCell(density, cover, cover > SHARP, nucleus > 0.5)


def _cell_outline(rng: np.random.Generator) -> NDArray[np.float64]:
    outline = draw_outline(0.03, 0.004, rng)
    for _ in range(rng.poisson(0.5)):
        outline += bump(rng.uniform(0, 2 * math.pi), rng.uniform(0.08, 0.35), rng.uniform(0.03, 0.10))
    return outline


def _draw_nucleus(
    traits: Traits, radius: float, side: int, soft: float, rng: np.random.Generator
) -> tuple[Polar, Field, Field]:
    """Coordinates about its centre, its cover, and how deep each pixel lies (0 at its edge, 1 in the middle)."""
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
    """Amounts of azure and blue: darker to the outside, pale beside the nucleus, at times granules or vacuoles."""
    side = len(around.distance)
    cloud = smooth_noise(side, 0.9 * pixels_per_um, rng)
    outward = np.clip(around.distance / radius, 0, 1.2)
    turn = rng.uniform(0, 2 * math.pi)
    reach = 0.85 * radius * math.sqrt(traits.nucleus_share)
    pale = np.hypot(nucleus.down - reach * math.sin(turn), nucleus.right - reach * math.cos(turn))
    pale = np.exp(-((pale / (0.32 * radius)) ** 2))
    blue = traits.basophilia * (0.75 + 0.35 * outward**2) * (1 + 0.10 * cloud) * (1 - 0.45 * pale)
    azure = np.full_like(cloud, 0.10)
    if rng.random() < CELLS_WITH_GRANULES:
        azure += 0.9 * np.clip(smooth_noise(side, 0.5 * pixels_per_um, rng) - 1.8, 0, 1)
    if rng.random() < CELLS_WITH_VACUOLES:
        holes = 1 - inside(0.4, 2.4 - smooth_noise(side, 1.1 * pixels_per_um, rng), 0.3)
        blue, azure = blue * holes, azure * holes
    return azure.astype(np.float32), blue.astype(np.float32)
