"""Image corruptions in graded severities, as another microscope, stain, camera or file format would cause them.

All take fitted cells (S, S, 3) uint8 RGB, so a length is in pixels of the network's input. Pixels that are exactly
black were cut away with the background (C-NMC): light, stain, focus and noise leave them black.

CORRUPTIONS is the only list of them: the table of scores, the figure and the report are made from it. To add a
corruption, write its function and one `Corruption` here.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lymphoscope.errors import LymphoscopeError

Pixels = NDArray[np.uint8]
Triple = tuple[float, float, float]

LEVELS: Final = 5
"""Number of severity levels of each corruption."""


@dataclass(frozen=True)
class Corruption:
    """A corruption: its title, its amount at severity levels 1 to 5, the amount in words, and the function.

    `apply` takes pixels, an amount and a random generator, which only noise uses.
    """

    name: str
    title: str
    amounts: tuple[float, float, float, float, float]
    describe: Callable[[float], str]
    apply: Callable[[Pixels, float, np.random.Generator], Pixels]


def corrupt_image(pixels: Pixels, name: str, level: int, seed: int = 0) -> Pixels:
    """Corrupt a fitted cell (S, S, 3) by one of CORRUPTIONS at severity level 0 (unchanged) to 5; returns a copy.

    Only noise is random: a seed gives the same noise, with a larger amplitude at a higher level.
    Raises LymphoscopeError for an unknown corruption or level.
    """
    corruption, amount = _corruption_at(name, level)
    return pixels.copy() if amount is None else corruption.apply(pixels, amount, np.random.default_rng(seed))


def describe_amount(name: str, level: int) -> str:
    """The amount of a corruption at a severity level, in its own unit. Raises as `corrupt_image` does."""
    corruption, amount = _corruption_at(name, level)
    return "unchanged" if amount is None else corruption.describe(amount)


def blur(pixels: Pixels, sigma: float) -> Pixels:
    """Gaussian blur of `sigma` pixels; black background neither bleeds into the cell nor takes from it."""
    shown = _not_black(pixels)
    smooth = partial(ndimage.gaussian_filter, sigma=(sigma, sigma, 0), mode="nearest")
    weight = smooth(shown.astype(np.float32))  # (S, S, 1): how much of the window is not black
    return _rounded(np.where(shown, smooth(pixels.astype(np.float32)) / np.maximum(weight, 1e-6), 0))


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Write as JPEG of this quality (Pillow's scale, 4:2:0) and read it again, black background included."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.array(Image.open(stream))


def restain(pixels: Pixels, scale: Triple, shift: Triple) -> Pixels:
    """Scale and shift the optical density of red, green and blue: OD = -log10(value / 255), OD' = scale * OD + shift.

    Black stays black and, without a shift, white stays white. In Wright-Giemsa stains the azure (blue) dyes absorb red
    and eosin absorbs green; the dyes are not unmixed, as methods for haematoxylin and eosin do.
    """
    light = (pixels / 255.0) ** np.asarray(scale) * 10.0 ** -np.asarray(shift)
    return _rounded(255 * light)


def expose(pixels: Pixels, factor: float) -> Pixels:
    """Multiply every value and clip it at 255."""
    return _rounded(pixels * factor)


def rescale(pixels: Pixels, factor: float) -> Pixels:
    """Scale the cell by `factor` about the centre.

    A smaller cell is padded with its mirror image, or with black if most of the image's border is black.
    """
    size = len(pixels)
    image = Image.fromarray(pixels)
    if factor >= 1:
        margin = size * (1 - 1 / factor) / 2
        box = (margin, margin, size - margin, size - margin)
        return np.array(image.resize((size, size), Image.Resampling.BILINEAR, box=box))
    inner = max(1, round(size * factor))
    small = np.array(image.resize((inner, inner), Image.Resampling.BILINEAR))
    before = (size - inner) // 2
    around = (before, size - inner - before)
    return np.pad(small, (around, around, (0, 0)), mode="constant" if _has_black_border(pixels) else "symmetric")


def add_noise(pixels: Pixels, sigma: float, generator: np.random.Generator) -> Pixels:
    """Add Gaussian noise of `sigma` grey levels to each value, except to black pixels."""
    noise = generator.standard_normal(pixels.shape, dtype=np.float32)
    return _rounded(np.where(_not_black(pixels), pixels + sigma * noise, 0))


def _redder(pixels: Pixels, amount: float) -> Pixels:
    return restain(pixels, (1 - amount, 1 + amount / 2, 1), (0, amount / 10, 0))


def _bluer(pixels: Pixels, amount: float) -> Pixels:
    return restain(pixels, (1 + amount / 2, 1 - amount, 1), (amount / 10, 0, 0))


def _density(amount: float) -> str:
    return f"{100 * amount:g} % of density"


def _factor(amount: float) -> str:
    return f"x {amount:g}"


def _corruption_at(name: str, level: int) -> tuple[Corruption, float | None]:
    if name not in CORRUPTIONS:
        raise LymphoscopeError(f"unknown corruption {name!r}: choose one of {', '.join(CORRUPTIONS)}")
    if not 0 <= level <= LEVELS:
        raise LymphoscopeError(f"{name}: level {level} is not between 0 (unchanged) and {LEVELS}")
    return CORRUPTIONS[name], CORRUPTIONS[name].amounts[level - 1] if level else None


def _not_black(pixels: Pixels) -> NDArray[np.bool_]:
    return np.asarray(pixels.any(axis=2, keepdims=True))  # (S, S, 1)


def _has_black_border(pixels: Pixels) -> bool:
    shown = _not_black(pixels)
    border = np.concatenate([shown[0], shown[-1], shown[:, 0], shown[:, -1]])
    return bool(border.mean() < 0.5)


def _rounded(values: NDArray[np.floating]) -> Pixels:
    whole: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return whole


_STAIN = (0.05, 0.1, 0.2, 0.3, 0.4)

CORRUPTIONS: Final = {
    corruption.name: corruption
    for corruption in (
        Corruption("blur", "Blur", (0.5, 1, 2, 3, 4), lambda a: f"sigma {a:g} px", lambda p, a, _: blur(p, a)),
        Corruption("jpeg", "JPEG", (90, 70, 50, 30, 10), lambda a: f"quality {a:g}", lambda p, a, _: jpeg(p, int(a))),
        Corruption("noise", "Noise", (2, 5, 10, 20, 40), lambda a: f"sigma {a:g} of 255", add_noise),
        Corruption("stain_red", "Redder stain", _STAIN, _density, lambda p, a, _: _redder(p, a)),
        Corruption("stain_blue", "Bluer stain", _STAIN, _density, lambda p, a, _: _bluer(p, a)),
        Corruption("less_light", "Less light", (0.9, 0.8, 0.7, 0.6, 0.5), _factor, lambda p, a, _: expose(p, a)),
        Corruption("more_light", "More light", (1.1, 1.2, 1.3, 1.5, 1.8), _factor, lambda p, a, _: expose(p, a)),
        Corruption("smaller", "Smaller image", (0.95, 0.9, 0.8, 0.7, 0.6), _factor, lambda p, a, _: rescale(p, a)),
        Corruption("larger", "Larger image", (1.05, 1.1, 1.2, 1.35, 1.5), _factor, lambda p, a, _: rescale(p, a)),
    )
}
"""Every corruption by name, in the order of tables and figures."""
