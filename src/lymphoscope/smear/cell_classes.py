"""The one table of cell classes: their names, their titles, and how a differential count counts them.

Denominators follow the ICSH recommendations for the differential count and for blood-cell morphology (Palmer et al.
2015, Int J Lab Hematol 37, 287-303): a percentage is one of white cells; nucleated red cells and smudge cells are given
per 100 white cells; platelets and artefacts are not counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from lymphoscope.model_file import Description
from lymphoscope.vocabulary import class_title, find_blast_class

Counting = Literal["white_cell", "per_100_white_cells", "not_counted"]
"""Counted as a white cell, given per 100 white cells, or neither."""


@dataclass(frozen=True, slots=True)
class CellClass:
    """A class of cells: its name in tables, its title, how it is counted, and whether it is a class of blasts."""

    name: str
    title: str
    counting: Counting = "white_cell"
    is_blast: bool = False

    @property
    def is_white_cell(self) -> bool:
        """Whether the class is part of the denominator of a differential count."""
        return self.counting == "white_cell"


def _table(*classes: CellClass) -> Mapping[str, CellClass]:
    return MappingProxyType({one.name: one for one in classes})


CELL_CLASSES: Final[Mapping[str, CellClass]] = _table(
    CellClass("blast", "blast", is_blast=True),
    CellClass("all", "lymphoblast", is_blast=True),
    CellClass("hem", "normal white cell"),
    CellClass("promyelocyte", "promyelocyte"),
    CellClass("myelocyte", "myelocyte"),
    CellClass("metamyelocyte", "metamyelocyte"),
    CellClass("immature_granulocyte", "immature granulocyte"),
    CellClass("band_neutrophil", "band neutrophil"),
    CellClass("segmented_neutrophil", "segmented neutrophil"),
    CellClass("neutrophil", "neutrophil"),
    CellClass("eosinophil", "eosinophil"),
    CellClass("basophil", "basophil"),
    CellClass("lymphocyte", "lymphocyte"),
    CellClass("reactive_lymphocyte", "reactive lymphocyte"),
    CellClass("plasma_cell", "plasma cell"),
    CellClass("monocyte", "monocyte"),
    CellClass("erythroblast", "erythroblast", "per_100_white_cells"),
    CellClass("smudge", "smudge cell", "per_100_white_cells"),
    CellClass("platelet", "platelet", "not_counted"),
    CellClass("platelet_clump", "platelet clump", "not_counted"),
    CellClass("red_cell", "red cell", "not_counted"),
    CellClass("artefact", "artefact", "not_counted"),
    CellClass("not_classed", "not classed", "not_counted"),
)
"""Name -> class, in the order in which a count lists them. `all` and `hem` are the classes of C-NMC."""


def cell_class(name: str, title: str | None = None) -> CellClass:
    """Return the class of this name; a class that is not in the table is a white cell with the given title.

    The names of blasts that `find_blast_class` knows are classes of blasts.
    """
    known = CELL_CLASSES.get(name.lower())
    if known is None:
        is_blast = find_blast_class([name]) is not None
        return CellClass(name, title or class_title(name).replace("_", " "), is_blast=is_blast)
    return CellClass(name, title or known.title, known.counting, known.is_blast)


def in_table_order(names: Sequence[str]) -> list[str]:
    """Return class names in the order of the table; names that it does not have come last, as they were given."""
    order = {name: place for place, name in enumerate(CELL_CLASSES)}
    return sorted(names, key=lambda name: order.get(name.lower(), len(order)))


def titles_of(description: Description) -> dict[str, str]:
    """Return the classes of a model in words: as its file says, else as the table does."""
    titles = {name: description.title(name) for name in description.classes}
    return {name: cell_class(name).title if title == name else title for name, title in titles.items()}
