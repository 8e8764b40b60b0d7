"""How predictions scale with workers: `python benchmarks/cluster.py CELLS`.

One process, and Ray clusters of one and two workers with one thread each, predict the same cells in turns. The time of
a cluster is that between its first and last part file. It excludes the start of Ray and its workers, a few seconds.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import ray
from timing import write

from lymphoscope.inference import LOCAL, Cell, find_cells, load, predict_cells, predict_on_cluster
from lymphoscope.model_file import resolve_model

PART = 32


def main() -> None:
    options = _options()
    found = find_cells([options.cells])
    cells = (found * (options.count // len(found) + 1))[: options.count]
    rates: dict[str, list[float]] = {"one process": [], "1 worker": [], "2 workers": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rates["one process"].append(_alone(cells, Path(folder)))
            for workers, name in ((1, "1 worker"), (2, "2 workers")):
                rates[name].append(_together(cells, Path(folder), workers))
    one = statistics.median(rates["one process"])
    for name, values in rates.items():
        median = statistics.median(values)
        print(f"{name:<14}{median:>8.1f} cells/s{median / one:>8.2f}")
    write(options.json, {"count": len(cells), "rounds": options.rounds, "cells_per_second": rates})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cells", type=Path, help="folder of cells, repeated as often as needed")
    parser.add_argument("--count", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _alone(cells: list[Cell], folder: Path) -> float:
    model = load(resolve_model(None), runtime="onnx", threads=1)
    begun = time.perf_counter()
    predict_cells(model, cells, folder / "alone.parquet", workers=1)
    return len(cells) / (time.perf_counter() - begun)


def _together(cells: list[Cell], folder: Path, workers: int) -> float:
    out = folder / "together.parquet"
    shutil.rmtree(out, ignore_errors=True)
    ray.init(address=LOCAL, num_cpus=workers, include_dashboard=False, log_to_driver=False)
    try:
        options = {"runtime": "onnx", "threads": 1, "workers": 1, "chunk_rows": PART}
        predict_on_cluster(resolve_model(None), cells, str(out), **options)
    finally:
        ray.shutdown()
    written = sorted(part.stat().st_mtime for part in out.glob("part-*"))[workers - 1 :]
    return PART * (len(written) - 1) / (written[-1] - written[0])


if __name__ == "__main__":
    main()
