"""Where cells come from: the C-NMC folders, a folder a class, a table, synthetic smears -> manifest."""

from lymphoscope.data.sources.read import read_source

__all__ = ["read_source"]
