from .contents import Mistake as Mistake, ReportContents as ReportContents, mistake_of as mistake_of
from .explain import explanation_panel as explanation_panel
from .overlay import attention_overlay as attention_overlay
from .page import render_report as render_report, write_report as write_report
from .pictures import picture_names as picture_names, write_pictures as write_pictures

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
