"""Arrays that are reused from batch to batch: allocating memory takes as long as filling it. Has no torch twin."""

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class BufferPool:
    """Arrays by name; each grows to the largest size requested."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an uninitialised array in the memory of the last array of this name, whose content is lost."""
        count, buffer = math.prod(shape), self._buffers.get(name)
        if buffer is None or buffer.size < count or buffer.dtype != dtype:
            buffer = self._buffers[name] = np.empty(count, dtype=dtype)
        return buffer[:count].reshape(shape)


class ThreadLocalBufferPool(BufferPool, threading.local):
    """A buffer pool that holds separate arrays for each thread."""
