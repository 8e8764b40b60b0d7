"""The network computed by torch: the one module of inference that imports it."""

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

# What a missing compiler, a broken one and a graph that it cannot take raise, whatever the version.
COMPILER_FAULTS = (RuntimeError, ImportError, OSError)


class TorchRuntime:
    """A model folder on a device; bfloat16 computes under autocast, the head in float32 all the same.

    `compile` has torch compile the network at its first pass; where that fails a line says so and it runs as it is.
    Raises LymphoscopeError where the folder is no model, the device is not there, and for a precision that torch
    does not compute here.
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
        if precision not in ("float32", "bfloat16"):
            raise LymphoscopeError(f"torch computes float32 and bfloat16, not {precision}: export the model to have it")
        if threads:
            torch.set_num_threads(threads)
        self._device = find_device(device)
        network, self._description = load_network(folder)
        self._network: nn.Module = network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._precision = precision
        self._pass: Callable[[Tensor], tuple[Tensor, ...]] = self._described
        self._compiles = compile
        if compile:
            self._pass = torch.compile(self._described)
        statistics = self._description.preprocessing
        self._mean = torch.tensor(statistics.mean, device=self._device).reshape(1, 3, 1, 1)
        self._std = torch.tensor(statistics.std, device=self._device).reshape(1, 3, 1, 1)

    @property
    def description(self) -> Description:
        """The model that is computed."""
        return self._description

    @property
    def network(self) -> nn.Module:
        """The network itself, in evaluation mode, on its device."""
        return self._network

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on beside the model."""
        compiled = {"compiled": "yes"} if self._compiles else {}
        return {"runtime": "torch", "device": self._device.type, "precision": self._precision, **compiled}

    def images(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Take fitted cells (B, S, S, 3), RGB -> (B, 3, S, S), normalised, on the device."""
        # bytes go to the device, a quarter of what floats would be; the permuted view is channels last already
        images = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)
        return (images.float() / 255 - self._mean) / self._std

    def forward_with_features(self, images: Tensor) -> NetworkPass:
        """Run the network once."""
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, self._precision == "bfloat16"):
            found = self._attempt(images.contiguous(memory_format=torch.channels_last))
        return NetworkPass(*(tensor.float().cpu().numpy() for tensor in found))

    def crop(self, images: Tensor, guide_maps: NDArray[np.float32]) -> tuple[Tensor, NDArray[np.int64]]:
        """Cut out what the guide_maps attend to, enlarged, with the boxes (B, 4) (Eq. 3)."""
        use = self._description.test_time
        with torch.inference_mode():
            crops, boxes = attention_crop(images, self._on_device(guide_maps), use.crop_threshold, use.crop_padding)
        return crops, boxes.cpu().numpy()

    def erase(self, images: Tensor, guide_maps: NDArray[np.float32]) -> Tensor:
        """Paint over what the guide_maps attend to (Eq. 4)."""
        use, statistics = self._description.test_time, self._description.preprocessing
        fill: Any = fill_values("black", statistics.mean, statistics.std) if use.fill == "black" else "mean"
        with torch.inference_mode():
            return attention_erase(images, self._on_device(guide_maps), use.erase_threshold, fill)

    def pixels(self, images: Tensor) -> NDArray[np.uint8]:
        """Images as pictures (B, S, S, 3), RGB."""
        coloured = (images * self._std + self._mean) * 255  # (B, 3, S, S)
        return coloured.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    def _described(self, images: Tensor) -> tuple[Tensor, ...]:
        logits, maps, features = self._network.forward_with_features(images)  # type: ignore[operator]
        how = self._description.test_time.map
        return logits, test_map(maps, how) if isinstance(self._network, WTDFN) else maps[:, 0], features

    def _attempt(self, images: Tensor) -> tuple[Tensor, ...]:
        try:
            return self._pass(images)
        except COMPILER_FAULTS as fault:
            if not self._compiles:
                raise
            self._compiles, self._pass = False, self._described
            print(f"torch cannot compile here, so it runs as it is: {_first_line(fault)}", file=sys.stderr)
            return self._pass(images)

    def _on_device(self, guide_maps: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(guide_maps).to(self._device)


def find_device(name: str) -> torch.device:
    """The device of a name; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises LymphoscopeError for a device that this machine lacks.
    """
    there = _devices()
    if name == "auto":
        return torch.device(there[-1])
    if name not in there:
        raise LymphoscopeError(f"no device {name!r} here: --device takes auto, {', '.join(there)}")
    return torch.device(name)


def _devices() -> list[str]:
    mps = ["mps"] if torch.backends.mps.is_available() else []
    numbered = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *mps, *numbered, *(["cuda"] if numbered else [])]


def _first_line(fault: BaseException) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]
