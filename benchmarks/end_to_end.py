"""A folder of PNG cells to a file of predictions: `python benchmarks/end_to_end.py --work DIR --data CELLS`.

Compared with the same runtime on tensors in memory, timed in turns. Also one cell, from file to row, in a warm process
against the baseline. Lazy voting, at the agreement that the output names.
"""

import argparse
from collections.abc import Callable, Mapping
from itertools import cycle, islice

import numpy as np
from models import (
    Imposed,
    add_agreement_option,
    agreement_source,
    baseline,
    common_parser,
    load_cells,
    open_or_export,
    prepared_model,
    split,
)
from numpy.typing import NDArray
from timing import interleaved, write

from lymphoscope.data import read_image, walk_files
from lymphoscope.inference import Model, TernaryRuntime, find_cells, predict_cells, predicted_rows
from lymphoscope.inference.rows import Row
from lymphoscope.model_file import Preprocessing, load_network


def main() -> None:
    options = _options()
    folder, description = prepared_model(options)
    how = description.preprocessing
    network = open_or_export(
        folder, *options.way.split("-"), load_cells(options.data, how, 64), threads=options.threads
    )
    lazy = network if options.agreement is None else Imposed(network, options.agreement)
    runtime = TernaryRuntime(lazy, "on_disagreement")
    paths = list(islice(cycle(str(path) for path in walk_files(options.data)), options.cells))
    pixels = np.stack([how.preparation().prepare(read_image(path)) for path in paths])
    seconds = interleaved(_folder_ways(runtime, paths, pixels, options), options.rounds)
    plain = load_network(folder)[0]
    ours = TernaryRuntime(network, "on_disagreement")
    cell_ways = _cell_ways(ours, lambda read: baseline(plain, read, how), paths[0], how)
    seconds |= interleaved(cell_ways, 4 * options.rounds, rest=0.05)
    one_cell = ours.predict(pixels[:1]).votes
    votes = np.concatenate([found.votes for found in runtime.predict_batches(iter([pixels]))], axis=1)
    agree = float((votes[0] == votes[1]).mean())
    answer = {
        "agreement_source": agreement_source(options),
        "agreement": agree,
        "passes": 3 - agree,
        "way": options.way,
        "model": folder.name,
        "batch_size": options.batch_size,
        "cells": len(paths),
        "rounds": options.rounds,
        "seconds": seconds,
        "end_to_end_to_tensors": seconds["tensors in memory"] / seconds["folder to file"],
        "one_cell_passes": 2 + int(one_cell[2, 0] >= 0),
        "one_cell_times": seconds["one cell, the baseline"] / seconds["one cell, file to row"],
    }
    _show(answer, seconds)
    write(options.json, answer)


def _options() -> argparse.Namespace:
    parser = common_parser(__doc__)
    add_agreement_option(parser)
    parser.add_argument("--way", default="openvino-int8", help="RUNTIME-PRECISION")
    parser.add_argument("--cells", type=int, default=128, help="number of files, repeated if there are fewer")
    parser.add_argument("--workers", type=int, help="number of threads that read files")
    parser.add_argument("--threads", type=int, help="threads of the network")
    options = parser.parse_args()
    if options.data is None:
        parser.error("--data: a folder of cells to read")
    return options


def _folder_ways(
    runtime: TernaryRuntime, paths: list[str], pixels: NDArray[np.uint8], options: argparse.Namespace
) -> dict[str, Callable[[], object]]:
    step, out = options.batch_size, options.work / "predictions.csv"
    found = [cell for path in paths for cell in find_cells([path])]
    batches = split(pixels, step)
    return {
        "tensors in memory": lambda: list(runtime.predict_batches(iter(batches))),
        "folder to file": lambda: predict_cells(
            Model(runtime), found, out, batch_size=step, workers=options.workers, resume=False, if_exists="overwrite"
        ),
    }


def _cell_ways(
    runtime: TernaryRuntime, baseline_labels: Callable[[NDArray[np.uint8]], object], path: str, how: Preprocessing
) -> dict[str, Callable[[], object]]:
    preparation = how.preparation()
    fitted = preparation.prepare(read_image(path))[None]
    return {
        "one cell, the baseline": lambda: baseline_labels(preparation.prepare(read_image(path))[None]),
        "one cell, file to row": lambda: _rows_of(runtime, path),
        "one cell, file to table": lambda: Model(runtime).predict(path),
        "one cell, tensor to vote": lambda: runtime.predict(fitted),
    }


def _rows_of(runtime: TernaryRuntime, path: str) -> list[Row]:
    with predicted_rows(runtime, find_cells([path])) as rows:
        return list(rows)


def _show(answer: Mapping[str, object], seconds: Mapping[str, float]) -> None:
    print(f"{answer['model']}, {answer['way']}, {answer['cells']} cells in batches of {answer['batch_size']}")
    print(f"agreement: {answer['agreement_source']}: {answer['agreement']:.3f}, {answer['passes']:.2f} passes a cell\n")
    for name, value in seconds.items():
        print(f"{name:<32}{1000 * value:>10.1f} ms")
    print(f"\nend to end against tensors: {answer['end_to_end_to_tensors']:.2f}")
    print(f"one cell against a baseline: {answer['one_cell_times']:.1f}x, {answer['one_cell_passes']} passes")


if __name__ == "__main__":
    main()
