"""The text of an error, cut to one line."""

import pytest

from lymphoscope.errors import LymphoscopeError, one_line


@pytest.mark.parametrize(
    ("error", "limit", "expected"),
    [
        (ValueError("first\n  second\tthird"), None, "first second third"),
        (ValueError("first\n  second"), 8, "first se"),
        (LymphoscopeError("a.png: too  large"), None, "a.png: too large"),
        (RuntimeError(), None, "RuntimeError"),
        (" \n text ", None, "text"),
        ("", None, ""),
    ],
)
def test_an_error_is_one_line_and_never_empty(error: object, limit: int | None, expected: str) -> None:
    assert one_line(error, limit) == expected
