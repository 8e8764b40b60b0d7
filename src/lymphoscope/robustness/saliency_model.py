"""The saliency maps of a torch network, and its score with pixels masked. Imports torch and captum."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import Model
from lymphoscope.method import fill_values, normalize_maps, test_map
from lymphoscope.model_file import Description

BATCH_SIZE: Final = 32
"""Masked images per pass."""


@dataclass(frozen=True)
class CellSaliency:
    """One cell, the prediction of the raw stream, and its saliency maps (S, S), 0-1 (Eq. 2)."""

    image: Tensor
    """(3, S, S), normalised."""
    predicted: int
    """Index of the class that the raw stream predicts."""
    attention: NDArray[np.float32]
    grad_cam: NDArray[np.float32]
    coarse_shape: tuple[int, int]
    """(h, w) of the attention map before it was enlarged."""


class SaliencyModel:
    """A network in evaluation mode and float32, with `backbone` and `forward_with_features` as WTDFN has them.

    The guiding map and the fill are those of the description's test time.
    """

    def __init__(self, network: Any, description: Description) -> None:
        self._network, self._map = network, description.test_time.map
        self._device = next(network.parameters()).device
        self._grad_cam = LayerGradCam(self._logits, network.backbone)
        statistics = description.preprocessing
        self._mean = self._per_channel(statistics.mean)
        self._std = self._per_channel(statistics.std)
        self._fill = self._per_channel(fill_values(description.test_time.fill, statistics.mean, statistics.std))

    def saliency_of(self, pixels: NDArray[np.uint8]) -> CellSaliency:
        """The prediction of the raw stream for a fitted cell (S, S, 3), its guiding map, and Grad-CAM of that class.

        Grad-CAM (Selvaraju et al., ICCV 2017) is computed on the backbone's last feature map and the logit, with ReLU.
        """
        bytes_ = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1)[None]
        images = (bytes_.float() / 255 - self._mean) / self._std  # (1, 3, S, S)
        with torch.no_grad():
            logits, maps, _ = self._network.forward_with_features(images)
        predicted = int(logits.argmax())
        guide = test_map(maps, self._map)
        attribution = self._grad_cam.attribute(images.requires_grad_(), target=predicted, relu_attributions=True)
        size = (images.shape[2], images.shape[3])
        return CellSaliency(
            image=images[0].detach(),
            predicted=predicted,
            attention=self._enlarge(guide, size),
            grad_cam=self._enlarge(attribution[:, 0], size),
            coarse_shape=(guide.shape[1], guide.shape[2]),
        )

    def enlarge(self, coarse: NDArray[np.float32], side: int) -> NDArray[np.float32]:
        """Enlarge a coarse map (h, w) to (S, S), 0-1, as attention maps are enlarged (Eq. 2)."""
        return self._enlarge(torch.from_numpy(coarse)[None], (side, side))

    @torch.inference_mode()
    def score_masked(self, saliency: CellSaliency, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Softmax (V,) of the predicted class on the raw stream, with the pixels of `masks` (V, S, S) filled."""
        batches = torch.split(torch.from_numpy(masks).to(self._device)[:, None], BATCH_SIZE)  # (V, 1, S, S)
        logits = [self._logits(torch.where(batch, self._fill, saliency.image)) for batch in batches]
        scores = torch.cat(logits).float().softmax(dim=1)[:, saliency.predicted]
        return scores.double().cpu().numpy()

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self._network.forward_with_features(images.contiguous(memory_format=torch.channels_last))[0]
        return logits

    def _enlarge(self, maps: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
        return normalize_maps(maps, size)[0].cpu().numpy()

    def _per_channel(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device).reshape(1, 3, 1, 1)


def saliency_model_of(model: Model) -> SaliencyModel:
    """The saliency model of a model. Raises LymphoscopeError for one without attention or not on the torch runtime."""
    description = model.description
    if description.architecture.head != "attention":
        raise LymphoscopeError(f"{description.name} has a linear head: it has no attention maps to test")
    network: Any = model.runtime
    while network is not None and not isinstance(network, nn.Module):
        network = getattr(network, "network", None)  # a runtime may be wrapped by the one that runs the streams
    if network is None:
        raise LymphoscopeError(
            "Grad-CAM needs gradients: load the model with the torch runtime to test its saliency maps"
        )
    return SaliencyModel(network, description)
