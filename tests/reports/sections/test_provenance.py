from collections.abc import Callable
from typing import Any

from lymphoscope.reports.sections import provenance

Maker = Callable[..., Any]


def test_command_commit_device_and_versions_are_listed(predictions: Maker, contents: Maker) -> None:
    rows = dict(provenance.build(contents(predictions())).values["rows"])
    assert rows["Command"] == "lymphoscope train --data cells"
    assert rows["Commit"] == "0123456789ab"
    assert rows["Versions"] == "lymphoscope 0.1.0"
    assert "git checkout" in dict(provenance.build(contents(predictions(), commit=None)).values["rows"])["Commit"]
