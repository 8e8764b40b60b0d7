"""Peak memory of prediction by the number of files: `python benchmarks/memory.py`.

An untrained network on random images; each run is a process of its own.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timing import write

from lymphoscope.inference import find_cells, load, predict_cells
from lymphoscope.model_file import Architecture, Description, Preprocessing, build_network, save_model

MEGABYTE = 1024**2
MEMORY_OF = "--memory-of"
DIFFERENT = 100


def main() -> None:
    options = _options()
    if options.memory_of:
        print(peak_of(options.model, options.memory_of, options.batch_size))
        return
    with tempfile.TemporaryDirectory() as folder:
        _memory(Path(folder), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, nargs=2, default=[1000, 20000], help="files of the two memory runs")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument(MEMORY_OF, type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _memory(folder: Path, options: argparse.Namespace) -> None:
    model = _model(folder / "tiny", "test_resnet", size=64)
    peaks = []
    for count in options.files:
        cells = _pictures(folder / f"cells-{count}", count, 96)
        command = [sys.executable, __file__, "--model", str(model), MEMORY_OF, str(cells)]
        command += ["--batch-size", str(options.batch_size)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        peaks.append(int(answer.stdout))
    print(f"\n{'files':>10}{'peak memory, MB':>18}{'ratio':>10}")
    for count, peak in zip(options.files, peaks, strict=True):
        print(f"{count:>10}{peak / MEGABYTE:>18.0f}{peak / peaks[0]:>10.2f}")
    write(options.json, {"batch_size": options.batch_size, "files": options.files, "peak_bytes": peaks})


def peak_of(model: Path, cells: Path, batch_size: int) -> int:
    """Peak memory in bytes of this process after predicting a folder."""
    with tempfile.TemporaryDirectory() as folder:
        predict_cells(
            load(model, device="cpu"), find_cells([cells]), Path(folder, "out.parquet"), batch_size=batch_size
        )
    if sys.platform == "linux":  # there ru_maxrss includes memory of the parent process
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _model(folder: Path, backbone: str, size: int) -> Path:
    torch.manual_seed(0)
    architecture = Architecture(backbone=backbone)
    description = Description(
        name="untrained",
        architecture=architecture,
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(crop_mode="resize", size=size, mean=(0.5,) * 3, std=(0.25,) * 3),
    )
    save_model(build_network(architecture, 2).eval(), description, folder)
    return folder


def _random_pixels(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def _pictures(folder: Path, count: int, size: int) -> Path:
    """So many names of a hundred files: prediction knows no better, and the disk has room."""
    folder.mkdir()
    for number in range(count):
        name = folder / f"{number:05d}.png"
        if number < DIFFERENT:
            Image.fromarray(_random_pixels(number, size)).save(name, compress_level=1)
        else:
            name.hardlink_to(folder / f"{number % DIFFERENT:05d}.png")
    return folder


if __name__ == "__main__":
    main()
