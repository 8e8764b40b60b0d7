"""A process that brings runs to their ends, a folder a line: `python -m lymphoscope.experiments.worker CORE...`."""

import os
import sys
from pathlib import Path

from lymphoscope.experiments.execution import READY, execute


def main() -> None:
    """Work off the folders of standard input until it closes, on the cores that the words name."""
    cores = [int(word) for word in sys.argv[1:]]
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    for line in sys.stdin:
        execute(Path(line.strip()))
        print(READY, flush=True)


if __name__ == "__main__":
    main()
