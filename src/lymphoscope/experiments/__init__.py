"""The paper's tables and figures, run again: our numbers beside the published ones."""

from lymphoscope.experiments.request import Limits, Request
from lymphoscope.experiments.result import Column, Comparison, Number, Picture, Result, Row, RunState

__all__ = ["Column", "Comparison", "Limits", "Number", "Picture", "Request", "Result", "Row", "RunState"]
