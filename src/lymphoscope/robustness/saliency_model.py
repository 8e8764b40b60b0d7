"""What a network in torch attends to, and what it scores when pixels are painted over. Imports torch and captum."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference.model import Model
from lymphoscope.method import fill_values, normalize_maps, test_map
from lymphoscope.model_file import Description

BATCH_SIZE = 32
"""Painted-over pictures in one pass."""


@dataclass(frozen=True)
class Seen:
    """One cell as the raw stream saw it; maps are (S, S), 0-1 (Eq. 2)."""

    image: Tensor
    """(3, S, S), normalised."""
    called: int
    """The class that the raw stream called."""
    attention: NDArray[np.float32]
    grad_cam: NDArray[np.float32]
    coarse: tuple[int, int]
    """(h, w) of the attention map before it was enlarged."""


class SaliencyModel:
    """A network with `backbone` and `describe`, as WTDFN has them, in evaluation mode, in float32.

    The guiding map and the fill are those of the description's test time.
    """

    def __init__(self, network: Any, description: Description) -> None:
        self._network, self._map = network, description.test_time.map
        self._device = next(network.parameters()).device
        self._grad_cam = LayerGradCam(self._logits, network.backbone)
        statistics = description.preprocessing
        self._mean = self._colour(statistics.mean)
        self._std = self._colour(statistics.std)
        self._fill = self._colour(fill_values(description.test_time.fill, statistics.mean, statistics.std))

    def look(self, pixels: NDArray[np.uint8]) -> Seen:
        """Look at a fitted cell (S, S, 3): what the raw stream calls it, its guiding map, and Grad-CAM of that class.

        Grad-CAM (Selvaraju et al., ICCV 2017) is of the backbone's last feature map and the logit, its ReLU on.
        """
        bytes_ = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1)[None]
        images = (bytes_.float() / 255 - self._mean) / self._std  # (1, 3, S, S)
        with torch.no_grad():
            logits, maps, _ = self._network.forward_with_features(images)
        called = int(logits.argmax())
        guide = test_map(maps, self._map)
        seen = self._grad_cam.attribute(images.requires_grad_(), target=called, relu_attributions=True)
        size = (images.shape[2], images.shape[3])
        return Seen(
            image=images[0].detach(),
            called=called,
            attention=self._enlarged(guide, size),
            grad_cam=self._enlarged(seen[:, 0], size),
            coarse=(guide.shape[1], guide.shape[2]),
        )

    def enlarged(self, coarse: NDArray[np.float32], side: int) -> NDArray[np.float32]:
        """A coarse map (h, w) as an attention map is enlarged (Eq. 2): (S, S), 0-1."""
        return self._enlarged(torch.from_numpy(coarse)[None], (side, side))

    @torch.inference_mode()
    def follow(self, seen: Seen, painted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Softmax (V,) of the class that was called, on the raw stream, with `painted` (V, S, S) filled."""
        masks = torch.from_numpy(painted).to(self._device)[:, None]  # (V, 1, S, S)
        scores = [self._logits(torch.where(part, self._fill, seen.image)) for part in torch.split(masks, BATCH_SIZE)]
        called = torch.cat(scores).float().softmax(dim=1)[:, seen.called]
        return called.double().cpu().numpy()

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self._network.forward_with_features(images.contiguous(memory_format=torch.channels_last))[0]
        return logits

    def _enlarged(self, maps: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
        return normalize_maps(maps, size)[0].cpu().numpy()

    def _colour(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device).reshape(1, 3, 1, 1)


def saliency_model_of(model: Model) -> SaliencyModel:
    """The probe of a model. Raises LymphoscopeError for one without attention or on another runtime than torch."""
    description = model.description
    if description.architecture.head != "attention":
        raise LymphoscopeError(f"{description.name} has a linear head: it has no attention maps to test")
    found: Any = model.runtime
    while found is not None and not isinstance(found, nn.Module):
        found = getattr(found, "network", None)  # a runtime may be wrapped in what runs the streams
    if found is None:
        raise LymphoscopeError("Grad-CAM needs gradients: load the model with the torch runtime to test its heat maps")
    return SaliencyModel(found, description)
