"""Cells as NumPy arrays, for every runtime but torch: bytes or floats, 0-255, normalised inside the network's graph."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.method.numpy import BufferPool, crop_boxes, write_crops, write_erased
from lymphoscope.model_file import Description, TestTime


class NumpyCells:
    """What is the same for the runtimes that take arrays (B, S, S, 3) of `dtype`.

    float32 keeps every digit of an enlarged crop. Bytes are rounded to whole values, half a step of the 256 that an
    int8 network makes of its input anyway.
    """

    def __init__(self, description: Description, dtype: type[np.uint8] | type[np.float32], threads: int) -> None:
        self._description = description
        self._dtype = dtype
        self._use: TestTime = description.test_time
        self._fill = _fill(description)
        self._memory = BufferPool()
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crop") if threads > 1 else None

    @property
    def description(self) -> Description:
        """The model that is computed."""
        return self._description

    def images(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Take fitted cells (B, S, S, 3), RGB."""
        if pixels.dtype == self._dtype:
            return pixels
        images = self._memory.array("images", pixels.shape, self._dtype)
        images[:] = pixels
        return images

    def crop(self, images: NDArray[Any], guide_maps: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Cut out what the guide_maps attend to, enlarged, with the boxes (B, 4) (Eq. 3)."""
        crops = self._memory.array("crops", images.shape, self._dtype)
        boxes = np.empty((len(images), 4), dtype=np.int64)

        def crop_some(some: slice) -> None:
            boxes[some] = crop_boxes(
                guide_maps[some], images.shape[1], self._use.crop_threshold, self._use.crop_padding
            )
            write_crops(images[some], boxes[some], crops[some])

        self._share(crop_some, len(images))
        return crops, boxes

    def erase(self, images: NDArray[Any], guide_maps: NDArray[np.float32]) -> NDArray[Any]:
        """Paint over what the guide_maps attend to (Eq. 4)."""
        erased = self._memory.array("erased", images.shape, self._dtype)

        def erase_some(some: slice) -> None:
            write_erased(images[some], guide_maps[some], self._use.erase_threshold, self._fill, erased[some])

        self._share(erase_some, len(images))
        return erased

    def _share(self, do: Callable[[slice], None], count: int) -> None:
        """Give each thread one share of the cells: with many small ones they wait for each other."""
        each = -(-count // self._threads)
        shares = [slice(start, start + each) for start in range(0, count, each)]
        for _ in (self._pool.map if self._pool else map)(do, shares):
            pass

    def pixels(self, images: NDArray[Any]) -> NDArray[np.uint8]:
        """Images as pictures (B, S, S, 3), RGB."""
        pixels: NDArray[np.uint8] = np.rint(images).clip(0, 255).astype(np.uint8)
        return pixels


def _fill(description: Description) -> tuple[float, ...]:
    """What erasing paints, 0-255: 0 of the normalised tensor is the mean."""
    if description.test_time.fill == "black":
        return (0.0, 0.0, 0.0)
    return tuple(255 * mean for mean in description.preprocessing.mean)
