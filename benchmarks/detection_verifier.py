"""Train the verifier of the classical detector on DATA/boxes.csv (needs [train]).

Samples are patches of fields at any scale, stain and focus, with cells on black pasted in so that they touch.

    python benchmarks/detection_verifier.py DATA --cells CELLS_ON_BLACK --out FILE [--left-out DIR]
"""

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from field_data import intersection_over_union, load_fields
from numpy.typing import NDArray
from torch import nn

from lymphoscope.data.images import read_image
from lymphoscope.smear.detection.classical_detector import measure_regions, plausible_regions
from lymphoscope.smear.detection.features import FEATURES
from lymphoscope.smear.detection.regions import Region, candidate_regions
from lymphoscope.smear.detection.training_fields import load_cut_outs
from lymphoscope.smear.detection.training_samples import CutOut, TrainingField, draw_sample
from lymphoscope.smear.detection.verifier import WEIGHTS, Verifier
from lymphoscope.smear.detection.working_scale import of_light, working_field
from lymphoscope.smear.illumination import EvenField

Floats = NDArray[np.float32]
HIDDEN = (32, 16)
STEPS = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--left-out", type=Path, help="folder for one more verifier per source, trained without it")
    parser.add_argument("--per-source", type=int, default=80)
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    groups: list[str] = []
    sources: dict[str, list[TrainingField]] = {}
    for field in load_fields(options.data, options.per_source, options.cache):
        work = working_field(read_image(field.path), field.microns_per_pixel)
        boxes = field.boxes * np.array([*work.zoom, *work.zoom], np.float32)
        one = TrainingField.of(work.even.transmission, boxes, work.microns_per_pixel)
        if field.source not in sources:
            groups.append(field.group)
        sources.setdefault(field.source, []).append(one)
    cells = load_cut_outs([options.cells])
    samples = draw_samples(list(sources.values()), cells, options.samples)
    group = np.array(groups)[samples.source]
    train(samples, np.ones(len(group), np.bool_)).save(options.out)
    print(f"{len(group)} regions of {options.samples} samples: {options.out}")
    for left in dict.fromkeys(groups) if options.left_out else ():
        options.left_out.mkdir(parents=True, exist_ok=True)
        train(samples, group != left).save(options.left_out / f"{left}.json")


class Samples(NamedTuple):
    """Regions of patches: features (N, F), quality (N,), growth (N, 2), weight (N,) and index of the source (N,)."""

    features: Floats
    quality: Floats
    growth: Floats
    weight: Floats
    source: NDArray[np.int64]


def draw_samples(sources: Sequence[Sequence[TrainingField]], cells: Sequence[CutOut], count: int) -> Samples:
    """Measure the regions of `count` patches."""
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(count):
        number = int(rng.integers(len(sources)))
        fields = sources[number]
        source = fields[rng.integers(len(fields))]
        light, boxes = draw_sample(source, cells, rng)
        even = EvenField(light, np.ones(light.shape[:2], np.bool_))
        field = of_light(even, source.microns_per_pixel)
        regions = plausible_regions(candidate_regions(field.index, field.slope, field.microns_per_pixel), field)
        if not regions:
            continue
        quality, growth = judge(regions, boxes)
        weight = np.where(quality > 0.3, 2, 1) / len(regions) ** 0.7
        parts.append((measure_regions(regions, field), quality, growth, weight, np.full(len(regions), number)))
    columns = [np.concatenate(values) for values in zip(*parts, strict=True)]
    return Samples(*(values.astype(np.float32) for values in columns[:4]), columns[4])


def judge(regions: Sequence[Region], boxes: Floats) -> tuple[Floats, Floats]:
    """Quality of each region, 0 to 1: its overlap with a box in relation to the best for it. And growth, NaN if bad."""
    own = np.array([[r.left, r.top, r.left + r.mask.shape[1], r.top + r.mask.shape[0]] for r in regions], np.float32)
    growth = np.full((len(own), 2), np.nan, np.float32)
    if not len(boxes):
        return np.zeros(len(own), np.float32), growth
    overlap = intersection_over_union(own, boxes)
    nearest = overlap.argmax(axis=1)
    share = overlap[np.arange(len(own)), nearest] / np.maximum(overlap.max(axis=0)[nearest], 0.3)
    quality = np.clip((share - 0.55) / 0.35, 0, 1)
    sides = boxes[nearest, 2:] - boxes[nearest, :2]
    good = quality > 0.3
    growth[good] = np.log(np.clip(sides / (own[:, 2:] - own[:, :2]), 0.9, 3))[good]
    return quality.astype(np.float32), growth


def train(samples: Samples, chosen_regions: NDArray[np.bool_]) -> Verifier:
    torch.manual_seed(0)
    features, quality, growth, weight = (values[chosen_regions] for values in samples[:4])
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    x = torch.from_numpy((features - mean) / spread)
    y, z = torch.from_numpy(quality), torch.from_numpy(growth)
    chance = torch.from_numpy(weight / weight.sum())
    sizes = [len(FEATURES), *HIDDEN, 3]
    linear = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    network = nn.Sequential(*[part for layer in linear for part in (layer, nn.Tanh())][:-1])
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=STEPS)
    for _ in range(STEPS):
        chosen = torch.multinomial(chance, 1024, replacement=True)
        answer = network(x[chosen] + 0.05 * torch.randn(1024, len(FEATURES)))
        known = ~z[chosen].isnan()
        loss = nn.functional.binary_cross_entropy_with_logits(answer[:, 0], y[chosen])
        loss = loss + (answer[:, 1:][known] - z[chosen][known]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    print(f"loss {loss.item():.3f}")
    layers = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in linear]
    weights, offsets = layers[0]
    layers[0] = (weights / spread, offsets - weights @ (mean / spread))  # standardisation goes into the first layer
    return Verifier(tuple(layers))


if __name__ == "__main__":
    main()
