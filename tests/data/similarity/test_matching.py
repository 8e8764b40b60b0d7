"""Copies of a cell are found in another frame, shifted, turned and saved again; different cells are not."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data.images import map_in_threads, read_image
from lymphoscope.data.similarity.matching import (
    COPY_CORRELATION,
    CellMatch,
    hash_image,
    is_current_hash,
    matching_cells,
    matching_cells_between,
)
from lymphoscope.synthetic import synthesize

REAL = Path(__file__).parents[4] / "shared" / "data"
Pixels = np.ndarray


def hashes(images: list[Pixels]) -> pd.DataFrame:
    return pd.DataFrame([hash_image(np.ascontiguousarray(image)) for image in images])


def number_found(originals: list[Pixels], change: Callable[[Pixels], Pixels]) -> int:
    """How many of the changed images match their own original, and none matches another one."""
    matches = matching_cells_between(hashes([change(image) for image in originals]), hashes(originals))
    assert all(match.row == match.other for match in matches)
    return len(matches)


def as_jpeg(image: Pixels, quality: int = 70) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def resized(image: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def shifted(image: Pixels, down: float, right: float, fill: int | None) -> Pixels:
    """Shift by fractions of the side; what enters the frame is of one grey level, or the edge repeated."""
    height, width = image.shape[:2]
    dy, dx = round(down * height), round(right * width)
    pad = ((max(dy, 0), max(-dy, 0)), (max(dx, 0), max(-dx, 0)), (0, 0))
    padded = np.pad(image, pad, mode="edge") if fill is None else np.pad(image, pad, constant_values=fill)
    return padded[max(-dy, 0) :, max(-dx, 0) :][:height, :width]


EIGHT_WAYS = {
    f"{'mirrored ' if mirror else ''}turned {turns}": (
        lambda image, mirror=mirror, turns=turns: np.rot90(image[:, ::-1] if mirror else image, turns)
    )
    for mirror in (False, True)
    for turns in range(4)
}
ON_BLACK: dict[str, Callable[[Pixels], Pixels]] = {
    **EIGHT_WAYS,
    "frame cut by 25 pixels": lambda image: image[25:-25, 25:-25],
    "frame cut on two sides": lambda image: image[25:, :-25],
    "shifted": lambda image: np.roll(image, (30, -20), (0, 1)),
    "larger frame": lambda image: np.pad(image, ((80, 10), (0, 90), (0, 0))),
    "saved as JPEG": as_jpeg,
    "brighter": lambda image: np.clip(image * 1.08, 0, 255).astype(np.uint8),
    "resized": lambda image: resized(image, 300),
    "turned, cut and saved as JPEG": lambda image: as_jpeg(np.rot90(image)[25:-25, 25:-25]),
}
IN_SMEAR: dict[str, Callable[[Pixels], Pixels]] = {
    **EIGHT_WAYS,
    "shifted by 6 pixels": lambda image: np.roll(image, (6, 6), (0, 1)),
    "shifted by an eighth": lambda image: shifted(image, 0.125, -0.125, None),
    "saved as JPEG": as_jpeg,
    "brighter": lambda image: np.clip(image * 1.08, 0, 255).astype(np.uint8),
    "resized": lambda image: resized(image, 300),
    "turned, shifted and saved as JPEG": lambda image: as_jpeg(shifted(np.rot90(image), 0.125, 0.1, 240)),
}
QUARTER: dict[str, Callable[[Pixels], Pixels]] = {
    f"{down} down, {right} right, filled with {fill}": (
        lambda image, down=down, right=right, fill=fill: shifted(image, down, right, fill)
    )
    for down, right in ((0.25, 0), (0, -0.25), (0.25, 0.25), (-0.25, 0.25))
    for fill in (None, 240, 0)
}


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Pixels]]:
    cells = {}
    for background in ("black", "smear"):
        folder = tmp_path_factory.mktemp(background)
        synthesize(
            folder, subjects=6, cells_per_subject=3, fields=0, faults=False, size=300, background=background, workers=2
        )
        cells[background] = [read_image(path) for path in sorted(folder.glob("images/*/*.png"))]
    return cells


@pytest.mark.parametrize("change", ON_BLACK)
def test_changed_synthetic_cells_on_black_match_only_themselves(
    synthetic: dict[str, list[Pixels]], change: str
) -> None:
    assert number_found(synthetic["black"], ON_BLACK[change]) == 18


@pytest.mark.slow
@pytest.mark.parametrize("change", IN_SMEAR)
def test_changed_synthetic_cells_in_a_smear_match_only_themselves(
    synthetic: dict[str, list[Pixels]], change: str
) -> None:
    assert number_found(synthetic["smear"], IN_SMEAR[change]) >= 17


@pytest.mark.parametrize("background", ["black", "smear"])
def test_different_synthetic_cells_do_not_match(synthetic: dict[str, list[Pixels]], background: str) -> None:
    assert matching_cells(hashes(synthetic[background])) == []


def test_match_says_how_the_copy_is_turned(synthetic: dict[str, list[Pixels]]) -> None:
    cell = synthetic["black"][0]
    (match,) = matching_cells(hashes([np.rot90(cell[:, ::-1], 3), cell]))
    assert match.correlation > COPY_CORRELATION
    assert "mirrored and rotated by" in match.detail
    assert CellMatch(0, 1, 0.97, 0).detail == "estimated correlation 0.97"


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_images_match_nothing(level: int) -> None:
    blank = np.full((64, 64, 3), level, dtype=np.uint8)
    assert matching_cells(hashes([blank, blank])) == []


def test_missing_and_outdated_hashes_match_nothing(synthetic: dict[str, list[Pixels]]) -> None:
    table = hashes([synthetic["black"][0]] * 4)
    assert table.map(is_current_hash).all(axis=None)
    table.loc[1] = None
    table.loc[2] = "0123456789abcdef" * 4
    assert [(match.row, match.other) for match in matching_cells(table)] == [(0, 3)]
    assert matching_cells(table.drop(columns=["phash", "window_hash"])) == []


def test_strong_copies_of_a_cell_beyond_the_crop_are_found_in_the_crop(synthetic: dict[str, list[Pixels]]) -> None:
    large = [resized(cell, 760)[155:605, 155:605] for cell in synthetic["black"][:4]]  # cells of about 350 pixels
    assert number_found(large, lambda image: image[75:375, 75:375]) == 4


needs_real_cells = pytest.mark.skipif(not REAL.exists(), reason="needs ../shared/data")


@pytest.fixture(scope="module")
def real_on_black() -> list[Pixels]:
    return [read_image(path) for path in sorted((REAL / "cnmc").rglob("*.png"))[::16]]


@pytest.fixture(scope="module")
def real_in_smear() -> list[Pixels]:
    return [read_image(path) for path in sorted((REAL / "pbc").glob("*/*.jpg"))[::160]]


@pytest.mark.slow
@needs_real_cells
@pytest.mark.parametrize("change", ON_BLACK)
def test_changed_real_cells_on_black_are_found(real_on_black: list[Pixels], change: str) -> None:
    assert number_found(real_on_black, ON_BLACK[change]) == len(real_on_black)


@pytest.mark.slow
@needs_real_cells
def test_all_real_cells_are_found_in_their_central_300_pixels() -> None:
    cells = [read_image(path) for path in sorted((REAL / "cnmc").rglob("*.png"))]
    crops = hashes([cell[75:375, 75:375] for cell in cells])
    found = {match.row for match in matching_cells_between(crops, hashes(cells)) if match.row == match.other}
    assert len(found) == len(cells)


@pytest.mark.slow
@needs_real_cells
@pytest.mark.parametrize("change", IN_SMEAR)
def test_changed_real_cells_in_a_smear_are_found(real_in_smear: list[Pixels], change: str) -> None:
    assert number_found(real_in_smear, IN_SMEAR[change]) == len(real_in_smear)


@pytest.mark.slow
@needs_real_cells
@pytest.mark.parametrize("change", QUARTER)
def test_real_cells_are_found_after_a_shift_by_a_quarter_of_the_frame(real_in_smear: list[Pixels], change: str) -> None:
    """Some main nuclei leave the frame in part: at least 95 % are found."""
    assert number_found(real_in_smear, QUARTER[change]) >= 0.95 * len(real_in_smear)


SHARED_BY_TWO_IMAGES = {
    frozenset({"EO_398276", "EO_924136"}),
    frozenset({"EO_484601", "EO_627519"}),
    frozenset({"ERB_232473", "ERB_938286"}),
    frozenset({"PMY_705579", "PMY_872050"}),
    frozenset({"LY_609104", "MO_74720"}),
}
"""Pairs of images of the Barcelona set that overlap: two cells of one field, each in the middle of one image."""


@pytest.mark.slow
@needs_real_cells
def test_no_pair_of_real_cells_matches_wrongly() -> None:
    """All cells on black, and a quarter of the Barcelona set with every pair that does overlap."""
    shared = frozenset().union(*SHARED_BY_TWO_IMAGES)
    barcelona = sorted((REAL / "pbc").glob("*/*.jpg"))
    paths = sorted((REAL / "cnmc").rglob("*.png"))
    paths += [path for number, path in enumerate(barcelona) if number % 4 == 0 or path.stem in shared]
    table = pd.DataFrame(map_in_threads(lambda path: hash_image(read_image(path)), list(map(str, paths)), "hashing"))
    start = time.process_time()
    matches = matching_cells(table)
    assert time.process_time() - start < 30
    names = [frozenset({paths[match.row].stem, paths[match.other].stem}) for match in matches]
    on_black = [name for name in names if all(each.startswith("UID_") for each in name)]
    assert len(on_black) == 17  # one cell photographed twice, all in neighbouring images or between H2/H6 and H3/H10
    assert set(names) - set(on_black) == SHARED_BY_TWO_IMAGES
