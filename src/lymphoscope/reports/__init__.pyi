from . import plotting as plotting
from .contents import (
    Mistake as Mistake,
    PredictedCell as PredictedCell,
    ReportContents as ReportContents,
    mistake_of as mistake_of,
)
from .page import (
    RenderedSection as RenderedSection,
    page_environment as page_environment,
    page_script as page_script,
    render_report as render_report,
    rendered_sections as rendered_sections,
    sorting_script as sorting_script,
    write_report as write_report,
)
from .panels import explanation_panel as explanation_panel, panel_names as panel_names, write_panels as write_panels
from .plotting import attention_overlay as attention_overlay
from .registry import (
    PageFigure as PageFigure,
    Section as Section,
    SectionDefinition as SectionDefinition,
    page_figure as page_figure,
    sections_of as sections_of,
)

__all__ = [
    "Mistake",
    "PageFigure",
    "PredictedCell",
    "RenderedSection",
    "ReportContents",
    "Section",
    "SectionDefinition",
    "attention_overlay",
    "explanation_panel",
    "mistake_of",
    "page_environment",
    "page_figure",
    "page_script",
    "panel_names",
    "plotting",
    "render_report",
    "rendered_sections",
    "sections_of",
    "sorting_script",
    "write_panels",
    "write_report",
]
