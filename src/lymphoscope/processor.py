"""The processor and the memory of this machine: name and instruction sets as Linux reports them, and the allocator."""

import ctypes
import sys
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def processor_name() -> str | None:
    """Return the model name of the first processor, or None."""
    names = (line.partition(":")[2].strip() for line in _lines() if line.startswith("model name"))
    return next(names, None)


def has_instructions(*any_of: str) -> bool:
    """Return whether the processor has any of these instruction sets (Linux names, such as avx512_bf16)."""
    flags = next((line.partition(":")[2].split() for line in _lines() if line.startswith("flags")), [])
    return not set(any_of).isdisjoint(flags)


def sums_bytes_in_32_bits() -> bool:
    """Return whether Linux reports instructions (VNNI) that sum products of bytes in 32 bits; others overflow."""
    return has_instructions("avx512_vnni", "avx_vnni")


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, instead of returning it to the system; return whether it does.

    glibc returns large arrays at once, and the system clears them when they are allocated again. That takes half the
    time of a network on a processor, whose features are large and short-lived. Threads share one heap, because glibc
    returns the memory of a thread's own heap all the same. Nothing is changed without glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    trim_threshold, mmap_max, arena_max = -1, -4, -8  # M_TRIM_THRESHOLD, M_MMAP_MAX and M_ARENA_MAX of malloc.h
    return bool(mallopt(mmap_max, 0)) and bool(mallopt(trim_threshold, 2**31 - 1)) and bool(mallopt(arena_max, 1))


def return_freed_memory() -> bool:
    """Let this process return large blocks to the system when they are freed; return whether it does.

    glibc raises the size from which it does so after the first large block is freed, and keeps a heap per thread: the
    images that the threads of a server hold for a moment would stay in all of them. Nothing is changed without glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    mmap_threshold, arena_max = -3, -8  # M_MMAP_THRESHOLD and M_ARENA_MAX of malloc.h
    return mallopt is not None and bool(mallopt(mmap_threshold, 2**20)) and bool(mallopt(arena_max, 2))


def _lines() -> list[str]:
    return _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
