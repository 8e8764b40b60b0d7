from . import plotting as plotting
from .contents import Mistake as Mistake, ReportContents as ReportContents, mistake_of as mistake_of
from .page import (
    page_environment as page_environment,
    render_report as render_report,
    sorting_script as sorting_script,
    write_report as write_report,
)
from .panels import explanation_panel as explanation_panel, panel_names as panel_names, write_panels as write_panels
from .plotting import attention_overlay as attention_overlay

__all__ = [
    "Mistake",
    "ReportContents",
    "attention_overlay",
    "explanation_panel",
    "mistake_of",
    "page_environment",
    "panel_names",
    "plotting",
    "render_report",
    "sorting_script",
    "write_panels",
    "write_report",
]
