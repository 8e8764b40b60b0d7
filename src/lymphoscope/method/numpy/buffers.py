"""Arrays that are kept from one use to the next: to get memory anew takes as long as to fill it."""

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class BufferPool:
    """Arrays by name; each grows to the largest that was asked for."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array with whatever was left in it, in the memory of the last one of this name."""
        count, held = math.prod(shape), self._held.get(name)
        if held is None or held.size < count or held.dtype != dtype:
            held = self._held[name] = np.empty(count, dtype=dtype)
        return held[:count].reshape(shape)


class ThreadLocalBufferPool(BufferPool, threading.local):
    """The same, each thread with its own."""
