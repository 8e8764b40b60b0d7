"""The shipped models from PNG file to row: `python benchmarks/shipped_models.py --model NAME --data CELLS --work DIR`.

The way of `lymphoscope predict` on each runtime, against a straightforward one in the same process: eager torch in
float32, one thread of reading, every stream of every view, crop and erase image by image, rows written at the end.
"""

import argparse
import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from models import baseline_crop_erase, load_cells, open_or_export
from numpy.typing import NDArray
from timing import interleaved, write
from torch import Tensor, nn

from lymphoscope.data import read_image, read_source, walk_files
from lymphoscope.export import SampleCells, read_sample
from lymphoscope.inference import Model, TernaryRuntime, cells_of, find_cells, predict_cells
from lymphoscope.method import oriented_views
from lymphoscope.model_file import Description, load_description, load_network, resolve_model

CALIBRATING = 1000
"""Most cells that show the range of values, and what the training cells look like, to a network that rounds."""


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    source = resolve_model(options.model)
    folder = options.work / f"{options.model}-{str(load_description(source).weights_sha256)[:8]}"
    if not folder.exists():
        shutil.copytree(source, folder)
    description = load_description(folder)
    files = [str(path) for path in walk_files(options.data)]
    paths = [files[place] for place in np.linspace(0, len(files) - 1, min(options.cells, len(files))).astype(int)]
    exported = load_cells(options.data, description.preprocessing, 16)

    def labelled() -> SampleCells:
        return read_sample(
            cells_of(read_source(str(options.data))), options.data.name, description.preprocessing, CALIBRATING
        )

    plain = load_network(folder)[0].eval()
    ways: dict[str, Callable[[], list[str]]] = {
        "straightforward": lambda: _straightforward(plain, description, paths, options.batch_size, options.work)
    }
    for way in options.ways:
        runtime, precision = way.split("-")
        network = open_or_export(folder, runtime, precision, exported, labelled, threads=options.threads)
        ways[way] = _our_way(Model(TernaryRuntime(network)), paths, options.batch_size, options.work / f"{way}.csv")
    labels = {name: way() for name, way in ways.items()}
    seconds = interleaved(ways, options.rounds)
    rates = {name: len(paths) / value for name, value in seconds.items()}
    equal = {
        name: float(np.mean([a == b for a, b in zip(found, labels["straightforward"], strict=True)]))
        for name, found in labels.items()
    }
    print(f"{options.model}: {len(paths)} cells, {options.threads} threads, batches of {options.batch_size}")
    for name, rate in rates.items():
        speed_up = seconds["straightforward"] / seconds[name]
        print(f"{name:<24}{rate:>8.2f} cells/s{speed_up:>8.1f}x{equal[name]:>9.1%} equal labels")
    write(options.json, {"model": options.model, "cells": len(paths), "cells_per_second": rates, "equal_labels": equal})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="blast", help="name of a model that ships")
    parser.add_argument("--data", type=Path, required=True, help="folder of cells; with labels for int8 and bfloat16")
    parser.add_argument("--work", type=Path, required=True, help="folder for a copy of the model and its exports")
    parser.add_argument("--ways", nargs="+", default=["onnx-float32", "openvino-float32"], help="RUNTIME-PRECISION")
    parser.add_argument("--cells", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    return parser.parse_args()


def _our_way(model: Model, paths: list[str], step: int, out: Path) -> Callable[[], list[str]]:
    cells = find_cells(paths)

    def run() -> list[str]:
        predict_cells(model, cells, out, batch_size=step, resume=False, if_exists="overwrite")
        with out.open(encoding="utf-8") as file:
            return [row["predicted"] for row in csv.DictReader(file)]

    return run


def _straightforward(
    network: nn.Module, description: Description, paths: list[str], step: int, work: Path
) -> list[str]:
    preparation = description.preprocessing.preparation()
    rows: list[tuple[str, str, float]] = []
    for start in range(0, len(paths), step):
        batch = paths[start : start + step]
        pixels = np.stack([preparation.prepare(read_image(path)) for path in batch])
        scores = _scores(network, description, pixels)
        rows += [
            (path, description.classes[int(row.argmax())], float(row.max()))
            for path, row in zip(batch, scores, strict=True)
        ]
    with (work / "straightforward.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return [label for _, label, _ in rows]


def _scores(network: nn.Module, description: Description, pixels: NDArray[np.uint8]) -> Tensor:
    """The mean softmax (B, K) over the streams and views of a model that decides by it."""
    how, test = description.preprocessing, description.test_time
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (how.mean, how.std))
    images = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float().contiguous() / 255 - mean) / std
    found = []
    with torch.no_grad():
        for view in oriented_views(images, test.views):
            logits, maps = network(view)
            crops, erased = baseline_crop_erase(view, maps.mean(dim=1), test.crop_threshold, test.erase_threshold)
            found += [each.softmax(1) for each in (logits, network(crops)[0], network(erased)[0])]
    return torch.stack(found).mean(dim=0)


if __name__ == "__main__":
    main()
