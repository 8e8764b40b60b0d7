import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from lymphoscope.data.identity import (
    check_exact_numbers,
    clean_name,
    name_key,
    refuse_spelling_conflicts,
    spelling_conflicts,
)
from lymphoscope.errors import LymphoscopeError


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("P01", "P01"),
        (" P01\u00a0", "P01"),
        ("\tP 01\n", "P 01"),
        ("Mu\u0308ller", "M\u00fcller"),
        (7, "7"),
        (b"007", "007"),
        ("", None),
        ("  ", None),
        (None, None),
        (float("nan"), None),
        (pd.NA, None),
    ],
)
def test_blanks_and_unicode_form_are_cleaned(value: object, cleaned: str | None) -> None:
    assert clean_name(value) == cleaned


SPELLINGS = [
    ["P01", "p01", "P1", "P 01", "p\u00a01", " P001 "],
    ["7", "007", "7.0", "b'007'", 'b"7"', "7.00"],
    ["all", "ALL", "All "],
    ["M\u00fcller", "MU\u0308LLER"],
    ["S10", "s10", "S010"],
]


@pytest.mark.parametrize("spellings", SPELLINGS)
def test_spellings_of_one_name_share_a_key(spellings: list[str]) -> None:
    assert len({name_key(name) for name in spellings}) == 1


def test_different_names_have_different_keys() -> None:
    names = ["P1", "P10", "P100", "P2", "1.5", "1.05", "10", "01.10", "H1", "P-1", "P_1", "0", "a0b", "ab"]
    assert len({name_key(name) for name in names}) == len(names)


@given(st.from_regex(r"[A-Za-z]{0,3}[ _-]?[0-9]{1,5}(\.0)?", fullmatch=True), st.booleans())
def test_key_ignores_case_and_blanks(name: str, upper: bool) -> None:
    assert name_key(f"  {name.upper() if upper else name.lower()} ") == name_key(name)


@given(st.text())
def test_any_text_has_a_key(name: str) -> None:
    assert isinstance(name_key(name), str)


def test_conflicts_are_groups_of_spellings() -> None:
    names = ["P01", "P02", "p01", None, "P01", "007", "7.0"]
    assert spelling_conflicts(names) == [("007", "7.0"), ("P01", "p01")]


def test_conflicts_are_refused_with_the_spellings() -> None:
    table = pd.DataFrame({"subject": ["P01", "p1", "7", "007"], "label": ["a", "b", "a", "b"]})
    with pytest.raises(LymphoscopeError, match=r"subject '007' and '7' may be the same subject \(1 more groups\)"):
        refuse_spelling_conflicts(table)
    refuse_spelling_conflicts(table, ("label",))


def test_floating_point_ids_that_become_equal_are_refused() -> None:
    check_exact_numbers(pd.Series([1.0, 2.0**50, np.nan]), "subject")
    check_exact_numbers(pd.Series(["12345678901234567890"]), "subject")
    with pytest.raises(LymphoscopeError, match="column subject has floating-point numbers above 2\\^53"):
        check_exact_numbers(pd.Series([1.0, 2.0**53]), "subject")
