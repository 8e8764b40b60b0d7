"""Files that are built to take long cost a bounded time: each is read, or refused with the reason."""

import io
import struct
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.data import images
from lymphoscope.data.decoding import MAX_FILE_BYTES, MAX_TILES, DecodingTimeError, TimedFile, tiles_fault
from lymphoscope.data.images import UnreadableImage, read_image

NOISE = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)


def png_of_chunks(count: int) -> bytes:
    """Return a PNG of 64 x 64 pixels with so many empty chunks, each of which a parser must look at."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(64 * 193)))
    return head + chunk(b"ruBB", b"") * count + pixels + chunk(b"IEND", b"")


def bmp_of_runs(side: int) -> bytes:
    """Return a BMP whose runs have one pixel each: Pillow decodes runs in Python."""
    data = (b"\x01\x05" * side + b"\0\0") * side + b"\0\1"
    start = 14 + 40 + 1024
    head = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start)
    return head + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 1, 1, 256, 0) + bytes(1024) + data


def tiff_of_tiles(side: int, tile: int, *, big: bool = False, order: str = "<") -> bytes:
    """Return an uncompressed grey TIFF or BigTIFF, all of whose tiles are at one place of the file."""
    count, word = (side // tile) ** 2, "Q" if big else "I"
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (277, 1), (322, tile), (323, tile)]
    width = struct.calcsize(word)
    start = 16 if big else 8
    table = start + (8 if big else 2) + (20 if big else 12) * (len(tags) + 2) + width
    entries = [(tag, 4, 1, value) for tag, value in tags]
    entries += [(324, 16 if big else 4, count, table), (325, 16 if big else 4, count, table + width * count)]
    head = b"II" if order == "<" else b"MM"
    head += struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HI", 42, 8)
    head += struct.pack(f"{order}Q" if big else f"{order}H", len(entries))
    for tag, kind, values, value in entries:
        fits = struct.pack(f"{order}I", value) + bytes(width - 4) if kind == 4 and values == 1 else b""
        head += struct.pack(f"{order}HH{word}", tag, kind, values) + (fits or struct.pack(f"{order}{word}", value))
    pixels = table + 2 * width * count
    sizes = struct.pack(f"{order}{word}", pixels) * count + struct.pack(f"{order}{word}", tile * tile) * count
    return head + bytes(width) + sizes + bytes(tile * tile)


def spent(function: Callable[[], object]) -> float:
    """Return the processor time of this thread."""
    start = time.thread_time()
    function()
    return time.thread_time() - start


def test_a_file_can_be_read_until_its_processor_time_is_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    with TimedFile(tmp_path / "file", seconds=0.05) as stream:
        assert stream.read(10) == bytes(10)
        time.sleep(0.06)  # which uses no processor time
        assert len(stream.read()) == 90
        while time.thread_time() < stream._end:
            pass
        for call in (stream.read, partial(stream.seek, 0)):
            with pytest.raises(DecodingTimeError):
                call()


@pytest.mark.parametrize(
    ("name", "content"),
    [("chunks.png", lambda: png_of_chunks(400_000)), ("runs.bmp", lambda: bmp_of_runs(2000))],
)
def test_a_file_that_takes_too_long_is_stopped_while_it_is_decoded(
    name: str, content: Callable[[], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(content())
    monkeypatch.setattr(images, "TimedFile", partial(TimedFile, seconds=0.2))

    def refused() -> None:
        with pytest.raises(UnreadableImage, match="takes more than 30 seconds to decode: save it again"):
            read_image(tmp_path / name)

    assert spent(refused) < 0.6  # without the limit, 1.5 s and more


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "ppm", "tif", "j2k", "webp", "avif"])
def test_every_format_stops_with_the_reason_where_the_time_is_over(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"cell.{suffix}"
    Image.fromarray(NOISE).save(path)
    assert read_image(path).shape == NOISE.shape
    monkeypatch.setattr(images, "TimedFile", partial(TimedFile, seconds=0.0))
    with pytest.raises(UnreadableImage, match="takes more than 30 seconds"):
        read_image(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_a_million_tiles_is_refused_before_it_is_opened(big: bool, order: str, tmp_path: Path) -> None:
    path = tmp_path / "tiles.tif"
    path.write_bytes(tiff_of_tiles(1024, 1, big=big, order=order))

    def refused() -> None:
        with pytest.raises(UnreadableImage, match=f"1048576 tiles in a TIFF file, at most {MAX_TILES} are read"):
            read_image(path)

    assert spent(refused) < 0.1
    path.write_bytes(tiff_of_tiles(64, 16, big=big, order=order))
    if not (big and order == ">"):  # which Pillow cannot read
        assert read_image(path).shape == (64, 64, 3)


def test_files_that_are_no_tiff_and_cut_ones_have_no_fault_of_tiles(tmp_path: Path) -> None:
    whole = tiff_of_tiles(64, 16)
    for content in (b"", b"II", b"MM\0", b"II*\0\xff\xff\xff\xff", b"II+\0", whole[:40], b"\x89PNG"):
        (tmp_path / "file").write_bytes(content)
        with TimedFile(tmp_path / "file") as stream:
            assert tiles_fault(stream) is None
            assert stream.tell() == 0


def test_a_file_of_more_than_a_gigabyte_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "cell.png").open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(UnreadableImage, match=f"{MAX_FILE_BYTES + 1} bytes, at most {MAX_FILE_BYTES} are read"):
        read_image(tmp_path / "cell.png")


def test_pages_beyond_the_sixteenth_are_not_counted(tmp_path: Path) -> None:
    stream = io.BytesIO()
    page = Image.fromarray(NOISE[:16, :16, 0])
    page.save(stream, "TIFF", save_all=True, append_images=[page] * 20)
    (tmp_path / "stack.tif").write_bytes(stream.getvalue())
    with pytest.raises(UnreadableImage, match="TIFF with 16 pages or more of one size"):
        read_image(tmp_path / "stack.tif")
