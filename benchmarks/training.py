"""Speed of a training step: `python benchmarks/training.py`, and of the loader that feeds it with `--cells 64`.

Random images and untrained networks, so nothing is downloaded. Our ternary step beside the baseline and beside a
plain backbone's, all in one process, in turns: forward, backward and the optimiser's step.

The baseline is written out here: eager float32, channels first, three passes, crop and erase image by image in a
loop, and RAdam with Lookahead and gradient centralisation weight by weight.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from timing import write
from torch import Tensor, nn
from torch.nn import functional as F

from lymphoscope.augment import BaseAugmentation
from lymphoscope.method import draw_maps
from lymphoscope.model_file import Architecture, build_network
from lymphoscope.training import Recipe, TimedStep, load_recipe

REFERENCE, PLAIN, OURS = "baseline ternary step", "plain step, eager float32", "our ternary step"


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    ways = _ways(options, device)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.rounds + 1):
        for name, way in ways.items():
            value = _seconds_or_nan(way, device)
            if number:
                taken[name].append(value)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    answer = {**_about(options), "seconds": medians, "all_seconds": taken, **_ratios(medians)}
    answer |= _difference(options, device)
    if options.cells:
        answer["augmented_images_per_second_per_core"] = _augmented(options)
    _show(answer, medians)
    write(options.json, answer)


def _seconds_or_nan(step: Callable[[], object], device: torch.device) -> float:
    """Seconds of one step; not a number if the memory of the device does not suffice."""
    try:
        return _seconds(step, device)
    except torch.OutOfMemoryError:
        return math.nan
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _seconds(way: Callable[[], object], device: torch.device) -> float:
    """Time one call, including the work that it leaves on the device."""
    start = time.perf_counter()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=300, help="pixels of the network's input")
    parser.add_argument("--batch-size", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--both-passes", action="store_true", help="time crop and erase in one pass and in two")
    parser.add_argument("--compile", action="store_true", help="also time our step with a compiled backbone")
    parser.add_argument("--cells", type=int, default=0, help="number of cells to time the base augmentation on")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file, too")
    return parser.parse_args()


def _recipe(options: argparse.Namespace, *more: str) -> Recipe:
    sizes = (f"data.size={options.size}", f"optimisation.batch_size={options.batch_size}")
    return load_recipe("paper", [f"model.backbone={options.backbone}", *sizes, *more])


def _ways(options: argparse.Namespace, device: torch.device) -> dict[str, Callable[[], object]]:
    ways: dict[str, Callable[[], object]] = {
        PLAIN: _baseline(options, device, "linear"),
        REFERENCE: _baseline(options, device, "attention"),
        OURS: TimedStep(_recipe(options), 2, device),
    }
    if options.both_passes:
        for passes in ("one", "two"):
            recipe = _recipe(options, f"hardware.passes={passes}")
            ways[f"ours, crop and erase in {passes}"] = TimedStep(recipe, 2, device)
    if options.compile:
        ways["ours, compiled"] = TimedStep(_recipe(options, "hardware.compile=true"), 2, device)
    return ways


def _baseline(options: argparse.Namespace, device: torch.device, head: str) -> Callable[[], object]:
    torch.manual_seed(0)
    network = build_network(Architecture.model_validate({"backbone": options.backbone, "head": head}), 2).to(device)
    optimiser = BaselineRanger(network)
    images = torch.randn(options.batch_size, 3, options.size, options.size, device=device)
    labels = torch.arange(options.batch_size, device=device) % 2

    def step() -> float:
        for weight in network.parameters():
            weight.grad = None
        losses = [F.cross_entropy(logits, labels) for logits in _baseline_logits(network, images)]
        loss = torch.stack(losses).mean()
        torch.autograd.backward(loss)
        optimiser.step()
        return loss.item()

    return step


def _baseline_logits(network: nn.Module, images: Tensor) -> Iterator[Tensor]:
    answer = network(images)
    if isinstance(answer, Tensor):
        yield answer
        return
    yield answer[0]
    crops, erased = _one_by_one(images, draw_maps(answer[1]))
    yield network(crops)[0]
    yield network(erased)[0]


def _one_by_one(images: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    crops, erased = [], []
    for image, drawn in zip(images, maps, strict=True):
        large = F.interpolate(drawn[None, None], image.shape[1:], mode="bilinear", align_corners=False)[0, 0]
        span = large.max() - large.min()
        if span.item() < 1e-6:
            crops.append(image)
            erased.append(image)
            continue
        mask = (large - large.min()) / span >= 0.5
        places = mask.nonzero()
        top, left = places.min(dim=0).values.tolist()
        bottom, right = (places.max(dim=0).values + 1).tolist()
        part = image[None, :, top:bottom, left:right]
        crops.append(F.interpolate(part, image.shape[1:], mode="bilinear", align_corners=False)[0])
        erased.append(image * ~mask)
    return torch.stack(crops), torch.stack(erased)


class BaselineRanger:
    """RAdam, Lookahead and gradient centralisation, written weight by weight."""

    def __init__(self, network: nn.Module) -> None:
        self.steps = 0
        self.state = [
            (weight, torch.zeros_like(weight), torch.zeros_like(weight), weight.detach().clone())
            for weight in network.parameters()
        ]

    @torch.no_grad()
    def step(self, lr: float = 0.01, b1: float = 0.95, b2: float = 0.999, decay: float = 1e-4) -> None:
        self.steps += 1
        longest = 2 / (1 - b2) - 1
        length = longest - 2 * self.steps * b2**self.steps / (1 - b2**self.steps)
        for weight, first, second, slow in self.state:
            if weight.grad is None:
                continue
            gradient = weight.grad
            if gradient.ndim > 1:
                gradient = gradient - gradient.mean(dim=tuple(range(1, gradient.ndim)), keepdim=True)
            weight.mul_(1 - lr * decay)
            first.mul_(b1).add_(gradient, alpha=1 - b1)
            second.mul_(b2).add_(gradient * gradient, alpha=1 - b2)
            update = first / (1 - b1**self.steps)
            if length > 5:
                share = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
                update = update * math.sqrt(share * (1 - b2**self.steps)) / (second.sqrt() + 1e-5)
            weight.sub_(lr * update)
            if self.steps % 6 == 0:
                slow.add_(weight - slow, alpha=0.5)
                weight.copy_(slow)


def _difference(options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """What the precision does to the loss of one step from the same weights and images."""
    losses = []
    for precision in ("auto", "32-true"):
        torch.manual_seed(0)
        step = TimedStep(_recipe(options, f"hardware.precision={precision}"), 2, device)
        torch.manual_seed(1)
        losses.append(float(step()))
    return {"loss": losses[0], "loss_float32": losses[1], "relative_difference": abs(losses[0] / losses[1] - 1)}


def _augmented(options: argparse.Namespace) -> float:
    """Images per second of the base augmentation, on decoded cells, in one process."""
    torch.set_num_threads(1)
    image = torch.randint(0, 256, (3, options.size, options.size), dtype=torch.uint8)
    augmentation = BaseAugmentation()
    begun = time.perf_counter()
    for index in range(options.cells):
        augmentation.augment(image, (0, 0, index))
    return options.cells / (time.perf_counter() - begun)


def _about(options: argparse.Namespace) -> dict[str, object]:
    cuda = torch.device(options.device).type == "cuda"
    return {
        "backbone": options.backbone,
        "size": options.size,
        "batch_size": options.batch_size,
        "rounds": options.rounds,
        "device": torch.cuda.get_device_name() if cuda else f"cpu, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }


def _ratios(medians: dict[str, float]) -> dict[str, float]:
    ours = medians[OURS]
    return {"baseline_to_ours": medians[REFERENCE] / ours, "ours_to_plain": ours / medians[PLAIN]}


def _show(answer: dict[str, object], medians: dict[str, float]) -> None:
    print(f"{answer['backbone']} at {answer['size']} pixels, {answer['device']}, batches of {answer['batch_size']}\n")
    print(f"{'':<32}{'seconds':>10}{'of baseline':>12}{'of plain':>10}")
    for name, value in medians.items():
        print(f"{name:<32}{value:>10.3f}{value / medians[REFERENCE]:>12.2f}{value / medians[PLAIN]:>10.2f}")
    print(f"\nour step is {answer['baseline_to_ours']:.2f}x as fast as the baseline")
    print(f"and takes {answer['ours_to_plain']:.2f}x the plain eager float32 step of one stream")
    print(f"its loss differs from float32's by {answer['relative_difference']:.1e} of it")
    if "augmented_images_per_second_per_core" in answer:
        print(f"base augmentation: {answer['augmented_images_per_second_per_core']:.0f} images per second and core")


if __name__ == "__main__":
    main()
