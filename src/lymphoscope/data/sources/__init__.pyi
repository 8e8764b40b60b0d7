from .registry import (
    Source as Source,
    read_source as read_source,
    source as source,
    source_help as source_help,
    source_names as source_names,
)

__all__ = ["Source", "read_source", "source", "source_help", "source_names"]
