"""What else lies in a synthetic smear: red cells, platelets, neutrophils."""

import math

import numpy as np

from lymphoscope.data.synthesis.cells import SHARP, DrawnCell
from lymphoscope.data.synthesis.shapes import draw_outline, inside, polar, smooth_noise
from lymphoscope.data.synthesis.stains import Subject, stained

NEUTROPHIL_DIAMETER = 12.5
"""Micrometres."""


def draw_red_cell(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """A red cell: a disc with a pale centre, pressed a little out of round."""
    radius = subject.red_radius * pixels_per_um * math.exp(rng.normal(0, 0.06))
    side = 2 * math.ceil(1.25 * radius)
    around = polar(side)
    edge = around.radius(radius * draw_outline(0.05, 0.002, rng))
    cover = inside(edge, around.distance, 0.10 * pixels_per_um)
    part = around.distance / edge
    pale = 1 - np.clip(subject.pallor + rng.normal(0, 0.12), 0, 1) * np.exp(-((part / 0.42) ** 4))
    eosin = 0.46 * cover * pale * (0.92 + 0.12 * np.exp(-(((part - 0.85) / 0.12) ** 2)))
    nothing = np.zeros_like(eosin)
    density = stained([nothing, 0.10 * eosin, eosin.astype(np.float32)], subject)
    return DrawnCell(density, cover, cover > SHARP, np.zeros(cover.shape, dtype=bool))


def draw_platelet(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """A platelet: small, ragged, with purple granules."""
    radius = pixels_per_um * rng.uniform(0.8, 1.5)
    side = 2 * math.ceil(1.6 * radius)
    around = polar(side)
    edge = around.radius(radius * draw_outline(0.12, 0.02, rng))
    cover = inside(edge, around.distance, 0.12 * pixels_per_um)
    granules = np.clip(0.55 + 0.35 * smooth_noise(side, 0.5 * pixels_per_um, rng), 0.1, 1.4)
    granules *= np.exp(-((around.distance / (0.9 * radius)) ** 2))
    density = stained([cover * granules, 0.25 * cover, 0.05 * cover], subject)
    return DrawnCell(density, cover, cover > SHARP, np.zeros(cover.shape, dtype=bool))


def draw_neutrophil(subject: Subject, pixels_per_um: float, rng: np.random.Generator) -> DrawnCell:
    """A segmented neutrophil: lobes of dense chromatin on an arc in pink, finely granular cytoplasm."""
    radius = NEUTROPHIL_DIAMETER / 2 * pixels_per_um * math.exp(rng.normal(0, 0.05))
    side = 2 * math.ceil(1.25 * radius)
    soft = max(0.08 * pixels_per_um, 0.6)
    around = polar(side)
    edge = around.radius(radius * draw_outline(0.03, 0.003, rng))
    cover = inside(edge, around.distance, soft)
    nucleus = np.minimum(_lobes(side, radius, soft, rng), inside(edge - soft, around.distance, soft))
    clumps = np.tanh(smooth_noise(side, 0.9 * pixels_per_um, rng))
    fine = smooth_noise(side, 0.35 * pixels_per_um, rng)
    rest = cover - nucleus
    azure = nucleus * 1.5 * (1 + 0.18 * clumps) + rest * np.clip(0.16 + 0.10 * fine, 0, 1)
    density = stained([azure, 0.12 * nucleus, rest * 0.12], subject)
    return DrawnCell(density, cover, cover > SHARP, nucleus > 0.5)


def _lobes(side: int, radius: float, soft: float, rng: np.random.Generator) -> np.ndarray:
    """Two to five lobes on an arc about the middle and the thin threads between them, 0 to 1."""
    count = int(rng.integers(2, 6))
    turns = rng.uniform(0, 2 * math.pi) + np.arange(count) * rng.uniform(0.95, 1.25)
    nucleus = np.zeros((side, side), dtype=np.float32)
    places = [(0.5 * radius * math.sin(turn), 0.5 * radius * math.cos(turn)) for turn in turns]
    for y, x in places:
        lobe = polar(side, y + rng.normal(0, 0.04 * radius), x + rng.normal(0, 0.04 * radius))
        size = radius * rng.uniform(0.26, 0.36) * draw_outline(0.12, 0.01, rng)
        nucleus = np.maximum(nucleus, inside(lobe.radius(size), lobe.distance, soft))
    for turn in (turns[:-1] + turns[1:]) / 2:
        thread = polar(side, 0.48 * radius * math.sin(turn), 0.48 * radius * math.cos(turn))
        nucleus = np.maximum(nucleus, inside(0.13 * radius, thread.distance, soft))
    return nucleus
