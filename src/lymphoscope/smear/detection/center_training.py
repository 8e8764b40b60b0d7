"""Training of a centre-point detector (needs [train])."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lymphoscope.processor import has_instructions
from lymphoscope.smear.detection.center_network import SIZE_UNIT, STRIDE, CenterNetwork
from lymphoscope.smear.detection.training_samples import PATCH, SCALES, CutOut, TrainingField, draw_sample

_SIDE = PATCH // STRIDE
_NARROW = 0.16
"""Standard deviation of a peak of the target, as a fraction of the side of its box."""


def train_center_network(
    sources: Sequence[Sequence[TrainingField]],
    cut_outs: Sequence[CutOut],
    *,
    steps: int = 1200,
    batch: int = 12,
    seed: int = 0,
    scales: tuple[float, float] = SCALES,
    report: Callable[[int, float], None] = lambda *_: None,
    pretrained: bool = True,
    start: Mapping[str, Any] | None = None,
) -> CenterNetwork:
    """Train the head on fields of one or more sources, each drawn equally often. Deterministic for a seed on a CPU.

    Each field is resized by a factor between `scales`. `start` are the weights of a head to continue from.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = CenterNetwork(pretrained).train()
    if start is not None:
        network.load_state_dict(dict(start), strict=False)
    parameters = [value for name, value in network.named_parameters() if not name.startswith("features.")]
    optimiser = torch.optim.AdamW(parameters, 2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.15)
    fast = has_instructions("avx512_bf16")  # half of the time per step
    smooth, reported = 0.0, time.monotonic()
    for step in range(1, steps + 1):
        light, heat, size = _batch(sources, cut_outs, batch, rng, scales)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            found_heat, found_size = network(light)
        loss = _loss(found_heat.float(), found_size.float(), heat, size)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        schedule.step()
        smooth += (loss.item() - smooth) * max(0.02, 1 / step)
        if time.monotonic() > reported + 20 or step == steps:
            reported = time.monotonic()
            report(step, smooth)
    return network.eval()


def _batch(
    sources: Sequence[Sequence[TrainingField]],
    cut_outs: Sequence[CutOut],
    size: int,
    rng: np.random.Generator,
    scales: tuple[float, float],
) -> tuple[Tensor, Tensor, Tensor]:
    lights, heats, sizes = [], [], []
    for _ in range(size):
        fields = sources[int(rng.integers(len(sources)))]
        light, boxes = draw_sample(fields[int(rng.integers(len(fields)))], cut_outs, rng, scales)
        heat, extent = draw_targets(boxes)
        lights.append(np.ascontiguousarray(light.transpose(2, 0, 1)))
        heats.append(heat)
        sizes.append(extent)
    return torch.from_numpy(np.stack(lights)), torch.from_numpy(np.stack(heats)), torch.from_numpy(np.stack(sizes))


def draw_targets(boxes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the heat map (1, 48, 48) with a peak of 1 per box, and log sizes (2, 48, 48) there, NaN elsewhere."""
    heat = np.zeros((1, _SIDE, _SIDE), np.float32)
    size = np.full((2, _SIDE, _SIDE), np.nan, np.float32)
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    for x0, y0, x1, y1 in boxes:
        x, y = (x0 + x1) / 2 / STRIDE - 0.5, (y0 + y1) / 2 / STRIDE - 0.5
        column, row = (int(np.clip(round(at), 0, _SIDE - 1)) for at in (x, y))
        wide, high = (max(_NARROW * side / STRIDE, 0.6) for side in (x1 - x0, y1 - y0))
        peak = np.exp(-(((columns - column) / wide) ** 2 + ((rows - row) / high) ** 2) / 2)
        heat[0] = np.maximum(heat[0], peak)
        heat[0, row, column] = 1.0
        near = (np.abs(rows - row) <= 1) & (np.abs(columns - column) <= 1)
        size[0, near], size[1, near] = np.log(max(x1 - x0, 2) / SIZE_UNIT), np.log(max(y1 - y0, 2) / SIZE_UNIT)
    return heat, size


def _loss(heat: Tensor, size: Tensor, heat_target: Tensor, size_target: Tensor) -> Tensor:
    """Penalty-reduced focal loss of the heat map, and absolute error of log sizes at the centres (CenterNet, eq. 1)."""
    positive = heat_target.eq(1)
    chance = heat.sigmoid()
    hit = -F.logsigmoid(heat) * (1 - chance) ** 2 * positive
    miss = -F.logsigmoid(-heat) * chance**2 * (1 - heat_target) ** 4 * ~positive
    known = ~size_target.isnan()
    error = (size[known] - size_target[known]).abs().mean() if known.any() else size.sum() * 0
    return (hit.sum() + miss.sum()) / positive.sum().clamp(min=1) + error
