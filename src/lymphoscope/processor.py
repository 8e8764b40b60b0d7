"""The name and the instruction sets of the processor, as Linux reports them; empty on other systems."""

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


def _lines() -> list[str]:
    return _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
