"""Make image files that are built to take long, and print what reading each costs.

`python benchmarks/hostile_images.py`

Every file is within the documented limits of pixels, bytes, scans and tiles, or beyond one of them on purpose. With the
default side the files have up to 64 megapixels and 430 MB, and lie in a temporary folder one at a time.
"""

import argparse
import io
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lymphoscope.data.decoding import MAX_SCANS
from lymphoscope.data.images import UnreadableImage, read_image

Image.MAX_IMAGE_PIXELS = None
GENERATOR = np.random.default_rng(0)


def noise(side: int) -> Image.Image:
    """Return noise of 500 x 500 pixels, repeated."""
    tile = GENERATOR.integers(0, 256, (500, 500, 3), dtype=np.uint8)
    times = -(-side // 500)
    return Image.fromarray(np.tile(tile, (times, times, 1))[:side, :side])


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Return an image as a file."""
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def jpeg_of_scans(side: int) -> bytes:
    """Return a progressive JPEG with as many scans as are read; the largest one is repeated."""
    content = saved(noise(side), "JPEG", progressive=True, quality=90)
    starts, at = [], content.find(b"\xff\xda")
    while at >= 0:
        starts.append(at)
        at = content.find(b"\xff\xda", at + 2)
    scans = [content[a:b] for a, b in zip(starts, [*starts[1:], len(content) - 2], strict=True)]
    # The first pass of coefficients above the mean: a spectral start above 0, and no bits from an earlier pass.
    first = [index for index, one in enumerate(scans) if one[5 + 2 * one[4]] > 0 and one[7 + 2 * one[4]] < 16]
    largest = max(first, key=lambda index: len(scans[index]))
    table = content[content.rfind(b"\xff\xc4", 0, starts[largest]) : starts[largest]]
    end = scans[largest].rfind(b"\xff\xc4")
    return content[:-2] + (table + scans[largest][: end if end > 0 else None]) * (MAX_SCANS - len(scans)) + content[-2:]


def png(side: int, *, chunks: int = 0, interlaced: bool = False) -> bytes:
    """Return a black PNG, with so many empty chunks in front of its pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, int(interlaced)))
    pixels = chunk(b"IDAT", zlib.compress(bytes(side * side * 3 + 20 * side), 9))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"ruBB", b"") * chunks + pixels + chunk(b"IEND", b"")


def bmp_of_runs(side: int) -> bytes:
    """Return a BMP whose runs have one pixel each."""
    data = (b"\x01\x05" * side + b"\0\0") * side + b"\0\1"
    start = 14 + 40 + 1024
    head = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start)
    return head + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 1, 1, 256, 0) + bytes(1024) + data


def tiff_of_tiles(side: int, tile: int) -> bytes:
    """Return an uncompressed grey TIFF whose tiles are all at one place of the file."""
    count = (side // tile) ** 2
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (277, 1), (322, tile), (323, tile)]
    table = 8 + 2 + 12 * (len(tags) + 2) + 4
    entries = [(tag, 4, 1, value) for tag, value in tags] + [(324, 4, count, table), (325, 4, count, table + 4 * count)]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    places = struct.pack("<I", table + 8 * count) * count
    return head + bytes(4) + places + struct.pack("<I", tile * tile) * count + bytes(tile * tile)


def files(side: int) -> dict[str, Callable[[], bytes]]:
    """Return what makes each file."""
    slow = min(side, 3464)  # 12 megapixels
    frames = [noise(side // 8)] * 60
    return {
        "noise.png": lambda: saved(noise(side), "PNG", compress_level=1),
        "interlaced.png": lambda: png(side, interlaced=True),
        "three million chunks.png": lambda: png(64, chunks=3_000_000),
        "twenty million chunks.png": lambda: png(64, chunks=20_000_000),
        "noise.jpg": lambda: saved(noise(side), "JPEG", quality=95),
        f"{MAX_SCANS} scans.jpg": lambda: jpeg_of_scans(side),
        "lzw.tif": lambda: saved(noise(side), "TIFF", compression="tiff_lzw"),
        "deflated zeros.tif": lambda: saved(Image.new("RGB", (side, side)), "TIFF", compression="tiff_adobe_deflate"),
        "lzma zeros.tif": lambda: saved(Image.new("RGB", (side, side)), "TIFF", compression="lzma"),
        "160,000 tiles.tif": lambda: tiff_of_tiles(400, 1),
        "4,000,000 tiles.tif": lambda: tiff_of_tiles(2000, 1),
        "runs of one pixel.bmp": lambda: bmp_of_runs(side),
        "numbers.ppm": lambda: b"P3\n%d %d\n255\n" % (side, side) + b"9 " * (side * side * 3),
        "noise.gif": lambda: saved(noise(side).quantize(256), "GIF"),
        "lossless.webp": lambda: saved(noise(side), "WEBP", lossless=True, quality=0, method=0),
        "60 frames.webp": lambda: saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], method=0),
        "noise.avif": lambda: saved(noise(side), "AVIF", speed=10, quality=90),
        "noise.jp2": lambda: saved(noise(slow), "JPEG2000"),
        "small blocks.jp2": lambda: saved(noise(slow), "JPEG2000", codeblock_size=(4, 4), num_resolutions=1),
    }


def main() -> None:
    """Print one row per file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=8000, help="pixels of a side")
    parser.add_argument("--only", nargs="+", help="names of files")
    options = parser.parse_args()
    print("| file | MB | processor seconds | answer |\n|---|---:|---:|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in files(options.side).items():
            if options.only is None or name in options.only:
                path = Path(folder) / name
                path.write_bytes(make())
                print(_row(path), flush=True)
                path.unlink()


def _row(path: Path) -> str:
    start = time.process_time()  # AVIF is decoded in threads of its own
    try:
        height, width = read_image(path).shape[:2]
        answer = f"{width} x {height}"
    except UnreadableImage as error:
        answer = error.reason
    seconds = time.process_time() - start
    return f"| {path.name} | {path.stat().st_size / 1e6:.1f} | {seconds:.1f} | {answer} |"


if __name__ == "__main__":
    main()
