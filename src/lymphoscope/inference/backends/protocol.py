"""What a runtime must give: one pass of the network, and the pictures that its guiding map asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lymphoscope.model_file import Description

Images = Any
"""B cells as one runtime holds them, whatever that is: an array, or a tensor on its device."""


@dataclass(frozen=True)
class NetworkPass:
    """What one pass of the network says of B images."""

    logits: NDArray[np.float32]
    """(B, K)"""
    guide_maps: NDArray[np.float32]
    """(B, h, w) the map that guide_maps crop and erase, before Eq. 2; (B, 1, 1) zeros for a network without maps."""
    features: NDArray[np.float32]
    """(B, C) the last feature map, averaged over (h, w)."""


class NetworkRuntime(Protocol):
    """A network on a library and a device. Which streams run, and how they vote, is not its business.

    `images`, `crop` and `erase` give what `describe` takes; it stays where the runtime computes, and the next call of
    the same one may write over it.
    """

    @property
    def description(self) -> Description:
        """The model that is computed."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on: runtime, device, precision."""
        ...

    def images(self, pixels: NDArray[np.uint8]) -> Images:
        """Take fitted cells (B, S, S, 3), RGB."""
        ...

    def forward_with_features(self, images: Images) -> NetworkPass:
        """Run the network once."""
        ...

    def crop(self, images: Images, guide_maps: NDArray[np.float32]) -> tuple[Images, NDArray[np.int64]]:
        """Cut out what the guide_maps attend to, enlarged, with the boxes (B, 4) as StreamOutputs has them (Eq. 3)."""
        ...

    def erase(self, images: Images, guide_maps: NDArray[np.float32]) -> Images:
        """Paint over what the guide_maps attend to (Eq. 4)."""
        ...

    def pixels(self, images: Images) -> NDArray[np.uint8]:
        """Images as pictures (B, S, S, 3), RGB: the way back from `images`."""
        ...
