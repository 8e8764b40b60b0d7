"""Draw what a detector may take for white cells: smudge cells, clumps of platelets and deposits of stain."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from lymphoscope.synthetic.cells import MASK_COVER, DrawnCell, draw_outline, inside, polar, smooth_noise
from lymphoscope.synthetic.fields import draw_platelet
from lymphoscope.synthetic.subjects import Subject, optical_density


def draw_smudge(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """Draw a smudge cell: the pale, spread chromatin of a burst cell, with a frayed outline and without cytoplasm."""
    radius = pixels_per_um * rng.uniform(6.5, 9.5)
    side = 2 * math.ceil(1.7 * radius)
    around = polar(side)
    edge = around.radius(radius * draw_outline(0.14, 0.02, rng))
    cover = inside(edge, around.distance, rng.uniform(0.5, 1.0) * pixels_per_um)
    strands = 1 + 0.22 * smooth_noise(side, 1.6 * pixels_per_um, rng)
    azure = (cover * np.clip(strands, 0.4, 1.5) * rng.uniform(0.32, 0.5)).astype(np.float32)
    density = optical_density([azure, 0.05 * azure, np.zeros_like(azure)], subject)
    return DrawnCell(density, cover, cover > 0.5, np.zeros(cover.shape, dtype=bool))


def draw_platelet_clump(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """Draw 8 to 20 platelets on a heap."""
    count = int(rng.integers(8, 21))
    spread = 0.55 * math.sqrt(count) * pixels_per_um
    side = 2 * math.ceil(2.6 * spread + 3 * pixels_per_um)
    density = np.zeros((side, side, 3), dtype=np.float32)
    cover = np.zeros((side, side), dtype=np.float32)
    for _ in range(count):
        one = draw_platelet(subject, pixels_per_um, rng)
        half = len(one.cover) // 2
        y, x = (int(side / 2 + np.clip(rng.normal(0, spread), -2 * spread, 2 * spread)) - half for _ in range(2))
        part = np.s_[y : y + len(one.cover), x : x + len(one.cover)]
        density[part] = np.maximum(density[part], one.density)
        cover[part] = np.maximum(cover[part], one.cover)
    return DrawnCell(density, cover, cover > MASK_COVER, np.zeros(cover.shape, dtype=bool))


def draw_stain_deposit(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """Draw a deposit of stain: dark purple to black grains in a heap of some micrometres."""
    radius = pixels_per_um * rng.uniform(1.8, 3.6)
    side = 2 * math.ceil(2 * radius)
    around = polar(side)
    heap = inside(around.radius(radius * draw_outline(0.2, 0.04, rng)), around.distance, 0.15 * pixels_per_um)
    grains = smooth_noise(side, 0.7 * pixels_per_um, rng) > -0.7
    cover = (heap * np.where(grains, 1.0, 0.3)).astype(np.float32)
    density = optical_density([1.8 * cover, 1.2 * cover, 0.6 * cover], subject)
    density += rng.uniform(0.2, 1.6) * cover[:, :, None]
    return DrawnCell(density, cover, cover > 0.5, np.zeros(cover.shape, dtype=bool))


ARTEFACTS: Final[Mapping[str, Callable[[Subject, float, np.random.Generator], DrawnCell]]] = MappingProxyType(
    {"smudge": draw_smudge, "platelet_clump": draw_platelet_clump, "stain_deposit": draw_stain_deposit}
)
"""Name, as the marks of found cells have it -> how it is drawn."""
