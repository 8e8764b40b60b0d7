"""What the benchmarks share: an untrained network and its exports, cells, and the baseline.

The time of a pass does not depend on the weights, but how often the streams agree does. An untrained network predicts
the same class for every cell, so its third stream never runs and lazy voting seems faster than it is. Use `--model` for
the agreement of a trained network, or set one with `--agreement`; the output says which it is.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lymphoscope.data import read_image, walk_files
from lymphoscope.errors import LymphoscopeError
from lymphoscope.export import SampleCells, export_model, synthetic_cells
from lymphoscope.inference.backends import Images, NetworkPass, NetworkRuntime, open_network
from lymphoscope.model_file import Architecture, Description, Preprocessing, build_network, load_description, save_model

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CALIBRATING = 64


def common_parser(about: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument(
        "--backbone", default="resnet50", help="resnet50, mobilenetv2_100, inception_v4, ...; untrained"
    )
    parser.add_argument("--size", type=int, default=300, help="pixels of the network's input")
    parser.add_argument("--model", type=Path, help="a trained model folder to use instead; it is copied")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="folder of cells (default: synthetic cells)")
    parser.add_argument("--work", type=Path, required=True, help="folder for models and exports; can be reused")
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    return parser


def add_agreement_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--agreement", type=float, help="set the fraction of cells whose first two streams agree, 0-1")


def agreement_source(options: argparse.Namespace) -> str:
    """Where the agreement that decides the time of lazy voting comes from."""
    if options.agreement is not None:
        return f"set to {options.agreement:.1%}"
    return "of the model" if options.model else "of an untrained network, which predicts one class for every cell"


def load_cells(data: Path | None, how: Preprocessing, count: int) -> SampleCells:
    """Prepared cells, evenly spaced over the files of a folder, repeated if there are fewer."""
    if data is None:
        return synthetic_cells(how.size, count)
    files = list(walk_files(data))
    chosen = [files[place] for place in _spaced(len(files), count)]
    pixels = np.stack([how.preparation().prepare(read_image(path)) for path in chosen])
    return SampleCells(np.resize(pixels, (count, *pixels.shape[1:])), f"{len(chosen)} cells of {data.name}")


def split(pixels: NDArray[np.uint8], size: int) -> list[NDArray[np.uint8]]:
    """Cells in batches; the last one may be smaller."""
    return [pixels[start : start + size] for start in range(0, len(pixels), size)]


def _spaced(length: int, count: int) -> NDArray[np.int64]:
    return np.linspace(0, length - 1, min(count, length)).astype(np.int64)


def prepared_model(options: argparse.Namespace) -> tuple[Path, Description]:
    """A copy of the trained model, or an untrained WT-DFN of the backbone, in --work with its exports."""
    if options.model:
        described = load_description(options.model)
        folder: Path = options.work / f"{described.name}-{str(described.weights_sha256)[:8]}"
        if not folder.exists():
            shutil.copytree(options.model, folder)
    else:
        folder = options.work / f"{options.backbone}-{options.size}"
        if not (folder / "model.json").is_file():
            _save_untrained(folder, options.backbone, options.size)
    return folder, load_description(folder)


def _save_untrained(folder: Path, backbone: str, size: int) -> None:
    torch.manual_seed(0)
    architecture = Architecture(backbone=backbone)
    description = Description(
        name=backbone,
        architecture=architecture,
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(crop_mode="center_crop", crop=300, size=size, mean=MEAN, std=STD),
    )
    network = _with_batch_statistics(build_network(architecture, 2), size)
    with torch.no_grad():  # small logits: the tolerance for scores is meant for trained networks
        network.classifier.weight.mul_(0.1)
        network.classifier.bias.copy_(torch.tensor([1.0, -1.0]))  # no score near 0.5, where rounding changes the label
    save_model(network, description, folder)


def open_or_export(
    folder: Path,
    runtime: str,
    precision: str,
    cells: SampleCells,
    calibration: Callable[[], SampleCells] | None = None,
    **options: Any,
) -> NetworkRuntime:
    """The model on a runtime, exported first if needed, whatever the label agreement of a lower precision.

    After an export the script starts again, in a new process, so that all are timed alike.
    A model with an out-of-distribution reference needs labelled cells as `calibration` for a lower precision.
    """
    try:
        return open_network(folder, runtime=runtime, precision=precision, **options)
    except LymphoscopeError as missing:
        if "holds no" not in str(missing):
            raise
    few = cells.evenly_spaced(CALIBRATING)
    shown = few if calibration is None or precision == "float32" else calibration()
    export_model(folder, runtime, few, precision=precision, calibration=shown, min_label_agreement=0.0)  # type: ignore[arg-type]
    return _start_again()


def _start_again() -> NoReturn:
    """Start this script again: to compare with torch, this process keeps freed memory, and so would the plain way."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the same command


def _with_batch_statistics(network: nn.Module, size: int) -> nn.Module:
    """The network with batch norm statistics of synthetic cells, so that activations stay near unit variance.

    Without them, the activations of a deep untrained network vanish or explode.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    pixels = torch.from_numpy(synthetic_cells(size, 16).pixels).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    with torch.no_grad():
        network.train()((pixels / 255 - mean) / std)
    return network.eval()


class Imposed:
    """A runtime whose streams agree on a given fraction of cells, whatever its weights: logits are set after each pass.

    The pass itself is computed completely. Only the work that lazy voting skips depends on the fraction.
    """

    def __init__(self, network: NetworkRuntime, agreement: float) -> None:
        self._network, self._agreement, self._cropping = network, agreement, False
        self._cropped = self._disagreed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def crop(self, images: Images, guide_maps: NDArray[np.float32]) -> tuple[Images, NDArray[np.int64]]:
        self._cropping = True
        return self._network.crop(images, guide_maps)

    def forward_with_features(self, images: Images) -> NetworkPass:
        found = self._network.forward_with_features(images)
        logits = np.zeros_like(found.logits)
        logits[:, 0] = 1.0
        if self._cropping:
            self._cropped += len(logits)
            disagreeing = round((1 - self._agreement) * self._cropped) - self._disagreed
            self._disagreed += disagreeing
            logits[:disagreeing, 0] = -1.0
        self._cropping = False
        return NetworkPass(logits, found.guide_maps, found.features)


def baseline(
    network: nn.Module, pixels: NDArray[np.uint8], how: Preprocessing, device: str = "cpu"
) -> NDArray[np.int64]:
    """The baseline: eager float32, channels first, three passes, crop and erase image by image."""
    mean, std = (torch.tensor(values, device=device).reshape(1, 3, 1, 1) for values in (how.mean, how.std))
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().contiguous()
    images = (images / 255 - mean) / std
    with torch.no_grad():
        logits, maps = network(images)
        crops, erased = baseline_crop_erase(images, maps.mean(dim=1))
        streams = [logits.softmax(1), network(crops)[0].softmax(1), network(erased)[0].softmax(1)]
    votes = torch.stack([stream.argmax(1) for stream in streams])  # (3, B)
    labels: NDArray[np.int64] = votes.mode(dim=0).values.cpu().numpy()
    return labels


def baseline_crop_erase(
    images: Tensor, guide_maps: Tensor, crop_threshold: float = 0.5, erase_threshold: float = 0.5
) -> tuple[Tensor, Tensor]:
    crops, erased = [], []
    size = images.shape[-2:]
    for image, guide in zip(images, guide_maps, strict=True):
        large = F.interpolate(guide[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        stretched = (large - large.min()) / (large.max() - large.min() + 1e-12)
        rows, columns = torch.nonzero(stretched >= crop_threshold, as_tuple=True)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        part = image[None, :, top:bottom, left:right]
        crops.append(F.interpolate(part, size, mode="bilinear", align_corners=False)[0])
        erased.append(image * (stretched < erase_threshold))
    return torch.stack(crops), torch.stack(erased)
