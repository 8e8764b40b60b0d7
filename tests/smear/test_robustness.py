"""What is no good field gives a sentence and an empty or marked result, and never a crash."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear import SmearResult, describe_result
from lymphoscope.smear.plan import NO_RED_CELLS_FLAG, SCALE_FLAG
from lymphoscope.synthetic import SmearSettings, draw_smear_field

Count = Callable[..., SmearResult]
NO_WHITE = SmearSettings(width=640, height=480, white_cells=0, touching_pairs=0, cut_cells=0)


def save(folder: Path, pixels: "np.ndarray", name: str = "field.png") -> Path:  # type: ignore[type-arg]
    Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name)
    return folder / name


def said(result: SmearResult) -> str:
    return "\n".join(describe_result(result))


@pytest.mark.parametrize("colour", [(250, 245, 230), (0, 0, 0), (255, 255, 255)], ids=["blank", "black", "white"])
def test_a_field_without_anything_has_no_cells_and_is_set_aside(
    colour: tuple[int, int, int], count: Count, tmp_path: Path
) -> None:
    result = count(save(tmp_path, np.full((480, 640, 3), colour, dtype=np.uint8)))
    assert result.record.cells == 0
    assert result.record.tiles[0].set_aside
    assert "No white cells were counted" in said(result)
    assert (result.out / "report.html").is_file()


@pytest.mark.slow
def test_red_cells_alone_are_no_white_cells(count: Count, tmp_path: Path) -> None:
    result = count(save(tmp_path, draw_smear_field(NO_WHITE).pixels))
    assert result.differential.overall.white_cells <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "flag", "sentence"),
    [
        ("inverted", "inverted", "The colours seem to be inverted"),
        ("photograph", "other_colours", "is it a photograph"),
        ("portrait", "other_colours", "is it a photograph"),
    ],
)
def test_colours_that_no_smear_has_are_said_and_no_cells_are_counted(
    kind: str, flag: str, sentence: str, count: Count, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smear = draw_smear_field(SmearSettings(width=640, height=480)).pixels
    pictures = {"inverted": 255 - smear, "photograph": photograph("chelsea"), "portrait": photograph("astronaut")}
    result = count(save(tmp_path, pictures[kind]))
    assert result.failed == 0
    assert flag in result.record.tiles[0].flags
    assert result.record.cells == 0
    assert sentence in (result.out / "report.html").read_text()
    assert "NO RED CELLS" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tissue", "stained section", "eye"])
def test_what_has_no_red_cells_or_others_than_the_scale_says_is_marked(
    kind: str, count: Count, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = {"tissue": tissue, "stained section": lambda: photograph("immunohistochemistry"), "eye": eye}
    result = count(save(tmp_path, pictures[kind]()))
    assert result.failed == 0
    expected = ("SCALE IN DOUBT", SCALE_FLAG) if kind == "tissue" else ("NO RED CELLS", NO_RED_CELLS_FLAG)
    assert expected[0] in capsys.readouterr().err
    assert expected[1] in result.record.fields[0].flags
    assert expected[0].capitalize() in (result.out / "report.html").read_text()


def photograph(name: str) -> "np.ndarray":  # type: ignore[type-arg]
    from skimage import data

    return np.asarray(getattr(data, name)())


def eye() -> "np.ndarray":  # type: ignore[type-arg]
    return photograph("retina")[::2, ::2]


def tissue() -> "np.ndarray":  # type: ignore[type-arg]
    """Pink with many small blue nuclei, as an H&E section has them."""
    generator = np.random.default_rng(0)
    pixels = np.full((480, 640, 3), (232, 170, 205), dtype=np.uint8)
    rows, columns = np.ogrid[:480, :640]
    for y, x in generator.integers((0, 0), (480, 640), (250, 2)):
        pixels[(rows - y) ** 2 + (columns - x) ** 2 < generator.integers(20, 90)] = (95, 70, 150)
    return pixels


@pytest.mark.slow
@pytest.mark.parametrize("factor", [4.0, 0.25])
def test_a_scale_that_is_wrong_by_four_is_said_and_marked(
    factor: float, count: Count, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SmearSettings(width=1024, height=768)
    path = save(tmp_path, draw_smear_field(settings).pixels)
    result = count(path, microns_per_pixel=settings.microns_per_pixel * factor)
    assert "SCALE IN DOUBT" in capsys.readouterr().err
    assert SCALE_FLAG in result.record.fields[0].flags
    assert "Scale in doubt" in (result.out / "report.html").read_text()


@pytest.mark.slow
def test_the_scale_is_estimated_from_red_cells_and_printed(
    count: Count, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path, draw_smear_field(SmearSettings(width=1024, height=768)).pixels)
    result = count(path, microns_per_pixel=None)
    assert "estimated from" in capsys.readouterr().err
    assert result.record.fields[0].microns_per_pixel == pytest.approx(0.14, rel=0.1)
    assert result.record.fields[0].scale_source == "red cells"


def test_fields_whose_scale_nobody_knows_are_refused_with_what_to_do(count: Count, tmp_path: Path) -> None:
    path = save(tmp_path, np.full((480, 640, 3), 240, dtype=np.uint8))
    with pytest.raises(LymphoscopeError, match="Give the microns per pixel with --mpp"):
        count(path, microns_per_pixel=None)


@pytest.mark.slow
def test_a_slide_with_missing_tiles_counts_the_others_and_says_so(count: Count, tmp_path: Path) -> None:
    field = draw_smear_field(SmearSettings(width=1024, height=1024, white_cells=10, touching_pairs=0, cut_cells=0))
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, field.pixels, tile=(256, 256), photometric="rgb", compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = b"\xff" * size
    path.write_bytes(content)
    result = count(path, core=512, whole=512)
    assert [tile.error is None for tile in result.record.tiles] == [False, True, True, True]
    assert result.record.fields[0].tiles_failed == 1
    assert "1 of 4 tiles" in said(result)
    assert result.record.cells > 0
    assert "could not be read" in (result.out / "report.html").read_text()


@pytest.mark.slow
def test_a_field_of_20_000_pixels_a_side_is_read_by_region(count: Count, tmp_path: Path) -> None:
    patch = draw_smear_field(SmearSettings(width=512, height=512, white_cells=2, touching_pairs=0, cut_cells=0)).pixels
    path = tmp_path / "huge.tif"
    # As on a slide, the cells are in one piece; the rest is glass.
    smeared = (row < 8 and column < 8 for row in range(40) for column in range(40))
    tiles = (patch if has_cells else np.full_like(patch, 250) for has_cells in smeared)
    tifffile.imwrite(
        path, tiles, shape=(20_000, 20_000, 3), dtype=np.uint8, tile=(512, 512), photometric="rgb", compression="zlib"
    )
    result = count(path)
    assert len(result.record.tiles) == 400
    assert result.record.cells > 50
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    refused = count(tmp_path / "huge.png", out=tmp_path / "refused")
    assert "save it as a tiled TIFF" in said(refused)
