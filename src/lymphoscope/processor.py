"""What Linux says of the processor: its name, and the instructions that it has; nothing elsewhere."""

from pathlib import Path

_LISTING = Path("/proc/cpuinfo")


def processor_name() -> str | None:
    """The first processor's model name."""
    names = (line.partition(":")[2].strip() for line in _lines() if line.startswith("model name"))
    return next(names, None)


def has_instructions(*any_of: str) -> bool:
    """Whether the processor has one of these sets of instructions, by Linux's names for them."""
    flags = next((line.partition(":")[2].split() for line in _lines() if line.startswith("flags")), [])
    return not set(any_of).isdisjoint(flags)


def _lines() -> list[str]:
    return _LISTING.read_text().splitlines() if _LISTING.exists() else []
