"""Crop and erase of a batch (all of Eq. 2-4): `python benchmarks/crop_erase.py --work DIR`.

In bytes and floats in NumPy, in torch for the whole batch, and in torch image by image as in the baseline. Compared
with one pass of the given runtimes, timed in turns.
"""

import numpy as np
import torch
from models import baseline_crop_erase, common_parser, load_cells, open_or_export, prepared_model
from timing import interleaved, write

from lymphoscope.inference.backends import open_network


def main() -> None:
    parser = common_parser(__doc__)
    parser.add_argument("--passes", nargs="*", default=["openvino-float32", "openvino-int8"])
    options = parser.parse_args()
    folder, description = prepared_model(options)
    cells = load_cells(options.data, description.preprocessing, options.batch_size)
    networks = {name: open_or_export(folder, *name.split("-"), cells) for name in options.passes}
    reference = open_network(folder, runtime="torch", device="cpu")
    rows, columns = np.mgrid[:10, :10]
    places = np.random.default_rng(0).uniform(3, 7, (options.batch_size, 2))
    guide_maps = np.stack([np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 8) for r, c in places]).astype(np.float32)
    ways = {}
    for name, network in {**networks, "torch": reference}.items():
        images = network.images(cells.pixels)
        if name in networks:  # first, as it comes in a prediction
            ways[f"one pass of {name}"] = lambda n=network, i=images: n.forward_with_features(i)
        ways[f"crop and erase for {name}"] = lambda n=network, i=images: (n.crop(i, guide_maps), n.erase(i, guide_maps))
        ways[f"crop alone for {name}"] = lambda n=network, i=images: n.crop(i, guide_maps)
    tensors = reference.images(cells.pixels)
    ways["the loop"] = lambda: baseline_crop_erase(tensors, torch.from_numpy(guide_maps))
    seconds = interleaved(ways, options.rounds)
    for name, value in seconds.items():
        print(f"{name:<44}{1000 * value:>10.1f} ms")
    shares = {
        f"{what} / one pass of {name}": seconds[f"{what} for {name}"] / seconds[f"one pass of {name}"]
        for name in networks
        for what in ("crop and erase", "crop alone")
    }
    shares |= {
        f"the loop / crop and erase for {name}": seconds["the loop"] / seconds[f"crop and erase for {name}"]
        for name in networks
    }
    for name, share in shares.items():
        print(f"{name}: {share:.3f}")
    answer = {"batch_size": options.batch_size, "rounds": options.rounds, "seconds": seconds, "ratios": shares}
    write(options.json, answer)


if __name__ == "__main__":
    main()
