"""The types of the public functions, as a user's type checker sees them. mypy checks this file; pytest runs nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

if TYPE_CHECKING:
    import pandas as pd

    import lymphoscope
    from lymphoscope.data import AuditReport, Manifest
    from lymphoscope.evaluation import Metrics, PredictionComparison

    assert_type(lymphoscope.__version__, str)
    assert_type(lymphoscope.load(), lymphoscope.Model)
    assert_type(lymphoscope.load("runs/demo/model").predict(["cell.png"]), pd.DataFrame)
    assert_type(lymphoscope.train("cells", "runs/one"), Metrics | None)
    assert_type(lymphoscope.evaluate("runs/one/model", "cells"), Metrics)
    assert_type(lymphoscope.stress(Path("runs/one/model"), pd.DataFrame({"path": []}), tests=["corruptions"]), Metrics)
    assert_type(lymphoscope.score("predictions.csv", held_out=True), Metrics)
    assert_type(lymphoscope.compare("one.csv", "other.csv"), PredictionComparison)
    assert_type(lymphoscope.audit("cells", expected_size=(450, 450)), AuditReport)
    assert_type(lymphoscope.split("cells", by="subject"), Manifest)
    assert_type(lymphoscope.synthesize("cells"), Manifest)
    lymphoscope.split("cells", by="smear")  # type: ignore[arg-type]
    lymphoscope.evaluate("runs/one/model", "cells", part="tset")  # type: ignore[arg-type]
