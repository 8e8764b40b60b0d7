"""Where a result comes from: the command, the commit, the device and the date."""

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
    """What a report says of its making; `commit` is None where Lymphoscope does not run from its own checkout."""

    command: str
    commit: str | None
    device: str
    date: str


def provenance() -> Provenance:
    """Of this process."""
    command = shlex.join(["lymphoscope", *sys.argv[1:]])
    return Provenance(command, _commit(), _device(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))


def _commit() -> str | None:
    package = Path(lymphoscope.__file__).resolve().parent
    if package.parent.name != "src":
        return None
    words = ["git", "-C", str(package), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        answer = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _device() -> str:
    # Only where torch has computed can there be another device; numbers from predictions alone do without it.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    threads = torch.get_num_threads() if torch is not None else 1
    name = processor_name() or platform.processor() or platform.machine()
    return f"{name}, {threads} thread{'' if threads == 1 else 's'}"
