"""What the benchmarks share: a network that looks somewhere, its exports, the cells, and the obvious way.

Seconds do not depend on what the weights are, but how often the streams agree does. An untrained network says the same
of every cell, so its third stream never runs and lazy voting looks better than it is: give `--model` for the agreement
of a trained one, or impose one by `--agreement`, which the output then says.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

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


def common_words(about: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument(
        "--backbone", default="resnet50", help="resnet50, mobilenetv2_100, inception_v4, ...; untrained"
    )
    parser.add_argument("--size", type=int, default=300, help="pixels of the network's input")
    parser.add_argument("--model", type=Path, help="a trained model folder instead, which is copied and left as it is")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="a folder of real cells; synthetic ones without it")
    parser.add_argument("--work", type=Path, required=True, help="a folder for models, kept for the next run")
    parser.add_argument("--json", type=Path, help="write what was measured here, too")
    return parser


def agreement_word(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--agreement", type=float, help="impose this share of cells whose first two streams agree")


def whose_agreement(words: argparse.Namespace) -> str:
    """What the times of lazy voting rest on, for the output to say."""
    if words.agreement is not None:
        return f"imposed, {words.agreement:.1%}"
    return "the model's own" if words.model else "an untrained network's, which says the same of every cell"


def cells_of(data: Path | None, how: Preprocessing, count: int) -> SampleCells:
    """Fitted cells, evenly spaced over the files of a folder, repeated where there are fewer."""
    if data is None:
        return synthetic_cells(how.size, count)
    files = list(walk_files(data))
    chosen = [files[place] for place in _spaced(len(files), count)]
    pixels = np.stack([how.preparation().prepare(read_image(path)) for path in chosen])
    return SampleCells(np.resize(pixels, (count, *pixels.shape[1:])), f"{len(chosen)} cells of {data.name}")


def some_of(cells: SampleCells, count: int) -> NDArray[np.uint8]:
    """So many of the cells, evenly spaced."""
    return cells.pixels[_spaced(len(cells.pixels), count)]


def split(pixels: NDArray[np.uint8], size: int) -> list[NDArray[np.uint8]]:
    """Cells in batches, the last one with what is left."""
    return [pixels[start : start + size] for start in range(0, len(pixels), size)]


def _spaced(length: int, count: int) -> NDArray[np.int64]:
    return np.linspace(0, length - 1, min(count, length)).astype(np.int64)


def model_of(words: argparse.Namespace) -> tuple[Path, Description]:
    """A copy of the trained model, or an untrained WT-DFN of the backbone; kept in --work with its exports."""
    if words.model:
        described = load_description(words.model)
        folder: Path = words.work / f"{described.name}-{str(described.weights_sha256)[:8]}"
        if not folder.exists():
            shutil.copytree(words.model, folder)
    else:
        folder = words.work / f"{words.backbone}-{words.size}"
        if not (folder / "model.json").is_file():
            _save_untrained(folder, words.backbone, words.size)
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
    network = _settled(build_network(architecture, 2), size)
    with torch.no_grad():  # small logits, as float32's bound on scores is meant for a network that was trained
        network.classifier.weight.mul_(0.1)
        network.classifier.bias.copy_(torch.tensor([1.0, -1.0]))  # no label on the edge, where rounding turns it
    save_model(network, description, folder)


def opened(folder: Path, runtime: str, precision: str, cells: SampleCells, **options: Any) -> NetworkRuntime:
    """The model on a runtime, exported first where it is not; lower precisions are held to no bound, but compared."""
    try:
        return open_network(folder, runtime=runtime, precision=precision, **options)
    except LymphoscopeError as missing:
        if "holds no" not in str(missing):
            raise
    few = SampleCells(some_of(cells, CALIBRATING), cells.source)
    export_model(folder, runtime, few, precision=precision, calibration=few, min_label_agreement=0.0)  # type: ignore[arg-type]
    return open_network(folder, runtime=runtime, precision=precision, **options)


def _settled(network: nn.Module, size: int) -> nn.Module:
    """The network with batch norm's statistics from synthetic cells: what passes through stays of the size of one.

    Untrained and without them a deep network's values fade or swell until rounding is all that is left of them.
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
    """A runtime whose streams agree on a given share of cells, whatever its weights: logits are set after each pass.

    The pass itself is computed whole. Only what lazy voting then skips follows from the share.
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


def obvious(
    network: nn.Module, pixels: NDArray[np.uint8], how: Preprocessing, device: str = "cpu"
) -> NDArray[np.int64]:
    """The obvious way, written out: eager float32, channels first, three passes, crop and erase image by image."""
    mean, std = (torch.tensor(values, device=device).reshape(1, 3, 1, 1) for values in (how.mean, how.std))
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().contiguous()
    images = (images / 255 - mean) / std
    with torch.no_grad():
        logits, maps = network(images)
        crops, erased = obvious_crop_erase(images, maps.mean(dim=1))
        streams = [logits.softmax(1), network(crops)[0].softmax(1), network(erased)[0].softmax(1)]
    votes = torch.stack([stream.argmax(1) for stream in streams])  # (3, B)
    labels: NDArray[np.int64] = votes.mode(dim=0).values.cpu().numpy()
    return labels


def obvious_crop_erase(images: Tensor, guide_maps: Tensor) -> tuple[Tensor, Tensor]:
    crops, erased = [], []
    size = images.shape[-2:]
    for image, guide in zip(images, guide_maps, strict=True):
        large = F.interpolate(guide[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        stretched = (large - large.min()) / (large.max() - large.min() + 1e-12)
        mask = stretched >= 0.5
        rows, columns = torch.nonzero(mask, as_tuple=True)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        part = image[None, :, top:bottom, left:right]
        crops.append(F.interpolate(part, size, mode="bilinear", align_corners=False)[0])
        erased.append(image * ~mask)
    return torch.stack(crops), torch.stack(erased)
