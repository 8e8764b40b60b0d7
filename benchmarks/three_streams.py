"""Three-stream prediction of a batch against a baseline: `python benchmarks/three_streams.py --work DIR`.

The baseline is eager float32, channels first, three separate passes, crop and erase image by image in a loop. Ours
is each runtime and precision with lazy voting over a few batches, whose third streams are gathered into full batches.
All are timed in turns in one process. Printed beside the ratios: how often raw and crop agree, the resulting passes per
cell, and the fraction of labels equal to those of the baseline. Labels are those of the network itself, also if
`--agreement` is given.
"""

import argparse
from collections.abc import Mapping
from typing import Any

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

from lymphoscope.inference import TernaryRuntime
from lymphoscope.inference.backends import find_runtime, runtimes
from lymphoscope.model_file import load_network

CPU_WAYS = [(runtime.name, precision) for runtime in reversed(runtimes()) for precision in runtime.precisions]
DEVICE_WAYS = [(name, precision) for name, precision in CPU_WAYS if find_runtime(name).devices != ("cpu",)]


def main() -> None:
    options = _options()
    folder, description = prepared_model(options)
    how = description.preprocessing
    timed_cells = options.batch_size * options.batches
    cells = load_cells(options.data, how, max(timed_cells, options.compared_cells))
    stream = split(cells.evenly_spaced(timed_cells).pixels, options.batch_size)
    network = load_network(folder)[0].to(options.device)
    runtime_options = {"device": options.device, "threads": options.threads}
    passes = {
        f"{runtime}-{precision}": open_or_export(
            folder, runtime, precision, cells, **runtime_options, compile=options.compile and runtime == "torch"
        )
        for runtime, precision in (CPU_WAYS if options.device == "cpu" else DEVICE_WAYS)
        if not options.ways or f"{runtime}-{precision}" in options.ways
    }
    own = {name: TernaryRuntime(runtime, "on_disagreement") for name, runtime in passes.items()}
    timed = own
    if options.agreement is not None:
        timed = {
            name: TernaryRuntime(Imposed(runtime, options.agreement), "on_disagreement")
            for name, runtime in passes.items()
        }
    ways = {"baseline": lambda: baseline(network, stream[0], how, options.device)}
    ways |= {name: lambda runtime=runtime: list(runtime.predict_batches(stream)) for name, runtime in timed.items()}
    seconds = interleaved(ways, options.rounds)
    batch_seconds = {name: value / (len(stream) if name in own else 1) for name, value in seconds.items()}
    batches = split(cells.pixels, options.batch_size)
    wanted = np.concatenate([baseline(network, one, how, options.device) for one in batches])
    rows = {
        name: {"seconds": value, "ratio": batch_seconds["baseline"] / value}
        | (_agreement(timed[name], own[name], stream, batches, wanted) if name in own else {})
        for name, value in batch_seconds.items()
    }
    answer = {"agreement_source": agreement_source(options), "cells": cells.source, "compared_cells": len(wanted)}
    answer |= {
        "model": folder.name,
        "batch_size": options.batch_size,
        "batches": options.batches,
        "rounds": options.rounds,
        "ways": rows,
    }
    _show(answer, rows)
    write(options.json, answer)


def _options() -> argparse.Namespace:
    parser = common_parser(__doc__)
    add_agreement_option(parser)
    parser.add_argument("--batches", type=int, default=5, help="number of batches per measurement")
    parser.add_argument(
        "--compared-cells",
        type=int,
        default=0,
        help="number of cells whose labels are compared (default: those that are timed)",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="threads of each runtime (default: all processors)")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--ways", nargs="*", help="RUNTIME-PRECISION ... to time (default: all)")
    return parser.parse_args()


def _agreement(
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
    print(f"agreement: {answer['agreement_source']}; labels over {answer['compared_cells']} cells\n")
    print(f"{'':<22}{'ms/batch':>10}{'times':>8}{'agree':>8}{'passes':>8}{'labels':>8}")
    for name, row in rows.items():
        columns = "".join(f"{row[key]:>8.3f}" for key in ("agreement", "passes", "labels_equal") if key in row)
        print(f"{name:<22}{1000 * row['seconds']:>10.1f}{row['ratio']:>8.2f}{columns}")


if __name__ == "__main__":
    main()
