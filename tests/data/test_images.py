import errno
import io
import os
import pickle
import struct
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from lymphoscope.data import images
from lymphoscope.data.images import MAX_PIXELS, UnreadableImage, has_few_bits, read_image

GREY = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)
COLOUR = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
GREY_16 = np.random.default_rng(1).integers(0, 65536, (24, 32), dtype=np.uint16)


def as_bytes(image: Image.Image, format_: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises that many 8-bit RGB pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def rgba() -> Image.Image:
    alpha = np.where(np.arange(32) < 16, 255, 51).astype(np.uint8)
    return Image.fromarray(np.dstack([COLOUR, np.tile(alpha, (24, 1))]))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "ppm"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cell.{suffix}"
    Image.fromarray(COLOUR).save(path, **({"lossless": True} if suffix == "webp" else {}))
    pixels = read_image(path)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    np.testing.assert_array_equal(pixels, COLOUR)


def test_format_is_recognised_by_content_and_not_by_suffix(tmp_path: Path) -> None:
    path = tmp_path / "cell.bmp"
    path.write_bytes(as_bytes(Image.fromarray(COLOUR), "PNG"))
    np.testing.assert_array_equal(read_image(str(path)), COLOUR)


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(GREY).save(path)
    np.testing.assert_array_equal(read_image(path), np.dstack([GREY] * 3))


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_16_bit_grey_is_divided_by_257(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(GREY_16).save(path)
    np.testing.assert_array_equal(read_image(path), np.dstack([np.rint(GREY_16 / 257).astype(np.uint8)] * 3))


def test_16_bit_is_recognised_by_mode_and_not_by_range(tmp_path: Path) -> None:
    path = tmp_path / "dark.tif"
    Image.fromarray(GREY.astype(np.uint16)).save(path)
    assert read_image(path).max() == 1


def test_big_endian_16_bit_is_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    image = Image.frombytes("I;16B", (32, 24), GREY_16.astype(">u2").tobytes())
    image.save(path)
    np.testing.assert_array_equal(read_image(path)[..., 0], np.rint(GREY_16 / 257))


def test_cmyk_jpeg_has_the_right_colours(tmp_path: Path) -> None:
    path = tmp_path / "cmyk.jpg"
    red, blue = Image.new("RGB", (32, 24), (220, 30, 40)), Image.new("RGB", (32, 24), (30, 40, 220))
    for image, strongest in ((red, 0), (blue, 2)):
        image.convert("CMYK").save(path, quality=95)
        assert read_image(path).mean(axis=(0, 1)).argmax() == strongest
        np.testing.assert_allclose(read_image(path).mean(axis=(0, 1)), np.asarray(image)[0, 0], atol=6)


def test_transparency_is_laid_over_black(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    rgba().save(path)
    expected = COLOUR * np.where(np.arange(32) < 16, 1.0, 51 / 255)[None, :, None]
    np.testing.assert_allclose(read_image(path), expected, atol=1)


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_transparent_palette_colour_becomes_black(tmp_path: Path, transparency: int | bytes) -> None:
    path = tmp_path / "palette.png"
    picture = Image.fromarray((np.arange(24 * 32).reshape(24, 32) % 2).astype(np.uint8), "P")
    picture.putpalette([200, 100, 50, 10, 20, 30])
    picture.save(path, transparency=transparency)
    assert read_image(path)[0, :2].tolist() == [[0, 0, 0], [10, 20, 30]]


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "text.png": (lambda: b"these are words, not a picture\n", "not an image"),
    "empty.png": (lambda: b"", "empty file"),
    "cut.bmp": (lambda: as_bytes(Image.fromarray(COLOUR), "BMP")[:-500], "truncated"),
    "cut.png": (lambda: as_bytes(Image.fromarray(COLOUR), "PNG")[:1200], "truncated"),
    "cut.jpg": (lambda: as_bytes(Image.fromarray(COLOUR), "JPEG")[:-200], "truncated"),
    "cut.tif": (lambda: as_bytes(Image.fromarray(COLOUR), "TIFF")[:400], "truncated"),
    "one.png": (lambda: as_bytes(Image.new("RGB", (1, 1)), "PNG"), "1x1: smaller than 16 pixels"),
    "thin.png": (lambda: as_bytes(Image.new("RGB", (15, 99)), "PNG"), "15x99: smaller than 16 pixels"),
    "float.tif": (lambda: as_bytes(Image.fromarray(COLOUR[..., 0] / np.float32(255)), "TIFF"), "32-bit"),
    "int.tif": (lambda: as_bytes(Image.fromarray(GREY.astype(np.int32)), "TIFF"), "32-bit"),
    "program.eps": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\nshowpage\n", "not an image"),
    # Below and above the two limits of Pillow's own, and with a warning of Pillow's between them.
    "bomb-64.png": (lambda: png_that_claims(8001, 8001), "8001x8001: .* decompression bomb"),
    "bomb-100.png": (lambda: png_that_claims(10_000, 10_000), "decompression bomb"),
    "bomb-900.png": (lambda: png_that_claims(30_000, 30_000), "decompression bomb"),
    "lies.png": (lambda: png_that_claims(7000, 7000), "truncated"),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_file_is_explained_in_one_line(tmp_path: Path, name: str) -> None:
    content, reason = BAD[name]
    path = tmp_path / name
    path.write_bytes(content())
    with pytest.raises(UnreadableImage, match=reason) as caught:
        read_image(path)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert "\n" not in str(caught.value)


def test_decompression_bomb_is_refused_if_warnings_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(10_000, 10_000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnreadableImage, match=r"10000x10000: .* decompression bomb"):
            read_image(path)


def test_missing_file_folder_and_invalid_name_are_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.png", "No such file"), (tmp_path, "not a file"), ("a\0b.png", "null byte")):
        with pytest.raises(UnreadableImage, match=reason):
            read_image(path)


def test_pixel_limit_is_an_argument_and_changes_no_global(tmp_path: Path) -> None:
    path = tmp_path / "cell.png"
    Image.fromarray(COLOUR).save(path)
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(UnreadableImage, match="more than 767 pixels"):
        read_image(path, max_pixels=767)
    assert read_image(path, max_pixels=768).shape == (24, 32, 3)
    assert before == Image.MAX_IMAGE_PIXELS
    assert before > MAX_PIXELS


def test_threads_read_valid_and_invalid_files_alike(tmp_path: Path) -> None:
    names = list(BAD)
    for name in names:
        (tmp_path / name).write_bytes(BAD[name][0]())
    Image.fromarray(COLOUR).save(tmp_path / "good.png")

    def readable(name: str) -> bool:
        try:
            return read_image(tmp_path / name).shape == (24, 32, 3)
        except UnreadableImage:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(readable, [*names, "good.png"] * 8)) == ([False] * len(names) + [True]) * 8


def test_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(UnreadableImage("a.png", "two\n lines")))  # noqa: S301 - our own bytes
    assert (error.path, error.reason) == (Path("a.png"), "two lines")


WHOLE = [
    as_bytes(Image.fromarray(COLOUR), "PNG"),
    as_bytes(Image.fromarray(COLOUR), "BMP"),
    as_bytes(Image.fromarray(COLOUR), "JPEG"),
    as_bytes(Image.fromarray(COLOUR), "TIFF"),
    as_bytes(Image.fromarray(COLOUR), "GIF"),
    as_bytes(Image.fromarray(GREY_16), "TIFF"),
    as_bytes(rgba(), "PNG"),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    whole=st.sampled_from(WHOLE), cut=st.floats(0, 1), place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255)
)
def test_damaged_bytes_give_pixels_or_unreadable_image(
    tmp_path: Path, whole: bytes, cut: float, place: float, byte: int
) -> None:
    damaged = bytearray(whole)
    damaged[int(place**3 * len(whole))] = byte  # mostly in the header, where it hurts
    path = tmp_path / "damaged"
    path.write_bytes(bytes(damaged[: max(int(cut * 2 * len(whole)), 1)]))
    try:
        pixels = read_image(path, max_pixels=1_000_000)
    except UnreadableImage as error:
        assert "\n" not in str(error)
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2:] == (3,)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_file_that_the_system_refuses_is_not_called_damaged(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "cell.png")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "cell.png")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(UnreadableImage) as caught:
        read_image(tmp_path / "cell.png")
    assert caught.value.reason == os.strerror(number)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_exif_orientation_turns_every_format_alike(
    tmp_path: Path, suffix: str, orientation: int, corner: tuple[int, int]
) -> None:
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[:16, :16] = 200
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"cell.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    upright = read_image(path)
    assert upright.shape == ((40, 60, 3) if orientation in (1, 3) else (60, 40, 3))
    assert upright[corner].min() > 150
    assert (upright > 100).mean() == pytest.approx(256 / 2400, abs=0.02)


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_12_bits_in_16_are_logged_and_known(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    images._warn_of_few_bits_once().clear()
    for name, samples in (("dark", GREY_16 // 16), ("full", GREY_16)):
        Image.fromarray(samples).save(tmp_path / f"{name}.{suffix}")
    for name, few in (("full", False), ("dark", True), ("dark", True)):
        path = tmp_path / f"{name}.{suffix}"
        assert has_few_bits(path, read_image(path)) == few
    Image.new("RGB", (20, 20)).save(tmp_path / f"black.{suffix}")  # of 8 bits
    assert not has_few_bits(tmp_path / f"black.{suffix}", read_image(tmp_path / f"black.{suffix}"))
    assert [record.message.count("dark") for record in caplog.records] == [1]


def test_12_bits_in_16_of_rgb_are_known(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    samples = np.random.default_rng(0).integers(0, 4096, (24, 32, 3)).astype(np.uint16)
    for compression in (None, "deflate"):
        tifffile.imwrite(tmp_path / "rgb.tif", samples, photometric="rgb", compression=compression)
        assert has_few_bits(tmp_path / "rgb.tif", read_image(tmp_path / "rgb.tif"))
