from lymphoscope.evaluation import Estimate
from lymphoscope.reports import formatting


def test_numbers_are_rounded_and_missing_values_are_a_dash() -> None:
    assert formatting.number(0.89851) == "0.899"
    assert formatting.number(0.0) == "0.000"
    assert formatting.number(None) == formatting.MISSING
    assert formatting.interval(Estimate(value=1.0)) == ""
    assert formatting.with_interval(Estimate(value=0.5, low=0.25, high=0.75)) == "0.500 (0.250 to 0.750)"


def test_names_sort_naturally() -> None:
    names = ["S10", "S2", "h3", "S2b", "10", "9", "\u00b2"]
    assert formatting.natural_sort(names) == ["9", "10", "S2", "S2b", "S10", "h3", "\u00b2"]


def test_reasons_name_what_they_apply_to() -> None:
    missing = Estimate(value=None, reason="no cell")
    estimates = {"a": missing, "b": missing, "c": Estimate(value=1.0, reason="one subject"), "d": Estimate(value=1.0)}
    assert formatting.missing_reasons(estimates) == [
        "a, b \u2013 no value: no cell.",
        "c \u2013 no interval: one subject.",
    ]
    assert formatting.shortened("abcdefgh", longest=6) == "a, b, c, d, e, f and 2 more"


def test_sentences_are_english() -> None:
    assert formatting.sentence(" one of two ") == "One of two."
    assert formatting.sentence("Done.") == "Done."
    assert [formatting.joined("abc"[:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]
    titles = ["Blur", "JPEG", "Weighted F1"]
    assert [formatting.within_sentence(title) for title in titles] == ["blur", "JPEG", "weighted F1"]
