"""The network computed by PyTorch: the only module of inference that imports it."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.backends.protocol import NetworkPass
from lymphoscope.method import WTDFN, attention_crop, attention_erase, fill_values, test_map
from lymphoscope.model_file import Description, load_network
from lymphoscope.processor import keep_freed_memory

# Raised for a missing or broken compiler, and for a graph that it does not support, in all versions.
COMPILER_ERRORS = (RuntimeError, ImportError, OSError)


class TorchNetwork:
    """A network runtime on a device of torch; bfloat16 runs under autocast, with the head in float32.

    With `compile` torch compiles the network on its first pass; if that fails, a line on standard error says so and
    the network runs uncompiled. `threads` are those of the whole process, and on a CPU the whole process keeps the
    memory that it frees.
    Raises LymphoscopeError if the folder is not a model, or if the device is not available.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "auto",
        precision: str = "float32",
        threads: int | None = None,
        compile: bool = False,
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._device = find_device(device)
        if self._device.type == "cpu":
            keep_freed_memory()
        network, self._description = load_network(folder)
        self._network: nn.Module = network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._precision = precision
        self._forward: Callable[[Tensor], tuple[Tensor, ...]] = self._uncompiled
        self._compiled = compile
        if compile:
            self._forward = torch.compile(self._uncompiled)
        statistics = self._description.preprocessing
        self._mean = torch.tensor(statistics.mean, device=self._device).reshape(1, 3, 1, 1)
        self._std = torch.tensor(statistics.std, device=self._device).reshape(1, 3, 1, 1)

    @property
    def description(self) -> Description:
        """The description of the model."""
        return self._description

    @property
    def network(self) -> nn.Module:
        """The network, in evaluation mode, on its device."""
        return self._network

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on besides the model: runtime, device, precision, and whether it is compiled."""
        compiled = {"compiled": "yes"} if self._compiled else {}
        return {"runtime": "torch", "device": self._device.type, "precision": self._precision, **compiled}

    def images(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Take fitted cells (B, S, S, 3), RGB -> (B, 3, S, S), normalised, on the device."""
        # uint8 is moved to the device, a quarter of the size of float32; the permuted view is channels last already.
        images = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)
        return (images.float() / 255 - self._mean) / self._std

    def forward_with_features(self, images: Tensor) -> NetworkPass:
        """Run the network once."""
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, self._precision == "bfloat16"):
            outputs = self._forward_or_fall_back(images.contiguous(memory_format=torch.channels_last))
        return NetworkPass(*(tensor.float().cpu().numpy() for tensor in outputs))

    def crop(self, images: Tensor, guide_maps: NDArray[np.float32]) -> tuple[Tensor, NDArray[np.int64]]:
        """Crop to the attended region and enlarge; return the crops and boxes (B, 4) (Eq. 3)."""
        options = self._description.test_time
        with torch.inference_mode():
            crops, boxes = attention_crop(
                images, self._on_device(guide_maps), options.crop_threshold, options.crop_padding
            )
        return crops, boxes.cpu().numpy()

    def erase(self, images: Tensor, guide_maps: NDArray[np.float32]) -> Tensor:
        """Erase the attended region (Eq. 4)."""
        options, statistics = self._description.test_time, self._description.preprocessing
        fill: Any = fill_values("black", statistics.mean, statistics.std) if options.fill == "black" else "mean"
        with torch.inference_mode():
            return attention_erase(images, self._on_device(guide_maps), options.erase_threshold, fill)

    def pixels(self, images: Tensor) -> NDArray[np.uint8]:
        """Return images as (B, S, S, 3), RGB, 0-255."""
        values = (images * self._std + self._mean) * 255  # (B, 3, S, S)
        return values.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    def _uncompiled(self, images: Tensor) -> tuple[Tensor, ...]:
        logits, maps, features = self._network.forward_with_features(images)  # type: ignore[operator]
        how = self._description.test_time.map
        return logits, test_map(maps, how) if isinstance(self._network, WTDFN) else maps[:, 0], features

    def _forward_or_fall_back(self, images: Tensor) -> tuple[Tensor, ...]:
        try:
            return self._forward(images)
        except COMPILER_ERRORS as error:
            if not self._compiled:
                raise
            self._compiled, self._forward = False, self._uncompiled
            print(f"torch cannot compile here, the network runs uncompiled: {_first_line(error)}", file=sys.stderr)
            return self._forward(images)

    def _on_device(self, guide_maps: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(guide_maps).to(self._device)


def find_device(name: str) -> torch.device:
    """Return a device by its name; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises LymphoscopeError for a device that this machine does not have.
    """
    available = _available_devices()
    if name == "auto":
        return torch.device(available[-1])
    if name not in available:
        raise LymphoscopeError(f"no device {name!r} on this machine: --device takes auto, {', '.join(available)}")
    return torch.device(name)


def _available_devices() -> list[str]:
    mps = ["mps"] if torch.backends.mps.is_available() else []
    numbered = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *mps, *numbered, *(["cuda"] if numbered else [])]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
