"""Limits of decoding: memory over all threads, scans of a JPEG file, pages of a TIFF file."""

import io
import resource
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.data.decoding import MAX_SCANS, PixelBudget
from lymphoscope.data.images import BYTES_PER_PIXEL, MAX_PIXELS, MAX_SLOW_PIXELS, UnreadableImage, read_image

GREY = np.random.default_rng(0).integers(0, 256, (40, 48), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (40, 48, 3), dtype=np.uint8)


def pages(*images: np.ndarray, path: Path) -> Path:
    first, *others = [Image.fromarray(image) for image in images]
    first.save(path, save_all=True, append_images=others)
    return path


def test_no_more_than_the_budget_is_in_use_at_a_time() -> None:
    budget, lock, in_use, highest = PixelBudget(10), threading.Lock(), 0, 0

    def work(pixels: int) -> None:
        nonlocal in_use, highest
        with budget.reserved(pixels):
            with lock:
                in_use += pixels
                highest = max(highest, in_use)
            time.sleep(0.001)
            with lock:
                in_use -= pixels

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [1, 4, 7, 3, 10, 2] * 20))
    assert (in_use, highest <= 10) == (0, True)


def test_an_image_above_the_budget_is_decoded_alone_and_a_failed_one_frees_its_share() -> None:
    budget = PixelBudget(10)
    with budget.reserved(99):
        pass
    with pytest.raises(ValueError, match="damaged"), budget.reserved(10):
        raise ValueError("damaged")
    with budget.reserved(10):
        pass


MEASURE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from lymphoscope.data import CellPreparation, Geometry
from lymphoscope.inference import read_cell

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

read_cell(sys.argv[1], CellPreparation(Geometry("resize", size=32)))
before = peak()
with ThreadPoolExecutor(6) as pool:
    cells = list(pool.map(lambda p: read_cell(p, CellPreparation(Geometry("resize", size=32))), sys.argv[2:]))
assert all(cell.error is None for cell in cells), cells
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")
def test_six_readers_of_large_images_stay_within_the_stated_bound(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "small.png")
    for number in range(6):  # 240 megapixels together, which would take 3 GB and more
        Image.new("RGB", (8000, 5000), (number, 0, 0)).save(tmp_path / f"{number}.jpg")
    files = [str(tmp_path / "small.png"), *(str(tmp_path / f"{number}.jpg") for number in range(6))]
    done = subprocess.run([sys.executable, "-c", MEASURE, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < BYTES_PER_PIXEL * MAX_PIXELS


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_an_image_that_does_not_fit_in_memory_is_a_fault_of_its_file(tmp_path: Path) -> None:
    Image.new("L", (7900, 7900)).save(tmp_path / "large.png")
    code = (
        "import sys; from lymphoscope.data import CellPreparation, Geometry; from lymphoscope.inference import "
        "read_cell; p = CellPreparation(Geometry('resize', size=32)); read_cell(sys.argv[2], p); import resource; "
        "from pathlib import Path; used = int(Path('/proc/self/statm').read_text().split()[0]) * 4096; "
        "resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000,) * 2); print(read_cell(sys.argv[1], p).error)"
    )
    Image.new("L", (40, 40)).save(tmp_path / "small.png")
    files = [str(tmp_path / "large.png"), str(tmp_path / "small.png")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True)
    assert done.stdout == "does not fit in memory\n", done.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] < 0  # of this process: unchanged


def test_a_jpeg_with_hundreds_of_scans_is_refused_and_a_progressive_one_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(COLOUR).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    (tmp_path / "usual.jpg").write_bytes(content)
    assert read_image(tmp_path / "usual.jpg").shape == COLOUR.shape
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0)
    (tmp_path / "many.jpg").write_bytes(content[:-2] + scan * 200 + content[-2:])
    with pytest.raises(UnreadableImage, match=f"2.. scans in a JPEG file, at most {MAX_SCANS} are read"):
        read_image(tmp_path / "many.jpg")


def test_pages_of_one_size_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"TIFF with 5 pages of one size \(a z-stack or a series\)"):
        read_image(pages(*[GREY] * 5, path=tmp_path / "stack.tif"))
    with pytest.raises(UnreadableImage, match="3 pages of grey, probably R, G and B"):
        read_image(pages(*[GREY] * 3, path=tmp_path / "planes.tif"))
    with pytest.raises(UnreadableImage, match="2 pages of one size"):
        read_image(pages(COLOUR, COLOUR, path=tmp_path / "two.tif"))


def test_the_first_level_of_a_pyramid_is_read(tmp_path: Path) -> None:
    path = pages(COLOUR, COLOUR[::2, ::2], COLOUR[::4, ::4], path=tmp_path / "pyramid.tif")
    np.testing.assert_array_equal(read_image(path), COLOUR)


def test_jpeg_2000_of_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    # A file whose header promises 4000 x 4000 pixels: the size is read, the pixels are not.
    Image.new("L", (64, 64)).save(tmp_path / "cell.j2k")
    content = bytearray((tmp_path / "cell.j2k").read_bytes())
    assert read_image(tmp_path / "cell.j2k").shape == (64, 64, 3)
    at = content.index(b"\xff\x51") + 6  # Xsiz and Ysiz in the marker SIZ
    content[at : at + 8] = struct.pack(">II", 4000, 4000)
    (tmp_path / "large.j2k").write_bytes(content)
    with pytest.raises(UnreadableImage, match=f"4000x4000: more than {MAX_SLOW_PIXELS} pixels of JPEG 2000, .* as PNG"):
        read_image(tmp_path / "large.j2k")
