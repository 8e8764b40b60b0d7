"""Numbers, intervals and lists as the report writes them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from lymphoscope.evaluation import Estimate

MISSING = "\u2013"
"""Written in place of a value that could not be computed."""


def number(value: float | None) -> str:
    """Three decimals, or a dash if there is no value."""
    return MISSING if value is None else f"{value:.3f}"


def interval(estimate: Estimate) -> str:
    """The interval as "low to high", empty if there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def with_interval(estimate: Estimate) -> str:
    """The value, followed by its interval in parentheses if there is one."""
    return number(estimate.value) + (f" ({text})" if (text := interval(estimate)) else "")


def sentence(text: str) -> str:
    """The text as a sentence: first letter in upper case, with a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def missing_reasons(estimates: Mapping[str, Estimate]) -> list[str]:
    """Why values or intervals are missing: one sentence per reason, with the names of the estimates it applies to."""
    names_by_reason: dict[str, list[str]] = {}
    for name, estimate in estimates.items():
        if estimate.reason:
            missing = "no value" if estimate.value is None else "no interval"
            names_by_reason.setdefault(f"{missing}: {estimate.reason}", []).append(name)
    return [f"{shortened(names)} \u2013 {reason}." for reason, names in names_by_reason.items()]


def within_sentence(title: str) -> str:
    """A title as it is written within a sentence: "Blur" as "blur", "JPEG" as it is."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def joined(names: Sequence[str]) -> str:
    """Names as a list in a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def shortened(names: Iterable[str], longest: int = 6) -> str:
    """Names as a comma-separated list; beyond `longest` names their number."""
    listed = list(dict.fromkeys(names))
    rest = f" and {len(listed) - longest} more" if len(listed) > longest else ""
    return ", ".join(listed[:longest]) + rest


def natural_sort(names: Iterable[str]) -> list[str]:
    """Names sorted as people do: S2 before S10."""
    return sorted(names, key=natural_key)


def natural_key(name: str) -> list[tuple[int, str]]:
    """The key of `natural_sort`."""
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", name)]
