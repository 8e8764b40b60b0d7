"""Graded changes of a cell's picture, as another microscope, stain, camera or file format would make them.

All work on fitted cells (S, S, 3) uint8, RGB, so a length is in pixels of the network's input. Pixels that are exactly
black were cut away with the background (C-NMC): no change of light, stain, focus or noise reaches them.
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


@dataclass(frozen=True)
class Corruption:
    """One kind of change: its strength at levels 1 to 5, how to say it, and how to do it."""

    name: str
    amounts: tuple[float, float, float, float, float]
    text: Callable[[float], str]
    apply: Callable[[Pixels, float, np.random.Generator], Pixels]


def corrupt_image(pixels: Pixels, name: str, level: int, seed: int = 0) -> Pixels:
    """Corrupt a fitted cell (S, S, 3) by one of CORRUPTIONS at level 0 (not at all) to 5; the input is left as it is.

    Only noise is drawn by chance: the same for a seed, and at a higher level the same noise, louder.
    Raises LymphoscopeError for an unknown change or level.
    """
    change, amount = _found(name, level)
    return pixels.copy() if amount is None else change.apply(pixels, amount, np.random.default_rng(seed))


def amount_text(name: str, level: int) -> str:
    """How strong a change is at a level, in its own unit. Raises LymphoscopeError as `corrupt_image` does."""
    change, amount = _found(name, level)
    return "unchanged" if amount is None else change.text(amount)


def blur(pixels: Pixels, sigma: float) -> Pixels:
    """Gaussian blur of `sigma` pixels; what was cut away neither bleeds into the cell nor takes from it."""
    seen = _seen(pixels)
    smooth = partial(ndimage.gaussian_filter, sigma=(sigma, sigma, 0), mode="nearest")
    weight = smooth(seen.astype(np.float32))  # (S, S, 1): how much of the blur's window is picture
    return _rounded(np.where(seen, smooth(pixels.astype(np.float32)) / np.maximum(weight, 1e-6), 0))


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Write as JPEG of this quality (Pillow's scale, 4:2:0) and read again, as a file would be, black and all."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.array(Image.open(stream))


def restain(pixels: Pixels, scale: Triple, shift: Triple) -> Pixels:
    """Scale and shift the optical density of red, green and blue: OD = -log10(value / 255), OD' = scale * OD + shift.

    Black stays black and, without a shift, white white. Red absorbs with the azure (blue) dyes of Wright-Giemsa, green
    with eosin; the dyes are not unmixed, as two-stain methods made for haematoxylin and eosin do.
    """
    light = (pixels / 255.0) ** np.asarray(scale) * 10.0 ** -np.asarray(shift)
    return _rounded(255 * light)


def expose(pixels: Pixels, factor: float) -> Pixels:
    """Multiply every value; what is too bright is cut at 255."""
    return _rounded(pixels * factor)


def rescale(pixels: Pixels, factor: float) -> Pixels:
    """Show the cell `factor` times as large, about the centre.

    Round a smaller one lies its own mirror image, or black where most of the picture's edge is black.
    """
    size = len(pixels)
    image = Image.fromarray(pixels)
    if factor >= 1:
        edge = size * (1 - 1 / factor) / 2
        box = (edge, edge, size - edge, size - edge)
        return np.array(image.resize((size, size), Image.Resampling.BILINEAR, box=box))
    inner = max(1, round(size * factor))
    small = np.array(image.resize((inner, inner), Image.Resampling.BILINEAR))
    before = (size - inner) // 2
    around = (before, size - inner - before)
    return np.pad(small, (around, around, (0, 0)), mode="constant" if _lies_on_black(pixels) else "symmetric")


def add_noise(pixels: Pixels, sigma: float, generator: np.random.Generator) -> Pixels:
    """Add Gaussian noise of `sigma` grey levels to each value of the picture, none to what was cut away."""
    noise = generator.standard_normal(pixels.shape, dtype=np.float32)
    return _rounded(np.where(_seen(pixels), pixels + sigma * noise, 0))


def _redder(pixels: Pixels, amount: float) -> Pixels:
    return restain(pixels, (1 - amount, 1 + amount / 2, 1), (0, amount / 10, 0))


def _bluer(pixels: Pixels, amount: float) -> Pixels:
    return restain(pixels, (1 + amount / 2, 1 - amount, 1), (amount / 10, 0, 0))


def _density(amount: float) -> str:
    return f"{100 * amount:g} % of density"


def _found(name: str, level: int) -> tuple[Corruption, float | None]:
    if name not in CORRUPTIONS:
        raise LymphoscopeError(f"no change is called {name!r}: take one of {', '.join(CORRUPTIONS)}")
    if not 0 <= level <= LEVELS:
        raise LymphoscopeError(f"{name}: level {level} is not between 0 (unchanged) and {LEVELS}")
    return CORRUPTIONS[name], CORRUPTIONS[name].amounts[level - 1] if level else None


def _seen(pixels: Pixels) -> NDArray[np.bool_]:
    return np.asarray(pixels.any(axis=2, keepdims=True))  # (S, S, 1)


def _lies_on_black(pixels: Pixels) -> bool:
    seen = _seen(pixels)
    edge = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]])
    return bool(edge.mean() < 0.5)


def _rounded(values: NDArray[np.floating]) -> Pixels:
    whole: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return whole


_STAIN = (0.05, 0.1, 0.2, 0.3, 0.4)

CORRUPTIONS: Final = {
    change.name: change
    for change in (
        Corruption("blur", (0.5, 1, 2, 3, 4), lambda a: f"sigma {a:g} px", lambda p, a, _: blur(p, a)),
        Corruption("jpeg", (90, 70, 50, 30, 10), lambda a: f"quality {a:g}", lambda p, a, _: jpeg(p, int(a))),
        Corruption("noise", (2, 5, 10, 20, 40), lambda a: f"sigma {a:g} of 255", add_noise),
        Corruption("stain_red", _STAIN, _density, lambda p, a, _: _redder(p, a)),
        Corruption("stain_blue", _STAIN, _density, lambda p, a, _: _bluer(p, a)),
        Corruption("less_light", (0.9, 0.8, 0.7, 0.6, 0.5), lambda a: f"x {a:g}", lambda p, a, _: expose(p, a)),
        Corruption("more_light", (1.1, 1.2, 1.3, 1.5, 1.8), lambda a: f"x {a:g}", lambda p, a, _: expose(p, a)),
        Corruption("smaller", (0.95, 0.9, 0.8, 0.7, 0.6), lambda a: f"x {a:g}", lambda p, a, _: rescale(p, a)),
        Corruption("larger", (1.05, 1.1, 1.2, 1.35, 1.5), lambda a: f"x {a:g}", lambda p, a, _: rescale(p, a)),
    )
}
"""Name -> change, in the order of the card."""
