from .smear_contents import SmearContents as SmearContents
from .smear_page import render_smear_report as render_smear_report, write_smear_report as write_smear_report

__all__ = ["SmearContents", "render_smear_report", "write_smear_report"]
