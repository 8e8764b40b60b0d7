import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageEnhance

from lymphoscope.data.images import read_image
from lymphoscope.data.similarity.perceptual_hash import (
    NEAR_CORRELATION,
    NEAR_DISTANCE,
    correlation,
    hash_image,
    near_pairs,
    near_pairs_between,
)

REAL = Path(__file__).parents[4] / "shared" / "data"


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def is_near(one: np.ndarray, other: np.ndarray) -> bool:
    a, b = hash_image(one), hash_image(other)
    return distance(a.phash, b.phash) <= NEAR_DISTANCE and correlation(a.thumbnail, b.thumbnail) >= NEAR_CORRELATION


hashes = st.lists(st.one_of(st.none(), st.integers(0, 15).map(lambda n: f"{n:064x}")), max_size=12)


@settings(deadline=None)
@given(hashes, st.integers(0, 3))
def test_near_pairs_match_brute_force(phashes: list[str | None], within: int) -> None:
    expected = {
        (i, j)
        for i, one in enumerate(phashes)
        for j, other in enumerate(phashes)
        if i < j and one and other and int(one, 16) and int(other, 16) and distance(one, other) <= within
    }
    assert set(near_pairs(phashes, within)) == expected


def test_near_pairs_are_found_across_blocks_and_integers() -> None:
    generator = np.random.default_rng(0)
    phashes: list[str | None] = [generator.bytes(32).hex() for _ in range(900)]
    for i, flipped in ((3, 1), (400, 1 << 255), (880, 1 << 100)):
        phashes.append(f"{int(str(phashes[i]), 16) ^ flipped:064x}")
    assert list(near_pairs(phashes, 1)) == [(3, 900), (400, 901), (880, 902)]


def test_near_pairs_between_two_lists_match_those_of_one_list() -> None:
    generator = np.random.default_rng(1)
    hashes_of_noise = [hash_image(generator.integers(0, 255, (40, 40, 3), dtype=np.uint8)).phash for _ in range(30)]
    hashes = [*hashes_of_noise, None, "0" * 64, hashes_of_noise[3]]
    found = {(one, other) for one, other, _ in near_pairs_between(hashes[:10], hashes[10:], 256)}
    expected = {(i, j - 10) for i, j in near_pairs(hashes, 256) if i < 10 <= j}
    assert found == expected
    assert (3, 22, 0) in set(near_pairs_between(hashes[:10], hashes[10:], 0))


def test_flat_images_are_near_nothing() -> None:
    flat = [hash_image(np.full((40, 40, 3), grey, dtype=np.uint8)).phash for grey in (0, 128, 255)]
    assert list(near_pairs([*flat], 256)) == []


def test_correlation_matches_numpy_where_both_show_a_cell() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, 256, (2, 64, 64), dtype=np.uint8)
    one[:20], other[:, :30] = 0, 0
    both = (one > 4) & (other > 4)
    assert correlation(one, other) == pytest.approx(np.corrcoef(one[both], other[both])[0, 1])
    assert correlation(one, np.zeros_like(one)) == 0
    assert correlation(one, np.full_like(one, 100)) == 0


@pytest.fixture(params=["cnmc/*/fold_0/all", "cnmc/*/fold_2/hem", "pbc/lymphocyte", "pbc/monocyte"])
def real_cells(request: pytest.FixtureRequest) -> list[np.ndarray]:
    if not REAL.exists():
        pytest.skip("needs ../shared/data")
    paths = sorted(path for path in REAL.glob(f"{request.param}/*") if path.is_file())[::7][:12]
    return [read_image(path) for path in paths]


def test_real_cells_are_near_their_copies_and_not_near_each_other(real_cells: list[np.ndarray]) -> None:
    for pixels in real_cells:
        image, stream = Image.fromarray(pixels), io.BytesIO()
        image.save(stream, "JPEG", quality=60)
        assert is_near(pixels, np.array(Image.open(stream)))
        assert is_near(pixels, np.array(ImageEnhance.Brightness(image).enhance(1.08)))
        assert is_near(pixels, np.array(image.resize((300, 300))))
        assert is_near(pixels, np.roll(pixels, (1, 1), axis=(0, 1)))
        if not pixels[0].any():
            assert is_near(pixels, np.roll(pixels, (20, -12), axis=(0, 1)))
    assert not any(is_near(one, other) for i, one in enumerate(real_cells) for other in real_cells[:i])
