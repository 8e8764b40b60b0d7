"""Tiles: together they are the image, at every level of Deep Zoom's pyramid."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.pages import deep_zoom as tiles
from lymphoscope.review.pages.deep_zoom import TILE, Pyramids, top_level


class Picture:
    """A smooth image, whose colours tell where a part of it comes from."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        y, x = np.mgrid[:height, :width]
        self.pixels = np.stack([255 * x / width, 255 * y / height, np.full_like(x, 90)], axis=2).astype(np.uint8)

    def read(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        return self.pixels[y : y + height, x : x + width]


def decoded(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)), dtype=int)


@pytest.mark.parametrize(("width", "height"), [(700, 520), (512, 256), (257, 1)])
def test_the_tiles_of_the_top_level_are_the_image(width: int, height: int) -> None:
    picture, pyramids = Picture(width, height), Pyramids()
    top = top_level(width, height)
    rows = [
        np.hstack(
            [
                decoded(pyramids.tile("a", lambda: picture, top, column, row))
                for column in range(math.ceil(width / TILE))
            ]
        )
        for row in range(math.ceil(height / TILE))
    ]
    whole = np.vstack(rows)
    assert whole.shape == picture.pixels.shape
    assert np.abs(whole - picture.pixels).mean() < 3


def test_each_level_has_half_the_size_of_the_one_above_down_to_one_pixel() -> None:
    picture, pyramids = Picture(300, 200), Pyramids()
    assert top_level(300, 200) == 9
    for level in range(10):
        scale = 2 ** (9 - level)
        width, height = math.ceil(300 / scale), math.ceil(200 / scale)
        assert decoded(pyramids.tile("a", lambda: picture, level, 0, 0)).shape == (
            min(height, TILE),
            min(width, TILE),
            3,
        )


def test_a_low_level_is_the_mean_of_the_image() -> None:
    picture = Picture(512, 512)
    pixel = decoded(Pyramids().tile("a", lambda: picture, 0, 0, 0))
    assert np.abs(pixel[0, 0] - picture.pixels.mean(axis=(0, 1))).max() < 4


@pytest.mark.parametrize("place", [(10, 0, 0), (-1, 0, 0), (9, 2, 0), (9, 0, 1), (9, -1, 0)])
def test_a_tile_that_the_image_does_not_have_is_refused(place: tuple[int, int, int]) -> None:
    with pytest.raises(LymphoscopeError):
        Pyramids().tile("a", lambda: Picture(300, 200), *place)


def test_an_image_is_opened_once_and_dropped_when_others_need_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "MOST_HELD", 3 * 2 * 256 * 256)
    opened: list[str] = []

    def open_as(name: str) -> Picture:
        opened.append(name)
        return Picture(256, 256)

    pyramids = Pyramids()
    for name in ("a", "a", "b", "a"):
        pyramids.tile(name, lambda name=name: open_as(name), 8, 0, 0)
    assert opened == ["a", "b", "a"]
    assert len(pyramids._held) == 1


class ShrinkingPicture(Picture):
    """A slide whose reader has a pyramid of its own."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self.asked: list[int] = []

    def read_shrunk(self, x: int, y: int, width: int, height: int, factor: int) -> np.ndarray:
        self.asked.append(factor)
        return self.pixels[y : y + height : factor, x : x + width : factor]


@pytest.mark.parametrize("kind", [Picture, ShrinkingPicture])
@pytest.mark.parametrize("place", [(10, 1, 1), (9, 1, 0), (8, 0, 0)])
def test_a_slide_gives_the_same_tiles_as_an_image_held_whole(
    kind: type[Picture], place: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = kind(900, 700)
    whole = decoded(Pyramids().tile("a", lambda: picture, *place))
    monkeypatch.setattr(tiles, "MOST_WHOLE", 1000)
    part = decoded(Pyramids().tile("a", lambda: picture, *place))
    assert part.shape == whole.shape
    assert np.abs(part - whole).mean() < 4


def test_a_slide_without_a_pyramid_is_not_read_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "MOST_WHOLE", 1000)
    monkeypatch.setattr(tiles, "MOST_READ", 300 * 300)
    pyramids = Pyramids()
    assert pyramids.tile("a", lambda: Picture(900, 700), 10, 0, 0)
    with pytest.raises(LymphoscopeError, match="zoom in"):
        pyramids.tile("a", lambda: Picture(900, 700), 8, 0, 0)


@pytest.mark.parametrize("most", [10**9, 1000])
def test_a_region_is_the_part_of_the_image_that_lies_within_the_box(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "MOST_WHOLE", most)
    picture = Picture(300, 200)
    assert np.array_equal(Pyramids().region("a", lambda: picture, (20, 30, 60, 90)), picture.pixels[30:90, 20:60])
    assert np.array_equal(Pyramids().region("a", lambda: picture, (-9, 150, 50, 260)), picture.pixels[150:, :50])
    with pytest.raises(LymphoscopeError, match="outside"):
        Pyramids().region("a", lambda: picture, (300, 0, 340, 40))
