"""The registry of export formats: each is a module of `formats/` that defines FORMAT."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType

from lymphoscope.review.export import formats
from lymphoscope.review.export.codes import Codes
from lymphoscope.review.refusals import not_found
from lymphoscope.review.report_data import ReportData


@dataclass(frozen=True)
class ExportFormat:
    """A format: its name in the address, its title, the type and suffix of its files, and what writes one.

    `lists_cells` says whether it has an entry for each cell.
    """

    name: str
    title: str
    media_type: str
    suffix: str
    write: Callable[[ReportData, Codes], str]
    lists_cells: bool = False


@cache
def export_formats() -> Mapping[str, ExportFormat]:
    """Return all formats by name."""
    modules = sorted(module.name for module in pkgutil.iter_modules(formats.__path__))
    entries: list[ExportFormat] = [import_module(f"{formats.__name__}.{name}").FORMAT for name in modules]
    return MappingProxyType({one.name: one for one in entries})


def export_format(name: str) -> ExportFormat:
    """Return a format. Raises RefusalError 404 for an unknown one."""
    if name not in export_formats():
        raise not_found(f"export format (there are {', '.join(export_formats())}):", name)
    return export_formats()[name]
