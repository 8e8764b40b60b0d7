"""Speed and memory of prediction: `python benchmarks/predict.py`.

Untrained networks on random pictures, so that nothing is downloaded: seconds depend on the network's size and on how
often the streams disagree, not on what the cells show. Three questions, each answered by a ratio:

- what the three streams cost beside the raw one, and what skipping the third where two agree saves;
- what reading files adds to computing;
- how memory grows with the number of files.

The ways are timed in turns, A B C A B C ..., and medians compared, so that a machine that slows down slows them all.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from lymphoscope.inference.torch_runtime import TorchRuntime
from PIL import Image
from timing import in_turns, show

from lymphoscope.inference import Model, find_cells, load, predict_cells
from lymphoscope.model_file import Architecture, Description, Preprocessing, TestTime, build_network, save_model

MEGABYTE = 1024**2
MEMORY_OF = "--memory-of"


def main() -> None:
    words = _words()
    if words.memory_of:
        print(peak_of(words.model, words.memory_of, words.batch_size))
        return
    with tempfile.TemporaryDirectory() as folder:
        _speed(Path(folder), words)
        _memory(Path(folder), words)


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=300, help="pixels of the network's input")
    parser.add_argument("--cells", type=int, default=64, help="cells of a timed round")
    parser.add_argument("--files", type=int, nargs=2, default=[300, 3000], help="files of the two memory runs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument(MEMORY_OF, type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _speed(folder: Path, words: argparse.Namespace) -> None:
    models = {
        "raw stream alone": _model(folder / "raw", words, streams=("raw",)),
        "three streams": _model(folder / "three", words),
    }
    runtimes = {name: TorchRuntime(path, device=words.device) for name, path in models.items()}
    skipping = TorchRuntime(models["three streams"], device=words.device, erase="on_disagreement")
    runtimes["erase on disagreement"] = skipping
    pixels = _random_pixels(words.batch_size, words.size)
    batches = max(1, words.cells // words.batch_size)
    ways: dict[str, Callable[[], object]] = {
        name: lambda runtime=runtime: [runtime.predict(pixels) for _ in range(batches)]
        for name, runtime in runtimes.items()
    }
    cells = find_cells([_pictures(folder / "cells", batches * words.batch_size, words.size)])
    model, out = Model(runtimes["three streams"]), folder / "out.csv"
    ways["three streams, from files"] = lambda: predict_cells(model, cells, out, batch_size=words.batch_size)
    bf16 = TorchRuntime(models["three streams"], device=words.device, precision="bf16")
    ways["three streams, bf16"] = lambda: [bf16.predict(pixels) for _ in range(batches)]
    disagreed = float((skipping.predict(pixels).votes[2] >= 0).mean())
    print(f"{words.backbone} at {words.size} pixels on {skipping.options['device']}, batches of {words.batch_size}")
    print(f"raw and crop disagree on {disagreed:.0%} of these cells\n")
    show(in_turns(ways, words.rounds), batches * words.batch_size, reference="three streams")


def _memory(folder: Path, words: argparse.Namespace) -> None:
    model = _model(folder / "tiny", words, backbone="test_resnet", size=64)
    peaks = []
    for count in words.files:
        cells = _pictures(folder / f"cells-{count}", count, 96)
        command = [sys.executable, __file__, "--model", str(model), MEMORY_OF, str(cells)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        peaks.append(int(answer.stdout))
    print(f"\n{'files':>10}{'peak memory, MB':>18}{'ratio':>10}")
    for count, peak in zip(words.files, peaks, strict=True):
        print(f"{count:>10}{peak / MEGABYTE:>18.0f}{peak / peaks[0]:>10.2f}")


def peak_of(model: Path, cells: Path, batch_size: int) -> int:
    """Peak memory in bytes of this process after predicting a folder."""
    with tempfile.TemporaryDirectory() as folder:
        predict_cells(
            load(model, device="cpu"), find_cells([cells]), Path(folder, "out.parquet"), batch_size=batch_size
        )
    if sys.platform == "linux":  # where ru_maxrss counts what the parent held, too
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _model(
    folder: Path,
    words: argparse.Namespace,
    *,
    backbone: str | None = None,
    size: int | None = None,
    streams: Sequence[str] = ("raw", "crop", "erase"),
) -> Path:
    torch.manual_seed(0)
    architecture = Architecture(backbone=backbone or words.backbone)
    description = Description(
        name="untrained",
        architecture=architecture,
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(fit="resize", size=size or words.size, mean=(0.5,) * 3, std=(0.25,) * 3),
        test_time=TestTime.model_validate({"streams": streams}),
    )
    save_model(build_network(architecture, 2).eval(), description, folder)
    return folder


def _random_pixels(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def _pictures(folder: Path, count: int, size: int) -> Path:
    folder.mkdir()
    for number, pixels in enumerate(_random_pixels(count, size)):
        Image.fromarray(pixels).save(folder / f"{number:05d}.png", compress_level=1)
    return folder


if __name__ == "__main__":
    main()
