from .definition import (
    Definition as Definition,
    experiment_names as experiment_names,
    load_definition as load_definition,
)
from .dry_run import Planned as Planned, plan as plan
from .experiment import count_only as count_only, reproduce as reproduce
from .ledger import write_ledger as write_ledger
from .request import Limits as Limits, Request as Request
from .result import (
    Column as Column,
    Comparison as Comparison,
    Number as Number,
    Picture as Picture,
    Result as Result,
    Row as Row,
    RunState as RunState,
)
from .terminal import as_text as as_text
from .write import write_result as write_result

__all__ = [
    "Column",
    "Comparison",
    "Definition",
    "Limits",
    "Number",
    "Picture",
    "Planned",
    "Request",
    "Result",
    "Row",
    "RunState",
    "as_text",
    "count_only",
    "experiment_names",
    "load_definition",
    "plan",
    "reproduce",
    "write_ledger",
    "write_result",
]
