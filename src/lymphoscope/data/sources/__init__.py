"""Where cells come from: the C-NMC folders, a folder a class, a table, synthetic smears -> manifest."""

from typing import TYPE_CHECKING

from lymphoscope.lazily import bring_names_at_first_use

if TYPE_CHECKING:
    from lymphoscope.data.sources.read import read_source

__all__ = ["read_source"]

bring_names_at_first_use(__name__)
