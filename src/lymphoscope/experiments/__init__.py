"""The paper's tables and figures, run again: our numbers beside the published ones."""

from lymphoscope.experiments.definition import Definition, experiment_names, load_definition
from lymphoscope.experiments.dry_run import Planned, plan
from lymphoscope.experiments.experiment import count_only, reproduce
from lymphoscope.experiments.ledger import write_ledger
from lymphoscope.experiments.request import Limits, Request
from lymphoscope.experiments.result import Column, Comparison, Number, Picture, Result, Row, RunState
from lymphoscope.experiments.terminal import as_text
from lymphoscope.experiments.write import write_result

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
