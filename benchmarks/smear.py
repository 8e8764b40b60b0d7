"""Speed and memory of `lymphoscope smear`: `python benchmarks/smear.py`.

Printed are seconds per field by stage for fields of 640x480 and 1440x900 pixels, and for synthetic pyramidal slides of
two sizes the megapixels per second and the peak memory. Each run is a process of its own. The slides repeat a few tiles
of a drawn smear, so that 100,000 x 80,000 pixels are a file of some megabytes; a tenth of the slide, in one piece in
the middle, has cells, and the rest is glass. Seconds of the processor do not depend on what else the machine does.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from timing import write

from lymphoscope.inference import load
from lymphoscope.smear import RunOptions, find_fields, load_detector, run_smear
from lymphoscope.synthetic import SmearSettings, draw_smear_field

TILE = 512
MPP = 0.25
SMEARED = 0.1
"""Share of a slide that has cells."""


def main() -> None:
    options = _options()
    if options.run is not None:
        print(json.dumps(_measure(options.run, options)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = []
        for size in ((640, 480), (1440, 900)):
            results.append(_shown(_field_run(folder, size, options)))
        for width, height in options.slides:
            results.append(_shown(_slide_run(folder, width, height, options)))
    if options.json:
        write(options.json, {"results": results})


def _shown(result: dict[str, object]) -> dict[str, object]:
    print(json.dumps(result), flush=True)
    return result


def _options() -> argparse.Namespace:
    def size(text: str) -> tuple[int, int]:
        width, height = text.split("x")
        return int(width), int(height)

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--slides", type=size, nargs="*", default=[(20_000, 16_000), (100_000, 80_000)])
    parser.add_argument("--fields", type=int, default=8, help="fields of each size")
    parser.add_argument("--model", default="blast")
    parser.add_argument("--detector", default=None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--mpp", type=float, default=MPP, help=argparse.SUPPRESS)
    return parser.parse_args()


def _field_run(folder: Path, size: tuple[int, int], options: argparse.Namespace) -> dict[str, object]:
    width, height = size
    fields = folder / f"{width}x{height}"
    fields.mkdir()
    settings = SmearSettings(width=width, height=height, white_cells=3, touching_pairs=0, cut_cells=0)
    for number in range(options.fields):
        Image.fromarray(draw_smear_field(settings, number).pixels).save(fields / f"{number:03d}.png")
    measured = _in_process(fields, options, settings.microns_per_pixel)
    stages = {stage: round(spent / options.fields, 3) for stage, spent in measured["seconds_by_stage"].items()}
    return {
        "fields": f"{width}x{height}",
        "cells per field": round(measured["cells"] / options.fields, 1),
        "seconds per field": round(measured["seconds"] / options.fields, 3),
        "by stage": stages,
    }


def _slide_run(folder: Path, width: int, height: int, options: argparse.Namespace) -> dict[str, object]:
    path = folder / f"{width}x{height}.tif"
    drawn = write_slide(path, width, height)
    measured = _in_process(path, options, MPP)
    megapixels = width * height / 1e6
    return {
        "slide": f"{width}x{height}",
        "file MB": round(path.stat().st_size / 1e6, 1),
        "tiles": measured["tiles"],
        "tiles set aside as empty": measured["empty"],
        "cells drawn": drawn,
        "cells": measured["cells"],
        "megapixels per second": round(megapixels / measured["seconds"], 2),
        "seconds": round(measured["seconds"], 1),
        "seconds of the processor": round(measured["processor"], 1),
        "peak memory MB": measured["peak_mb"],
        "by stage": {stage: round(spent, 1) for stage, spent in measured["seconds_by_stage"].items()},
    }


def _in_process(fields: Path, options: argparse.Namespace, mpp: float) -> dict[str, object]:
    command = [sys.executable, __file__, "--run", str(fields), "--model", options.model, "--mpp", str(mpp)]
    if options.detector:
        command += ["--detector", options.detector]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this script
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def _measure(fields: Path, options: argparse.Namespace) -> dict[str, object]:
    model, detector = load(options.model, threads=2), load_detector(options.detector)
    with tempfile.TemporaryDirectory() as out:
        start, begun = time.perf_counter(), time.process_time()
        how = RunOptions(microns_per_pixel=options.mpp, workers=2)
        result = run_smear(model, detector, find_fields([fields]), Path(out) / "results", how)
        seconds, processor = time.perf_counter() - start, time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    tiles = result.record.tiles
    return {
        "seconds": seconds,
        "processor": processor,
        "peak_mb": peak,
        "tiles": len(tiles),
        "empty": sum("empty" in tile.flags for tile in tiles),
        "cells": result.record.cells,
        "seconds_by_stage": result.seconds,
    }


def write_slide(path: Path, width: int, height: int) -> int:
    """Write a tiled, pyramidal TIFF whose tiles repeat a few: their entries point at the same bytes.

    Returns the number of white cells on it.
    """
    settings = SmearSettings(
        width=TILE, height=TILE, microns_per_pixel=MPP, white_cells=2, touching_pairs=0, cut_cells=0
    )
    fields = [draw_smear_field(settings, number) for number in range(4)]
    smear = [field.pixels for field in fields]
    glass = np.full((TILE, TILE, 3), np.percentile(smear[0].reshape(-1, 3), 95, axis=0), dtype=np.uint8)
    bank = [glass, *smear]
    columns, rows = -(-width // TILE), -(-height // TILE)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        common = {"tile": (TILE, TILE), "photometric": "rgb", "compression": "jpeg", "dtype": np.uint8}
        scale = {"resolution": (1e4 / MPP, 1e4 / MPP), "resolutionunit": "CENTIMETER"}
        writer.write(_tiles(bank, rows * columns), shape=(height, width, 3), subifds=1, **common, **scale)
        small = (-(-height // 4), -(-width // 4))
        count = -(-small[0] // TILE) * -(-small[1] // TILE)
        writer.write(_tiles([glass], count), shape=(*small, 3), subfiletype=1, **common)
    with tifffile.TiffFile(path, mode="r+b") as file:
        numbers = np.arange(rows * columns)
        across, down = (numbers % columns + 0.5) / columns, (numbers // columns + 0.5) / rows
        is_smeared = np.maximum(abs(across - 0.5), abs(down - 0.5)) < SMEARED**0.5 / 2
        which = np.where(is_smeared, 1 + numbers % len(smear), 0)
        _repeat(file.pages[0], which)
        _repeat(file.pages[0].pages[0], np.zeros(count, dtype=int))
    cells = np.array([0, *(len(field.cells) for field in fields)])
    return int(cells[which].sum())


def _tiles(bank: "list[np.ndarray]", count: int) -> "object":
    return (bank[number] if number < len(bank) else None for number in range(count))


def _repeat(page: "tifffile.TiffPage", which: "np.ndarray") -> None:
    """Let each tile point at the bytes of one of the first tiles."""
    for name in ("TileOffsets", "TileByteCounts"):
        tag = page.tags[name]
        tag.overwrite([tag.value[number] for number in which.tolist()])


if __name__ == "__main__":
    main()
