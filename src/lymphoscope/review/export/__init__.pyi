from .codes import Codes as Codes, read_codes as read_codes
from .registry import ExportFormat as ExportFormat, export_format as export_format, export_formats as export_formats

__all__ = ["Codes", "ExportFormat", "export_format", "export_formats", "read_codes"]
