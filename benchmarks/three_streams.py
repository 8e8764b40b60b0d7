"""Three-stream prediction of a batch against the obvious way: `python benchmarks/three_streams.py --work DIR`.

The obvious way is eager float32, channels first, three separate passes, crop and erase image by image in a loop. Ours
is each runtime and precision with lazy voting over a few batches, whose third streams are gathered into full ones. All
are timed in turns in one process. Printed beside the ratios: how often raw and crop agree, the passes a cell that
follow from it, and the share of labels equal to the obvious way's over the cells that are judged: the network's own
labels, also where an agreement is imposed for the times.
"""

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
from models import (
    Imposed,
    agreement_word,
    cells_of,
    common_words,
    model_of,
    obvious,
    opened,
    some_of,
    split,
    whose_agreement,
)
from numpy.typing import NDArray
from timing import in_turns, write

from lymphoscope.inference import TernaryRuntime
from lymphoscope.inference.backends import find_runtime, runtimes
from lymphoscope.model_file import load_network

CPU_WAYS = [(runtime.name, precision) for runtime in reversed(runtimes()) for precision in runtime.precisions]
DEVICE_WAYS = [(name, precision) for name, precision in CPU_WAYS if find_runtime(name).devices != ("cpu",)]


def main() -> None:
    words = _words()
    folder, description = model_of(words)
    how = description.preprocessing
    timed_cells = words.batch_size * words.batches
    cells = cells_of(words.data, how, max(timed_cells, words.judged))
    stream = split(some_of(cells, timed_cells), words.batch_size)
    network = load_network(folder)[0].to(words.device)
    options = {"device": words.device, "threads": words.threads}
    passes = {
        f"{runtime}-{precision}": opened(
            folder, runtime, precision, cells, **options, compile=words.compile and runtime == "torch"
        )
        for runtime, precision in (CPU_WAYS if words.device == "cpu" else DEVICE_WAYS)
        if not words.ways or f"{runtime}-{precision}" in words.ways
    }
    own = {name: TernaryRuntime(runtime, "on_disagreement") for name, runtime in passes.items()}
    timed = own
    if words.agreement is not None:
        timed = {
            name: TernaryRuntime(Imposed(runtime, words.agreement), "on_disagreement")
            for name, runtime in passes.items()
        }
    ways = {"obvious": lambda: obvious(network, stream[0], how, words.device)}
    ways |= {name: lambda runtime=runtime: list(runtime.predict_batches(stream)) for name, runtime in timed.items()}
    seconds = in_turns(ways, words.rounds)
    batch_seconds = {name: value / (len(stream) if name in own else 1) for name, value in seconds.items()}
    batches = split(cells.pixels, words.batch_size)
    wanted = np.concatenate([obvious(network, one, how, words.device) for one in batches])
    rows = {
        name: {"seconds": value, "ratio": batch_seconds["obvious"] / value}
        | (_said(timed[name], own[name], stream, batches, wanted) if name in own else {})
        for name, value in batch_seconds.items()
    }
    answer = {"agreement_is": whose_agreement(words), "cells": cells.source, "judged": len(wanted)}
    answer |= {
        "model": folder.name,
        "batch_size": words.batch_size,
        "batches": words.batches,
        "rounds": words.rounds,
        "ways": rows,
    }
    _show(answer, rows)
    write(words.json, answer)


def _words() -> argparse.Namespace:
    parser = common_words(__doc__)
    agreement_word(parser)
    parser.add_argument("--batches", type=int, default=5, help="that a way of ours takes in one go")
    parser.add_argument("--judged", type=int, default=0, help="cells whose labels are compared, at least a batch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="of our ways; as many as there are processors without")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--ways", nargs="*", help="RUNTIME-PRECISION ..., all of them without")
    return parser.parse_args()


def _said(
    timed: TernaryRuntime,
    own: TernaryRuntime,
    stream: list[NDArray[np.uint8]],
    batches: list[NDArray[np.uint8]],
    wanted: NDArray[np.int64],
) -> dict[str, float]:
    votes = np.concatenate([found.votes for found in timed.predict_batches(stream)], axis=1)
    agree = float((votes[0] == votes[1]).mean())
    labels = np.concatenate([found.labels for found in own.predict_batches(batches)])
    return {"agreement": agree, "passes": 3 - agree, "labels_equal": float((labels == wanted).mean())}


def _show(answer: Mapping[str, Any], rows: Mapping[str, Mapping[str, float]]) -> None:
    print(f"{answer['model']}, {answer['batches']} batches of {answer['batch_size']}, {answer['cells']}")
    print(f"agreement: {answer['agreement_is']}; labels over {answer['judged']} cells\n")
    print(f"{'':<22}{'ms/batch':>10}{'times':>8}{'agree':>8}{'passes':>8}{'labels':>8}")
    for name, row in rows.items():
        said = "".join(f"{row[key]:>8.3f}" for key in ("agreement", "passes", "labels_equal") if key in row)
        print(f"{name:<22}{1000 * row['seconds']:>10.1f}{row['ratio']:>8.2f}{said}")


if __name__ == "__main__":
    main()
