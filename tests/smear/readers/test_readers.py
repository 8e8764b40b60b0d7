"""Every reader gives the pixels that were written, by region, with the scale and the ids of the file."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.data import UnreadableImage
from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear.readers import UnreadableRegion, open_slide, reader_of, readers, registry


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    smooth = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.array(Image.fromarray(smooth).resize((640, 480), Image.Resampling.BICUBIC))


def write_pyramid(path: Path, pixels: NDArray[np.uint8], *, mpp: float | None = 0.25) -> Path:
    """A tiled TIFF of two levels."""
    scale = {} if mpp is None else {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as writer:
        common = {"tile": (128, 128), "photometric": "rgb", "compression": "zlib", **scale}
        writer.write(pixels, subifds=1, **common)
        writer.write(pixels[::2, ::2], subfiletype=1, **common)
    return path


def test_a_plain_image_is_read_as_it_is(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(tmp_path / "field.png", dpi=(96, 96))
    slide = open_slide(tmp_path / "field.png")
    assert reader_of(tmp_path / "field.png").name == "images"
    assert (slide.width, slide.height, slide.microns_per_pixel) == (640, 480, None)
    assert (slide.read(100, 50, 60, 40) == pixels[50:90, 100:160]).all()


def test_the_scale_of_an_image_is_taken_only_if_a_microscope_can_have_it(
    tmp_path: Path, pixels: NDArray[np.uint8]
) -> None:
    for dpi, expected in ((25_400 / 0.25, 0.25), (72, None)):
        Image.fromarray(pixels).save(tmp_path / "field.tif", dpi=(dpi, dpi))
        assert open_slide(tmp_path / "field.tif").microns_per_pixel == (expected and pytest.approx(expected))


@pytest.mark.parametrize("name", ["slide.tif", "slide.svs"])
def test_a_tiled_tiff_is_read_by_region_with_its_scale(name: str, tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    slide = open_slide(write_pyramid(tmp_path / name, pixels))
    assert reader_of(tmp_path / name).name == "tiff"
    assert (slide.width, slide.height, slide.slide) == (640, 480, "slide")
    assert slide.microns_per_pixel == pytest.approx(0.25)
    assert (slide.read(100, 50, 300, 200) == pixels[50:250, 100:400]).all()
    slide.close()


def test_a_damaged_tile_is_a_reason_and_the_others_are_read(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    path = write_pyramid(tmp_path / "slide.tif", pixels)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        offset, size = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = b"\xff" * size
    path.write_bytes(content)
    slide = open_slide(path)
    with pytest.raises(UnreadableRegion, match="a tile cannot be decoded"):
        slide.read(0, 0, 100, 100)
    assert (slide.read(300, 200, 100, 100) == pixels[200:300, 300:400]).all()


def test_a_huge_ordinary_image_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lymphoscope.smear.readers.whole_images.MAX_PIXELS", 1000)
    Image.new("RGB", (100, 100)).save(tmp_path / "huge.png")
    with pytest.raises(UnreadableImage, match="save it as a tiled TIFF"):
        open_slide(tmp_path / "huge.png")


def test_a_slide_without_its_library_names_the_extra(
    tmp_path: Path, pixels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pyramid(tmp_path / "slide.svs", pixels)
    monkeypatch.setattr(registry, "installed", lambda name: name != "tiffslide")
    monkeypatch.setattr(registry, "readers", lambda: tuple(one for one in readers() if one.name != "images"))
    with pytest.raises(LymphoscopeError, match=r"need tiffslide, .* pip install 'lymphoscope\[slides\]'"):
        reader_of(tmp_path / "slide.svs")


@pytest.mark.parametrize("name", ["slide.svs", "slide.ndpi", "slide.dcm"])
def test_a_file_that_is_no_slide_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"not a slide" * 100)
    with pytest.raises(LymphoscopeError, match="cannot be read"):
        open_slide(tmp_path / name)


def test_openslide_reads_a_tiled_tiff_like_tiffslide(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    from lymphoscope.smear.readers.openslide_files import OpenSlideField

    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", compression="zlib")
    slide = OpenSlideField(path)
    assert (slide.width, slide.height) == (640, 480)
    assert (slide.read(100, 50, 300, 200) == pixels[50:250, 100:400]).all()


def test_every_reader_has_a_title_and_its_own_name() -> None:
    assert len({one.name for one in readers()}) == len(readers()) == 4
    assert all(one.title and one.suffixes for one in readers())
