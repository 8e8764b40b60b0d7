from .definition import (
    Definition as Definition,
    experiment_names as experiment_names,
    load_definition as load_definition,
)
from .dry_run import PlannedRun as PlannedRun, format_duration as format_duration, plan as plan
from .ledger import write_ledger as write_ledger
from .output import as_text as as_text, write_result as write_result
from .request import Limits as Limits, Request as Request
from .result import (
    Column as Column,
    Comparison as Comparison,
    Figure as Figure,
    Number as Number,
    Result as Result,
    Row as Row,
    RunState as RunState,
)
from .runner import count_only as count_only, reproduce as reproduce

__all__ = [
    "Column",
    "Comparison",
    "Definition",
    "Figure",
    "Limits",
    "Number",
    "PlannedRun",
    "Request",
    "Result",
    "Row",
    "RunState",
    "as_text",
    "count_only",
    "experiment_names",
    "format_duration",
    "load_definition",
    "plan",
    "reproduce",
    "write_ledger",
    "write_result",
]
