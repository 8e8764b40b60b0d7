"""A result as lines of text."""

from lymphoscope.experiments import Column, Comparison, Number, Result, Row, as_text


def result(**more: object) -> Result:
    columns = [Column(key="weighted_f1", title="WF1S", unit="%"), Column(key="cells", title="cells", digits=0)]
    ours = {"weighted_f1": Number(value=80, low=70, high=90), "cells": Number(value=9)}
    rows = [Row(name="plain", ours=ours, published={"weighted_f1": 82.46})]
    base = {"name": "table1", "title": "Table 1", "claim": "", "protocol": [], "columns": columns, "rows": rows}
    return Result.model_validate({**base, **more})


def test_our_numbers_are_beside_the_papers_and_the_signs_are_explained() -> None:
    lines = as_text(result(limited=["2 folds instead of 5."])).splitlines()
    assert lines[:2] == ["Table 1", "not the whole experiment: 2 folds instead of 5."]
    assert lines[3].split() == ["WF1S,", "%", "cells"]
    assert lines[4].split("  ")[1:] == ["80.00 (70.00-90.00) [82.46]", "9"]
    assert lines[5] == "(95 % interval); [the paper's]"


def test_a_number_without_an_interval_points_to_its_reason() -> None:
    ours = {
        "weighted_f1": Number(value=50, reason="the same in every replicate"),
        "cells": Number(value=None, reason="x"),
    }
    text = as_text(result(rows=[Row(name="plain", ours=ours)]))
    assert "50.00 (none)  none" in text
    assert "none: the page has the reason" in text


def test_a_comparison_is_one_line() -> None:
    names = {"row": "plain", "against": "WT-DFN", "column": "weighted_f1"}
    paired = Comparison(**names, difference=Number(value=-1, low=-3, high=1), p=0.25, test="paired bootstrap")
    mcnemar = Comparison(**names, difference=Number(value=None), p=0.5, test="McNemar")
    lines = as_text(result(comparisons=[paired, mcnemar], rows=[])).splitlines()
    assert lines[1:] == ["WF1S, plain minus WT-DFN: -1.00 points (-3.00 to +1.00), p 0.2500, paired bootstrap"]
