"""Text for people: counts in words; control characters, which file names may contain, become visible escapes.

Otherwise a file name could move the cursor, recolour or overwrite what is shown, or change the window's title.
"""

import sys
import unicodedata
from typing import TextIO

_KEPT = "\n\t"
_BIDIRECTIONAL = "\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_CONTROLS = [chr(code) for code in range(0xA0) if unicodedata.category(chr(code)) == "Cc" and chr(code) not in _KEPT]
# Escapes of the form \u001b are valid within JSON strings, too.
_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in [*_CONTROLS, *_BIDIRECTIONAL]}


def printable(text: str) -> str:
    """Return text with control characters, except line breaks and tabs, as escapes such as \\u001b."""
    return text.translate(_ESCAPES)


def one_line(text: str) -> str:
    """Return text as one printable line: a line break within a file name becomes an escape, too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 cell", "2,000 cells"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def bar_stream() -> TextIO:
    """Return standard error for a progress bar, which moves the cursor itself."""
    stream: TextIO = getattr(sys.stderr, "unescaped", sys.stderr)
    return stream
