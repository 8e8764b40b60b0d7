"""Buffers are reused by name, grow, and are separate for each thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lymphoscope.method.numpy import BufferPool, ThreadLocalBufferPool


def test_a_smaller_array_reuses_the_memory_of_a_larger_one() -> None:
    memory = BufferPool()
    large = memory.array("a", (4, 3), np.float32)
    assert np.shares_memory(memory.array("a", (2, 5), np.float32), large)
    assert not np.shares_memory(memory.array("b", (2, 5), np.float32), large)
    assert memory.array("a", (5, 5), np.float32).shape == (5, 5)
    assert memory.array("a", (5, 5), np.uint8).dtype == np.uint8


def test_threads_do_not_share_buffers() -> None:
    memory = ThreadLocalBufferPool()
    mine = memory.array("a", (3,), np.float32)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(memory.array, "a", (3,), np.float32).result()
    assert not np.shares_memory(mine, other)
    assert np.shares_memory(mine, memory.array("a", (3,), np.float32))
