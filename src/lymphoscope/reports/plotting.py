"""How figures look, and how figures and pictures go into a page that loads nothing."""

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

# Okabe and Ito's colours, which people with any common colour blindness can tell apart.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
INK, GREY, PALE = "#1c2430", "#5b6675", "#d9dee5"

# Any: matplotlib names the settings of its own version in the type.
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
    # Names of subjects and classes are text, whatever signs they hold: "$" begins no formula.
    "text.parse_math": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "lymphoscope",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the house's style within; also a decorator of functions that draw."""
    with matplotlib.rc_context(_STYLE):
        yield


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of `width` x `height` inches that no global state knows, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def drawable(text: str, longest: int = 24) -> str:
    """Text that the font can draw: signs that it lacks become boxes, and what is too long ends in dots."""
    known = "".join(sign if ord(sign) in _signs() else "\u25a1" for sign in text)
    return known if len(known) <= longest else known[: longest - 1] + "\u2026"


@styled()
def figure_uri(figure: Figure) -> str:
    """A figure as a data URI, SVG: the same figure gives the same text."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return _uri("image/svg+xml", stream.getvalue())


def picture_uri(pixels: NDArray[np.uint8], side: int = 224) -> str:
    """A picture (H, W, 3) uint8 as a data URI, JPEG, at most `side` pixels on a side."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=88)
    return _uri("image/jpeg", stream.getvalue())


def file_uri(path: Path) -> str:
    """A picture file, SVG, PNG or JPEG by its suffix, as a data URI."""
    kinds = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
    return _uri(kinds[path.suffix], path.read_bytes())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@cache
def _signs() -> frozenset[int]:
    font = get_font(findfont(FontProperties(family="DejaVu Sans")))
    return frozenset(font.get_charmap())
