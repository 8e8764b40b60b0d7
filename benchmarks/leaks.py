"""How many changed copies of real cells the leak guard finds, and how fast it compares cells.

Usage: python benchmarks/leaks.py ../shared/data [--every 10] [--out docs/results/leaks.md]
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.data import read_image
from lymphoscope.data.images import map_in_threads
from lymphoscope.data.similarity import hash_image, matching_cells, matching_cells_between

Pixels = NDArray[np.uint8]
Change = Callable[[Pixels], Pixels]


def saved_as_jpeg(image: Pixels, quality: int = 60) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def resized(image: Pixels, factor: float) -> Pixels:
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BILINEAR))


def shifted(image: Pixels, share: float) -> Pixels:
    """Down and to the right by a share of the sides; the edge is repeated."""
    height, width = image.shape[:2]
    dy, dx = round(share * height), round(share * width)
    return np.pad(image, ((dy, 0), (dx, 0), (0, 0)), mode="edge")[:height, :width]


COMMON: dict[str, Change] = {
    "rotated by 90 degrees": lambda image: np.rot90(image),
    "rotated by 180 degrees": lambda image: np.rot90(image, 2),
    "mirrored": lambda image: image[:, ::-1],
    "mirrored and rotated by 90 degrees": lambda image: np.rot90(image[:, ::-1]),
    "saved as JPEG, quality 60": saved_as_jpeg,
    "8 % brighter": lambda image: np.clip(image * 1.08, 0, 255).astype(np.uint8),
    "20 % darker": lambda image: (image * 0.8).astype(np.uint8),
    "resized to two thirds": lambda image: resized(image, 2 / 3),
    "rotated by 20 degrees": lambda image: np.asarray(Image.fromarray(image).rotate(20, Image.Resampling.BILINEAR)),
    "blurred (3 x 3 box)": lambda image: resized(resized(image, 0.34), 1 / 0.34),
}
ON_BLACK: dict[str, Change] = {
    "cut to the central 300 pixels": lambda image: image[75:375, 75:375],
    "black frame cut by 25 pixels": lambda image: image[25:-25, 25:-25],
    "shifted by 30 pixels": lambda image: np.roll(image, (30, -20), (0, 1)),
    "cut to 300, mirrored and saved as JPEG": lambda image: saved_as_jpeg(image[75:375, 75:375][:, ::-1]),
    "half of the cell cut off": lambda image: image[:, 225:],
}
IN_SMEAR: dict[str, Change] = {
    "shifted by 6 pixels": lambda image: np.roll(image, (6, 6), (0, 1)),
    "shifted by an eighth, diagonally": lambda image: shifted(image, 1 / 8),
    "shifted by a quarter, diagonally": lambda image: shifted(image, 1 / 4),
    "shifted by a third, diagonally": lambda image: shifted(image, 1 / 3),
    "shifted by an eighth, rotated and saved as JPEG": lambda image: saved_as_jpeg(np.rot90(shifted(image, 1 / 8))),
    "cut to the middle three quarters": lambda image: image[45:-45, 45:-45],
}


def hash_all(images: list[Pixels]) -> pd.DataFrame:
    return pd.DataFrame([hash_image(np.ascontiguousarray(image)) for image in images])


def found(name: str, images: list[Pixels], changes: dict[str, Change]) -> list[str]:
    originals = hash_all(images)
    rows = []
    for title, change in changes.items():
        matches = matching_cells_between(hash_all([change(image) for image in images]), originals)
        own = sum(match.row == match.other for match in matches)
        rows.append(f"| {name} | {title} | {own} of {len(images)} |")
    return rows


def all_pairs(paths: list[Path]) -> list[str]:
    start = time.perf_counter()
    table = pd.DataFrame(map_in_threads(lambda path: hash_image(read_image(path)), list(map(str, paths)), "hashing"))
    hashed = time.perf_counter() - start
    start = time.perf_counter()
    matches = matching_cells(table)
    seconds = time.perf_counter() - start
    names = "; ".join(f"{paths[match.row].stem} and {paths[match.other].stem}" for match in matches)
    return [
        f"{len(paths)} images: {1000 * hashed / len(paths):.0f} ms per image to read and hash, {seconds:.1f} s to "
        f"compare all {len(paths) * (len(paths) - 1) // 2} pairs; {len(matches)} pairs match: {names}."
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=10, help="Use every N-th cell for the changes.")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    on_black = sorted((arguments.data / "cnmc").rglob("*.png"))
    in_smear = sorted((arguments.data / "pbc").glob("*/*.jpg"))
    lines = ["| cells | change | found |", "|---|---|---|"]
    lines += found(
        "on black", [read_image(path) for path in on_black[:: max(arguments.every // 5, 1)]], ON_BLACK | COMMON
    )
    lines += found("in a smear", [read_image(path) for path in in_smear[:: arguments.every]], IN_SMEAR | COMMON)
    lines += ["", *all_pairs(on_black + in_smear)]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
