"""Seconds from a cold process: `python benchmarks/start_up.py`.

Each command is a process of its own, timed in turns, A B C A B C ...; the medians are printed. Commands whose libraries
are not installed are left out. `--json FILE` also writes the medians.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image
from timing import write

MAIN = "from lymphoscope.cli.main import main; main()"


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        cell = Path(folder) / "cell.png"
        pixels = np.random.default_rng(0).integers(0, 256, (450, 450, 3), dtype=np.uint8)
        pixels[:90] = pixels[-90:] = pixels[:, :90] = pixels[:, -90:] = 0  # a cell on black
        Image.fromarray(pixels).save(cell)
        medians = _interleaved(_ways(cell), options.rounds)
    first = next(iter(medians.values()))
    for name, seconds in medians.items():
        print(f"{name:<34}{seconds:>8.2f} s{seconds / first:>8.2f}")
    write(options.json, {"rounds": options.rounds, "seconds": medians})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _ways(cell: Path) -> dict[str, list[str]]:
    python = [sys.executable, "-c"]
    predict = [*python, MAIN, "predict", str(cell), "--out", str(cell.with_name("out.csv")), "--overwrite"]
    ways = {
        "python alone": [*python, "pass"],
        "lymphoscope --help": [*python, MAIN, "--help"],
        "import numpy, onnxruntime": [*python, "import numpy, onnxruntime"],
        "predict of one cell, onnx": [*predict, "--runtime", "onnx"],
    }
    if find_spec("timm"):
        ways["import torch, timm"] = [*python, "import torch, timm"]
        ways["predict of one cell, torch"] = [*predict, "--runtime", "torch"]
    return ways


def _interleaved(ways: dict[str, list[str]], rounds: int) -> dict[str, float]:
    """Median seconds of each command after one warm-up round."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            subprocess.run(way, check=True, capture_output=True)  # noqa: S603
            if number:
                seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    main()
