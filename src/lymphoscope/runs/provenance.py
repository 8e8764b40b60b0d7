"""The origin of a result: command, commit, device and date."""

import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import lymphoscope
from lymphoscope.processor import processor_name


@dataclass(frozen=True)
class Provenance:
    """What a report says of its origin; `commit` is None if Lymphoscope does not run from its own checkout."""

    command: str
    commit: str | None
    device: str
    date: str


def current_provenance() -> Provenance:
    """Return the origin of what this process computes."""
    command = shlex.join(["lymphoscope", *sys.argv[1:]])
    return Provenance(command, _commit(), _device(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))


def _commit() -> str | None:
    package = Path(lymphoscope.__file__).resolve().parent
    if package.parent.name != "src":
        return None
    try:
        name = _git(package, "describe", "--always", "--abbrev=12", "--exclude=*")
        changed = _git(package, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{name}-dirty" if changed else name


def _git(folder: Path, *words: str) -> str:
    # Without optional locks nothing is written to the checkout, which `describe --dirty` does.
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    completed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    return completed.stdout.strip()


def _device() -> str:
    # If torch has not been imported, nothing was computed on another device.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    threads = torch.get_num_threads() if torch is not None else 1
    name = processor_name() or platform.processor() or platform.machine()
    return f"{name}, {threads} thread{'' if threads == 1 else 's'}"
