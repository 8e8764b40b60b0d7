"""The table of cell classes, from which counts and the labels of the review are made."""

import pytest

from lymphoscope.model_file import Description
from lymphoscope.smear import CELL_CLASSES, cell_class
from lymphoscope.smear.cell_classes import in_table_order, titles_of

WHITE_CELLS_MODEL = (
    "basophil", "eosinophil", "erythroblast", "promyelocyte", "myelocyte", "metamyelocyte", "band_neutrophil",
    "segmented_neutrophil", "lymphocyte", "monocyte", "platelet",
)  # fmt: skip


@pytest.mark.parametrize("name", [*WHITE_CELLS_MODEL, "all", "hem"])
def test_every_class_of_a_model_that_ships_is_in_the_table(name: str) -> None:
    assert CELL_CLASSES[name].name == name


def test_erythroblasts_and_smudges_are_counted_per_100_white_cells_and_platelets_not_at_all() -> None:
    assert {name for name, one in CELL_CLASSES.items() if one.counting == "per_100_white_cells"} == {
        "erythroblast",
        "smudge",
    }
    assert not cell_class("platelet").is_white_cell
    assert cell_class("platelet").counting == "not_counted"


def test_a_class_that_is_not_in_the_table_is_a_white_cell_under_its_own_title() -> None:
    own = cell_class("hairy_cell")
    assert (own.title, own.counting, own.is_blast) == ("hairy cell", "white_cell", False)
    assert cell_class("hairy_cell", "hairy cell (HCL)").title == "hairy cell (HCL)"


def test_every_common_name_of_blasts_is_a_blast() -> None:
    for name in ("all", "blast", "blasts", "lymphoblast", "Lymphoblasts"):
        assert cell_class(name).is_blast


def test_counts_list_classes_in_the_order_of_the_table_and_unknown_ones_last() -> None:
    assert in_table_order(["platelet", "hairy_cell", "monocyte", "blast"]) == [
        "blast",
        "monocyte",
        "platelet",
        "hairy_cell",
    ]


def test_a_models_classes_are_in_words_as_its_file_or_the_table_says(description: Description) -> None:
    given = {
        "classes": ("band_neutrophil", "hem", "odd_cell"),
        "class_titles": {"odd_cell": "odd"},
        "blast_class": None,
    }
    titles = titles_of(description.model_copy(update=given))
    assert titles == {"band_neutrophil": "band neutrophil", "hem": "normal", "odd_cell": "odd"}
