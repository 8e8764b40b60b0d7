"""Cells as NumPy arrays, for every runtime but torch: uint8 or float32, 0-255; the exported graph normalises them."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lymphoscope.inference.backends.protocol import NetworkPass
from lymphoscope.method.numpy import ThreadLocalBufferPool, crop_boxes, write_crops, write_erased
from lymphoscope.model_file import Description

RunNetwork = Callable[[NDArray[Any]], Sequence[NDArray[np.float32]]]
"""Images (B, S, S, 3) -> the arrays of `NETWORK_OUTPUTS`, in their order."""


class ArrayBackend:
    """A network runtime on arrays (B, S, S, 3) of `dtype`; `run` computes the network, and `threads` crop and erase.

    float32 keeps all digits of an enlarged crop. uint8 rounds to whole values, by at most half a step of the 256 that
    an int8 network quantises its input to.
    """

    def __init__(
        self, description: Description, run: RunNetwork, dtype: DTypeLike, options: Mapping[str, str], threads: int
    ) -> None:
        self._description = description
        self._run = run
        self._dtype = np.dtype(dtype)
        self._options = options
        self._fill = _fill_pixels(description)
        self._buffers = ThreadLocalBufferPool()  # so that threads can share the model
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crop") if threads > 1 else None

    @property
    def description(self) -> Description:
        """The description of the model."""
        return self._description

    @property
    def options(self) -> Mapping[str, str]:
        """What the numbers depend on besides the model: runtime, device, precision."""
        return self._options

    def images(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Take fitted cells (B, S, S, 3), RGB, 0-255."""
        if pixels.dtype == self._dtype:
            return pixels
        images = self._buffers.array("images", pixels.shape, self._dtype)
        images[:] = pixels
        return images

    def forward_with_features(self, images: NDArray[Any]) -> NetworkPass:
        """Run the network once."""
        return NetworkPass(*self._run(images))

    def crop(self, images: NDArray[Any], guide_maps: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Crop to the attended region and enlarge; return the crops and boxes (B, 4) (Eq. 3)."""
        options = self._description.test_time
        crops = self._buffers.array("crops", images.shape, self._dtype)
        boxes = np.empty((len(images), 4), dtype=np.int64)

        def crop_share(share: slice) -> None:
            boxes[share] = crop_boxes(guide_maps[share], images.shape[1], options.crop_threshold, options.crop_padding)
            write_crops(images[share], boxes[share], crops[share])

        self._run_shares(crop_share, len(images))
        return crops, boxes

    def erase(self, images: NDArray[Any], guide_maps: NDArray[np.float32]) -> NDArray[Any]:
        """Erase the attended region (Eq. 4)."""
        threshold = self._description.test_time.erase_threshold
        erased = self._buffers.array("erased", images.shape, self._dtype)

        def erase_share(share: slice) -> None:
            write_erased(images[share], guide_maps[share], threshold, self._fill, erased[share])

        self._run_shares(erase_share, len(images))
        return erased

    def pixels(self, images: NDArray[Any]) -> NDArray[np.uint8]:
        """Return images as (B, S, S, 3), RGB, 0-255."""
        pixels: NDArray[np.uint8] = np.rint(images).clip(0, 255).astype(np.uint8)
        return pixels

    def _run_shares(self, function: Callable[[slice], None], count: int) -> None:
        """Give each thread one share of the cells: with many small ones the threads wait for each other."""
        size = -(-count // self._threads)
        shares = [slice(start, start + size) for start in range(0, count, size)]
        for _ in (self._pool.map if self._pool else map)(function, shares):
            pass


def _fill_pixels(description: Description) -> tuple[float, ...]:
    """Return what erasing paints, 0-255; the mean is 0 in the normalised tensor."""
    if description.test_time.fill == "black":
        return (0.0, 0.0, 0.0)
    return tuple(255 * mean for mean in description.preprocessing.mean)
