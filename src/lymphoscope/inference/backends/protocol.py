"""What every runtime provides: one pass of the network, and the crops and erased cells that its guide map asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lymphoscope.model_file import Description

Images = Any
"""B cells in the form that one runtime computes on: an array, or a tensor on its device."""


@dataclass(frozen=True)
class NetworkPass:
    """The outputs of one pass of the network for B images; an exported graph names its outputs so."""

    logits: NDArray[np.float32]
    """(B, K)"""
    guide_maps: NDArray[np.float32]
    """(B, h, w) the map that guides crop and erase, before Eq. 2; (B, 1, 1) zeros for a network without maps."""
    features: NDArray[np.float32]
    """(B, C) mean of the last feature map over (h, w)."""


NETWORK_OUTPUTS = tuple(field.name for field in fields(NetworkPass))
"""The outputs of an exported network, in order."""


class NetworkRuntime(Protocol):
    """A network on a library and a device. It does not know which streams run, nor how they vote.

    `images`, `crop` and `erase` return what `forward_with_features` takes. The data stays where the runtime computes,
    and the next call of the same method by the same thread may overwrite it. Methods may be called by several threads.
    """

    @property
    def description(self) -> Description:
        """The description of the model."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on besides the model: runtime, device, precision."""
        ...

    def images(self, pixels: NDArray[np.uint8]) -> Images:
        """Take fitted cells (B, S, S, 3), RGB, 0-255."""
        ...

    def forward_with_features(self, images: Images) -> NetworkPass:
        """Run the network once."""
        ...

    def crop(self, images: Images, guide_maps: NDArray[np.float32]) -> tuple[Images, NDArray[np.int64]]:
        """Crop to the attended region and enlarge; return the crops and boxes (B, 4) as in StreamOutputs (Eq. 3)."""
        ...

    def erase(self, images: Images, guide_maps: NDArray[np.float32]) -> Images:
        """Erase the attended region (Eq. 4)."""
        ...

    def pixels(self, images: Images) -> NDArray[np.uint8]:
        """Return images as (B, S, S, 3), RGB, 0-255: the inverse of `images`."""
        ...
