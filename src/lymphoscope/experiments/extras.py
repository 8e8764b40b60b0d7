"""What single experiments add to the table of their grid: pictures, the submission file, what is missing."""

from collections.abc import Mapping

from lymphoscope.data import Manifest
from lymphoscope.experiments import charts, table2
from lymphoscope.experiments.cells import phases_of
from lymphoscope.experiments.columns import Finished
from lymphoscope.experiments.request import Request
from lymphoscope.experiments.result import Result, Row
from lymphoscope.experiments.table3 import count_rows


def added(result: Result, request: Request, done: Mapping[str, Finished], manifest: Manifest) -> Result:
    """The result with what its experiment adds."""
    if result.name == "table2":
        return table2.added(result, request, done, manifest)
    if result.name in ("table1", "ablations", "split"):
        return charts.with_scores(result, request)
    if result.name == "table4":
        missing = table2.missing_phases(phases_of(manifest), ("phase-1", "phase-2"))
        return charts.with_scores(result.model_copy(update={"missing": missing}), request)
    if result.name == "figure6":
        return charts.with_depths(result, request)
    if result.name == "figure7":
        return charts.with_errors(result, request, done)
    if result.name == "table3":
        return with_counts(result, request)
    return result


def with_counts(result: Result, request: Request) -> Result:
    """Table 3: whether each count is the paper's; a score of other cells than the paper's is not judged."""
    counted = {row.name: row for row in count_rows(request.only)}
    rows = [row.model_copy(update={"verdict": _count_in_words(row, counted[row.name])}) for row in result.rows]
    private = "The paper's clinical cells (PD) are private: scores here are of other cells, and only counts compare."
    return result.model_copy(update={"rows": rows, "missing": [*result.missing, private]})


def _count_in_words(row: Row, counted: Row) -> str:
    """Another backbone, M or number of classes has another count, which is not compared."""
    same = row.ours["parameters"].value == counted.ours["parameters"].value
    words = f"parameters: {counted.verdict}; " if same else ""
    return f"{words}scores are of other cells than the paper's"
