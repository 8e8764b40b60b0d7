"""The model computed by torch: the one module of inference that imports it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.runtime import StreamOutputs, StreamPictures
from lymphoscope.method import (
    TernaryPrediction,
    attention_crop,
    attention_erase,
    fill_values,
    normalize_maps,
    predict_ternary,
)
from lymphoscope.model_file import Description, load_network

Erase = Literal["always", "on_disagreement"]
Precision = Literal["32", "bf16"]


class TorchRuntime:
    """A model folder on a device; `precision="bf16"` computes under autocast, the head in float32 all the same.

    Raises LymphoscopeError where the folder is no model, or the device is not there.
    """

    def __init__(
        self, folder: Path, *, device: str = "auto", precision: Precision = "32", erase: Erase = "always"
    ) -> None:
        self._device = find_device(device)
        network, self._description = load_network(folder)
        self._network = network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._precision = precision
        self._erase: Erase = erase
        self._settings = _settings(self._description)
        statistics = self._description.preprocessing
        self._mean = torch.tensor(statistics.mean, device=self._device).reshape(1, 3, 1, 1)
        self._std = torch.tensor(statistics.std, device=self._device).reshape(1, 3, 1, 1)

    @property
    def description(self) -> Description:
        """The model that is computed."""
        return self._description

    @property
    def network(self) -> nn.Module:
        """The network, in evaluation mode, on its device; for what needs gradients."""
        network: nn.Module = self._network
        return network

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on beside the model."""
        device = self._device.type
        return {"runtime": "torch", "device": device, "precision": self._precision, "erase": self._erase}

    def predict(self, pixels: NDArray[np.uint8]) -> StreamOutputs:
        """Classify fitted cells (B, S, S, 3), RGB; a model without attention has its raw stream alone."""
        with torch.inference_mode(), self._autocast():
            ternary = predict_ternary(self._network, self._normalised(pixels), erase=self._erase, **self._settings)
            return self._outputs(ternary)

    def explain(self, pixels: NDArray[np.uint8]) -> StreamPictures:
        """Show what the streams of fitted cells (B, S, S, 3) saw; none that the model uses is skipped.

        Raises LymphoscopeError for a model without attention.
        """
        self._check_attention()
        use = self._settings
        with torch.inference_mode(), self._autocast():
            images = self._normalised(pixels)
            ternary = predict_ternary(self._network, images, erase="always", **use)
            guide = ternary.maps
            crops, boxes = attention_crop(images, guide, use["crop_threshold"], use["crop_padding"])
            erased = attention_erase(images, guide, use["erase_threshold"], use["fill"])
            maps = normalize_maps(guide, (images.shape[-2], images.shape[-1]))  # (B, S, S)
            return StreamPictures(
                maps=maps.cpu().numpy(),
                crops=self._pictures(crops),
                erased=self._pictures(erased),
                boxes=boxes.cpu().numpy(),
                outputs=self._outputs(ternary),
            )

    def _check_attention(self) -> None:
        if self._description.architecture.head != "attention":
            name = self._description.name
            raise LymphoscopeError(f"{name} has a linear head: explain needs a model with attention")

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._precision == "bf16")

    def _normalised(self, pixels: NDArray[np.uint8]) -> Tensor:
        # bytes go to the device, a quarter of what floats would be; the permuted view is channels last already
        images = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)  # (B, 3, S, S)
        return (images.float() / 255 - self._mean) / self._std

    def _pictures(self, images: Tensor) -> NDArray[np.uint8]:
        coloured = (images.float() * self._std + self._mean) * 255  # (B, 3, S, S)
        return coloured.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    def _outputs(self, ternary: TernaryPrediction) -> StreamOutputs:
        cropped = "crop" in self._settings["streams"]
        return StreamOutputs(
            labels=ternary.labels.cpu().numpy(),
            scores=ternary.scores.cpu().numpy(),
            probabilities=ternary.probabilities.cpu().numpy(),
            votes=ternary.votes.cpu().numpy(),
            agreement=ternary.agreement.cpu().numpy(),
            boxes=ternary.boxes.cpu().numpy() if cropped else None,
            features=ternary.features.float().cpu().numpy(),
        )


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


def _settings(description: Description) -> dict[str, Any]:
    """Keyword arguments of `predict_ternary`."""
    settings = description.test_time.model_dump()
    statistics = description.preprocessing
    if settings["fill"] == "black":
        settings["fill"] = fill_values("black", statistics.mean, statistics.std)
    if description.architecture.head == "linear":
        settings["streams"] = ("raw",)
    return settings
