"""Figures and self-contained pages for people to read."""

from lymphoscope.reports.contents import Mistake, ReportContents, mistake_of
from lymphoscope.reports.explain import explanation_panel
from lymphoscope.reports.overlay import attention_overlay
from lymphoscope.reports.page import render_report, write_report
from lymphoscope.reports.pictures import picture_names, write_pictures

__all__ = [
    "Mistake",
    "ReportContents",
    "attention_overlay",
    "explanation_panel",
    "mistake_of",
    "picture_names",
    "render_report",
    "write_pictures",
    "write_report",
]
