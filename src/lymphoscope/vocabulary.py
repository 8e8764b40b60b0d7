"""Names that all packages share: streams, decisions, precisions, columns, exit statuses.

It imports nothing heavy (no pydantic, pandas or torch), because commands that start quickly import it.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, Literal, get_args

from lymphoscope.errors import LymphoscopeError

Stream = Literal["raw", "crop", "erase"]
STREAMS: Final[tuple[Stream, ...]] = get_args(Stream)
"""The three streams of Algorithm 1, in the order of every array over streams."""

Decision = Literal["vote", "mean"]
"""How the streams decide: plurality of their labels (Eq. 5), or the class of the highest mean softmax."""

GuidingMap = Literal["mean", "max_energy"]
"""Which attention map guides crop and erase at test time: the mean of all maps, or the one of the highest mean."""

ErasePolicy = Literal["always", "on_disagreement"]
"""When the erase stream runs: for every cell, or only where raw and crop predict different classes (lazy voting)."""

Fill = Literal["mean", "black"]
"""The value of erased pixels: the mean of the normalised image (grey), or black."""

Views = Literal[1, 2, 4, 8]
VIEWS: Final[tuple[Views, ...]] = get_args(Views)
"""Orientations of a cell over which predictions can be averaged: as it is, its mirror images, and all of them."""

CropMode = Literal["center_crop", "resize"]
"""How an image becomes a square: its central pixels, or the whole image resized."""
CROP_MODES: Final[tuple[CropMode, ...]] = get_args(CropMode)

Surroundings = Literal["kept", "black"]
"""What is around a cell that is cut out of a field: kept, or black outside the cell's outline."""

Precision = Literal["float32", "bfloat16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
"""What a runtime computes in. The runtimes themselves are registered in `inference/backends`."""


class ExitStatus(IntEnum):
    """Exit statuses of the commands."""

    DONE = 0
    INTERNAL_ERROR = 1
    USAGE = 2
    SOME_FAILED = 3
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141
    TERMINATED = 143


BOX_COLUMNS: Final = ("box_top", "box_left", "box_bottom", "box_right")
VOTE_COLUMNS: Final = tuple(f"{stream}_vote" for stream in STREAMS)
SCORE_PREFIX: Final = "score_"
_IDENTITY_COLUMNS: Final = ("path", "subject", "slide", "label", "predicted")
MODEL_ID_COLUMN: Final = "model_id"
"""The column of the id of the model that made the prediction; it follows those of `prediction_columns`."""
GROUP_COLUMN: Final = "group"
"""The optional column of the group of subjects that share a cell; statistics treat a group as one subject."""
TEXT_COLUMNS: Final = (*_IDENTITY_COLUMNS, *VOTE_COLUMNS, "refer_reason", "error", MODEL_ID_COLUMN, GROUP_COLUMN)
"""The columns of the predictions table that hold text."""

OodSignal = Literal["feature_distance", "class_distance", "blur", "cut_off", "exposure", "colour"]
OOD_SIGNALS: Final[tuple[OodSignal, ...]] = get_args(OodSignal)
"""What out-of-distribution scores are measured on."""
OOD_PREFIX: Final = "ood_"
OOD_COLUMNS: Final = tuple(f"{OOD_PREFIX}{signal}" for signal in OOD_SIGNALS)

REASON_SEPARATOR: Final = "; "
"""Between the reasons of a cell in the column `refer_reason`."""

_BLAST_NAMES: Final = ("all", "blast", "blasts", "lymphoblast", "lymphoblasts")
_TITLES: Final = {"all": "lymphoblast", "hem": "normal"}


def score_column(name: str) -> str:
    """Return the column of a class's score."""
    return f"{SCORE_PREFIX}{name}"


def find_blast_class(classes: Sequence[str]) -> str | None:
    """Return the class whose name is a common name of blasts, or None."""
    return next((name for name in classes if name.lower() in _BLAST_NAMES), None)


def class_title(name: str) -> str:
    """Return a class name in words, as reports show it: `all` is "lymphoblast", `hem` is "normal"."""
    return _TITLES.get(name.lower(), name)


def prediction_columns(classes: Sequence[str]) -> list[str]:
    """Return the columns of the predictions table for these classes, in order.

    Raises LymphoscopeError if a class is listed twice or gives the name of another column, as `vote` does.
    """
    probabilities = [f"{prefix}_{name}" for prefix in ("score", *STREAMS) for name in classes]
    names = [
        *_IDENTITY_COLUMNS,
        *probabilities,
        *VOTE_COLUMNS,
        "agreement",
        *BOX_COLUMNS,
        "refer",
        "refer_reason",
        "error",
    ]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise LymphoscopeError(
            f"classes {', '.join(classes)}: column {duplicates[0]} would appear twice, rename the class"
        )
    return names
