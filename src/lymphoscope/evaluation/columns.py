"""The names of the predictions table's columns (docs/reference.md): read by what writes a row, before pandas is."""

from collections.abc import Sequence

from lymphoscope.errors import LymphoscopeError

STREAMS = ("raw", "crop", "erase")
BOX = ("box_top", "box_left", "box_bottom", "box_right")
VOTES = tuple(f"{stream}_vote" for stream in STREAMS)
_IDENTITY = ("path", "subject", "slide", "label", "predicted")
TEXT = (*_IDENTITY, *VOTES, "refer_reason", "error")
"""The columns that hold text."""


_BLAST_NAMES = ("all", "blast", "blasts", "lymphoblast", "lymphoblasts")


def blast_by_name(classes: Sequence[str]) -> str | None:
    """The class whose name says that it is the blast's, None where no name does."""
    return next((name for name in classes if name.lower() in _BLAST_NAMES), None)


def columns(classes: Sequence[str]) -> list[str]:
    """The columns of a predictions table over these classes, in the order of docs/reference.md.

    Raises LymphoscopeError when a class is named twice or takes another column's name, as `vote` would.
    """
    probabilities = [f"{kind}_{name}" for kind in ("score", *STREAMS) for name in classes]
    names = [*_IDENTITY, *probabilities, *VOTES, "agreement", *BOX, "refer", "refer_reason", "error"]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LymphoscopeError(f"classes {', '.join(classes)}: column {twice[0]} would stand twice, rename the class")
    return names
