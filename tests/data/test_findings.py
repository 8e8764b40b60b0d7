import json

import pandas as pd
import pytest

from lymphoscope.data.findings import AuditReport, Finding, Severity, findings_table


def report(*findings: Finding, source: str = "folders") -> AuditReport:
    class_counts = pd.DataFrame({"label": ["a", "b"], "cells": [3, 1], "subjects": [2, 1]})
    return AuditReport(source, 4, findings_table(list(findings)), class_counts, ("counts differ",))


UNREADABLE = Finding("unreadable", "error", "/x/a/1.png", None, "empty file")
TWICE = Finding("duplicate", "warning", "/x/a/1.png", "/x/b/2.png", "the same file twice")
UNEVEN = Finding("balance", "notice", None, None, "a has more")


@pytest.mark.parametrize(
    ("findings", "failed"),
    [([], False), ([UNEVEN], False), ([UNEVEN, TWICE], True), ([UNREADABLE], True)],
)
def test_errors_and_warnings_fail_an_audit_and_notices_do_not(findings: list[Finding], failed: bool) -> None:
    found = report(*findings)
    assert found.failed is failed
    assert ("something is wrong" in found.to_text()) is failed


def test_findings_are_sorted_by_severity() -> None:
    order: list[Severity] = ["error", "warning", "notice"]
    assert report(UNEVEN, TWICE, UNREADABLE).findings["severity"].tolist() == order


def test_json_is_complete_and_valid() -> None:
    content = json.loads(report(UNEVEN, TWICE, UNREADABLE).to_json(), parse_constant=pytest.fail)
    assert content["failed"] is True
    assert content["notices"] == ["counts differ"]
    assert content["class_counts"] == [
        {"label": "a", "cells": 3, "subjects": 2},
        {"label": "b", "cells": 1, "subjects": 1},
    ]
    assert content["findings"] == [finding._asdict() for finding in (UNREADABLE, TWICE, UNEVEN)]


def test_text_is_short_and_names_files_below_their_common_folder() -> None:
    text = report(*[TWICE] * 25, UNEVEN).to_text()
    assert "warning: duplicate (25)\n  a/1.png and b/2.png: the same file twice" in text
    assert text.count("the same file twice") == 10
    assert "and 15 more" in text
    assert "notice: counts differ" in text
    assert "  a has more" in text


def test_text_marks_synthetic_cells() -> None:
    assert report(source="synthetic").to_text().startswith("4 synthetic cells")
