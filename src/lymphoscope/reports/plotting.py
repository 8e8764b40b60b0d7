"""The style of the figures, and figures and images as data URIs for a page that loads nothing."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from numpy.typing import NDArray
from PIL import Image

# Okabe and Ito's colours, which remain distinct under all common forms of colour blindness.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
INK, GREY, PALE = "#1c2430", "#5b6675", "#d9dee5"

_ATTENTION_COLOURS = "viridis"
_STRONGEST_OVERLAY = 0.65

# Any: the type names the settings of matplotlib's own version.
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    # Names of subjects and classes are plain text, even if they contain "$".
    "text.parse_math": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "lymphoscope",
}


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style of the figures, as a context manager or a decorator."""
    with matplotlib.rc_context(_STYLE):
        yield


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of `width` x `height` inches outside pyplot's global state, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def drawable(text: str, longest: int = 24) -> str:
    """Text that the font can draw: characters it lacks become boxes, and text that is too long ends in an ellipsis."""
    drawn = "".join(character if ord(character) in _code_points() else "\u25a1" for character in text)
    return drawn if len(drawn) <= longest else drawn[: longest - 1] + "\u2026"


@styled()
def figure_uri(figure: Figure) -> str:
    """A figure as a data URI, SVG; deterministic."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return _uri("image/svg+xml", stream.getvalue())


def image_uri(pixels: NDArray[np.uint8], side: int = 224) -> str:
    """An image (H, W, 3) uint8 RGB as a data URI, JPEG, at most `side` pixels on a side."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=88)
    return _uri("image/jpeg", stream.getvalue())


def file_uri(path: Path) -> str:
    """An image file (SVG, PNG or JPEG by its suffix) as a data URI."""
    media_types = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
    return _uri(media_types[path.suffix], path.read_bytes())


def attention_overlay(pixels: NDArray[np.uint8], attention: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay an attention map (S, S) 0-1 over its cell (S, S, 3) uint8 RGB -> (S, S, 3) uint8 RGB.

    More attention gives a stronger and yellower colour; without attention the cell itself shows.
    """
    strength = np.clip(np.nan_to_num(attention), 0, 1)[..., None]  # (S, S, 1)
    colour = matplotlib.colormaps[_ATTENTION_COLOURS](strength[..., 0])[..., :3] * 255  # (S, S, 3)
    mixed = pixels * (1 - _STRONGEST_OVERLAY * strength) + colour * _STRONGEST_OVERLAY * strength
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def _uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


@cache
def _code_points() -> frozenset[int]:
    font = get_font(findfont(FontProperties(family="DejaVu Sans")))
    return frozenset(font.get_charmap())
