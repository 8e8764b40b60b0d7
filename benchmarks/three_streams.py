"""Three-stream prediction of a batch against the obvious way: `python benchmarks/three_streams.py --work DIR`.

The obvious way is eager float32, channels first, three separate passes, crop and erase image by image in a loop. Ours
is each runtime and precision with lazy voting. All are timed in turns in one process. Printed beside the ratios: how
often raw and crop agree, the passes a cell that follow from it, and the share of labels equal to the obvious way's.
"""

import json
from pathlib import Path

from models import Imposed, cells_of, common_words, model_of, obvious, opened
from timing import in_turns

from lymphoscope.inference.ternary import TernaryRuntime
from lymphoscope.model_file import load_network

CPU_WAYS = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnx", "float32"),
    ("onnx", "int8"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
)


def main() -> None:
    parser = common_words(__doc__)
    parser.add_argument("--model", type=Path, help="a trained model folder, for its own agreement")
    parser.add_argument("--agreement", type=float, help="impose this share of cells whose first two streams agree")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--ways", nargs="*", help="RUNTIME-PRECISION ..., all of them without")
    words = parser.parse_args()
    cells = cells_of(words.data, words.size, words.batch_size)
    folder = words.model or model_of(words)
    network = load_network(folder)[0].to(words.device)
    lazy = {
        f"{runtime}-{precision}": opened(
            folder, runtime, precision, cells, device=words.device, compile=words.compile and runtime == "torch"
        )
        for runtime, precision in (CPU_WAYS if words.device == "cpu" else CPU_WAYS[:2])
        if not words.ways or f"{runtime}-{precision}" in words.ways
    }
    if words.agreement is not None:
        lazy = {name: Imposed(runtime, words.agreement) for name, runtime in lazy.items()}
    ours = {name: TernaryRuntime(runtime, "on_disagreement") for name, runtime in lazy.items()}
    wanted = obvious(network, cells.pixels, words.device)
    ways = {"obvious": lambda: obvious(network, cells.pixels, words.device)}
    ways |= {name: lambda runtime=runtime: runtime.predict(cells.pixels) for name, runtime in ours.items()}
    seconds = in_turns(ways, words.rounds)
    report = {"cells": cells.source, "batch_size": words.batch_size, "backbone": words.backbone, "ways": {}}
    imposed = "" if words.agreement is None else f" (imposed: {words.agreement:.0%})"
    print(f"{folder.name} on {words.device}, batch of {words.batch_size}, {cells.source}{imposed}\n")
    print(f"{'':<22}{'ms/batch':>10}{'times':>8}{'agree':>8}{'passes':>8}{'labels':>8}")
    for name, value in seconds.items():
        row = {"seconds": value, "ratio": seconds["obvious"] / value}
        if name in ours:
            votes = ours[name].predict(cells.pixels)
            agree = float((votes.votes[0] == votes.votes[1]).mean())
            same = float((votes.labels == wanted).mean())
            row |= {"agreement": agree, "passes": 3 - agree, "labels_equal": same}
        report["ways"][name] = row
        said = "".join(
            f"{row.get(key, float('nan')):>8.2f}" for key in ("ratio", "agreement", "passes", "labels_equal")
        )
        print(f"{name:<22}{1000 * value:>10.1f}{said}")
    if words.json:
        words.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
