"""A folder of PNG cells to a file of predictions: `python benchmarks/end_to_end.py --work DIR --data CELLS`.

Against the same runtime on tensors that are in memory already, in the same turns; and one cell, from file to row, in a
warm process against the obvious way. Lazy voting, at the agreement that the output names.
"""

import argparse
from collections.abc import Callable, Mapping
from itertools import cycle, islice

import numpy as np
from models import (
    Imposed,
    agreement_word,
    cells_of,
    common_words,
    model_of,
    obvious,
    opened,
    split,
    whose_agreement,
)
from numpy.typing import NDArray
from timing import in_turns, write

from lymphoscope.data import read_image, walk_files
from lymphoscope.inference import Model, TernaryRuntime, find_cells, predict_cells, predicted_rows
from lymphoscope.inference.rows import Row
from lymphoscope.model_file import Preprocessing, load_network


def main() -> None:
    words = _words()
    folder, description = model_of(words)
    how = description.preprocessing
    network = opened(folder, *words.way.split("-"), cells_of(words.data, how, 64), threads=words.threads)
    lazy = network if words.agreement is None else Imposed(network, words.agreement)
    runtime = TernaryRuntime(lazy, "on_disagreement")
    paths = list(islice(cycle(str(path) for path in walk_files(words.data)), words.cells))
    pixels = np.stack([how.preparation().prepare(read_image(path)) for path in paths])
    seconds = in_turns(_folder_ways(runtime, paths, pixels, words), words.rounds)
    plain = load_network(folder)[0]
    ours = TernaryRuntime(network, "on_disagreement")
    cell_ways = _cell_ways(ours, lambda read: obvious(plain, read, how), paths[0], how)
    seconds |= in_turns(cell_ways, 4 * words.rounds, rest=0.05)
    one_cell = ours.predict(pixels[:1]).votes
    votes = np.concatenate([found.votes for found in runtime.predict_batches(iter([pixels]))], axis=1)
    agree = float((votes[0] == votes[1]).mean())
    answer = {
        "agreement_is": whose_agreement(words),
        "agreement": agree,
        "passes": 3 - agree,
        "way": words.way,
        "model": folder.name,
        "batch_size": words.batch_size,
        "cells": len(paths),
        "rounds": words.rounds,
        "seconds": seconds,
        "end_to_end_to_tensors": seconds["tensors in memory"] / seconds["folder to file"],
        "one_cell_passes": 2 + int(one_cell[2, 0] >= 0),
        "one_cell_times": seconds["one cell, the obvious way"] / seconds["one cell, file to row"],
    }
    _show(answer, seconds)
    write(words.json, answer)


def _words() -> argparse.Namespace:
    parser = common_words(__doc__)
    agreement_word(parser)
    parser.add_argument("--way", default="openvino-int8", help="RUNTIME-PRECISION")
    parser.add_argument("--cells", type=int, default=128, help="files to predict, repeated where there are fewer")
    parser.add_argument("--workers", type=int, help="threads that read")
    parser.add_argument("--threads", type=int, help="of the network")
    words = parser.parse_args()
    if words.data is None:
        parser.error("--data: a folder of cells to read")
    return words


def _folder_ways(
    runtime: TernaryRuntime, paths: list[str], pixels: NDArray[np.uint8], words: argparse.Namespace
) -> dict[str, Callable[[], object]]:
    step, out = words.batch_size, words.work / "predictions.csv"
    found = [cell for path in paths for cell in find_cells([path])]
    batches = split(pixels, step)
    return {
        "tensors in memory": lambda: list(runtime.predict_batches(iter(batches))),
        "folder to file": lambda: predict_cells(
            Model(runtime), found, out, batch_size=step, workers=words.workers, resume=False, if_exists="overwrite"
        ),
    }


def _cell_ways(
    runtime: TernaryRuntime, obvious_labels: Callable[[NDArray[np.uint8]], object], path: str, how: Preprocessing
) -> dict[str, Callable[[], object]]:
    preparation = how.preparation()
    fitted = preparation.prepare(read_image(path))[None]
    return {
        "one cell, the obvious way": lambda: obvious_labels(preparation.prepare(read_image(path))[None]),
        "one cell, file to row": lambda: _rows_of(runtime, path),
        "one cell, file to table": lambda: Model(runtime).predict(path),
        "one cell, tensor to vote": lambda: runtime.predict(fitted),
    }


def _rows_of(runtime: TernaryRuntime, path: str) -> list[Row]:
    with predicted_rows(runtime, find_cells([path])) as rows:
        return list(rows)


def _show(answer: Mapping[str, object], seconds: Mapping[str, float]) -> None:
    print(f"{answer['model']}, {answer['way']}, {answer['cells']} cells in batches of {answer['batch_size']}")
    print(f"agreement: {answer['agreement_is']}: {answer['agreement']:.3f}, {answer['passes']:.2f} passes a cell\n")
    for name, value in seconds.items():
        print(f"{name:<32}{1000 * value:>10.1f} ms")
    print(f"\nend to end against tensors: {answer['end_to_end_to_tensors']:.2f}")
    print(f"one cell against the obvious way: {answer['one_cell_times']:.1f}x, {answer['one_cell_passes']} passes")


if __name__ == "__main__":
    main()
