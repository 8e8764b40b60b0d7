"""docs/odd_inputs.md is what the commands answer."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "odd_inputs.py"


@pytest.mark.slow
def test_the_page_has_the_answers_that_the_commands_give() -> None:
    script = runpy.run_path(str(SCRIPT))
    written = SCRIPT.with_suffix(".md").read_text(encoding="utf-8")
    assert script["page"]().splitlines() == written.splitlines()
    rows = [line for line in written.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 40
    assert not [row for row in rows if "Traceback" in row or "| 1 |" in row]
