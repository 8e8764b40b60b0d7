"""A folder of PNG cells to a file of predictions: `python benchmarks/end_to_end.py --work DIR --data CELLS`.

Against the same runtime on tensors that are in memory already, in the same turns; and one cell, from file to row, in a
warm process against the obvious way.
"""

import json

from models import cells_of, common_words, model_of, obvious, opened
from timing import in_turns

from lymphoscope.data import Fit, fit_image, read_image
from lymphoscope.data.sources.walk import walk_files
from lymphoscope.inference import Model, find_cells, predict_cells
from lymphoscope.inference.ternary import TernaryRuntime
from lymphoscope.model_file import load_network


def main() -> None:
    parser = common_words(__doc__)
    parser.add_argument("--way", default="openvino-int8", help="RUNTIME-PRECISION")
    parser.add_argument("--cells", type=int, default=128)
    parser.add_argument("--workers", type=int)
    words = parser.parse_args()
    if words.data is None:
        parser.error("--data: a folder of cells to read")
    folder = model_of(words)
    cells = cells_of(words.data, words.size, words.cells)
    runtime = TernaryRuntime(opened(folder, *words.way.split("-"), cells), "on_disagreement")
    paths = [str(path) for path in walk_files(words.data)][: words.cells]
    found, out, step = find_cells(paths), words.work / "predictions.csv", words.batch_size
    pixels = [cells.pixels[start : start + step] for start in range(0, len(paths), step)]
    ways = {
        "tensors in memory": lambda: list(runtime.predict_batches(iter(pixels))),
        "folder to file": lambda: predict_cells(
            Model(runtime), found, out, batch_size=step, workers=words.workers, resume=False
        ),
    }
    seconds = in_turns(ways, words.rounds)
    network, _ = load_network(folder)
    fit, model = Fit("center_crop", 300, words.size), Model(runtime)
    one = {
        "one cell, the obvious way": lambda: obvious(network, fit_image(read_image(paths[0]), fit)[None]),
        "one cell, file to row": lambda: model.predict(paths[0]),
        "one cell, tensor to vote": lambda: runtime.predict(cells.pixels[:1]),
    }
    seconds |= in_turns(one, 4 * words.rounds)
    for name, value in seconds.items():
        print(f"{name:<32}{1000 * value:>10.1f} ms")
    share = seconds["tensors in memory"] / seconds["folder to file"]
    times = seconds["one cell, the obvious way"] / seconds["one cell, file to row"]
    print(f"end to end against tensors: {share:.2f}\none cell against the obvious way: {times:.1f}x")
    if words.json:
        words.json.write_text(json.dumps(seconds, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
