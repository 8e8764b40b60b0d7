from pathlib import Path

import pytest

from lymphoscope.data import read_source
from lymphoscope.data.sources.pbc import KINDS, read_pbc
from lymphoscope.errors import LymphoscopeError

FOLDER_OF = {
    "BA": "basophil",
    "EO": "eosinophil",
    "ERB": "erythroblast",
    "PMY": "ig",
    "MY": "ig",
    "MMY": "ig",
    "IG": "ig",
    "BNE": "neutrophil",
    "SNE": "neutrophil",
    "NEUTROPHIL": "neutrophil",
    "LY": "lymphocyte",
    "MO": "monocyte",
    "PLATELET": "platelet",
}


@pytest.fixture
def pbc(tmp_path: Path) -> Path:
    """One empty file per kind, as published."""
    for number, (kind, folder) in enumerate(FOLDER_OF.items()):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{kind}_{1000 + number}.jpg").touch()
    return tmp_path


def test_labels_are_the_kinds_of_the_file_names(pbc: Path) -> None:
    manifest = read_pbc(pbc)
    assert manifest.source == "pbc"
    columns = manifest.table[["path", "label", "possible_labels"]]
    found = {Path(path).stem.partition("_")[0]: label or possible for path, label, possible in columns.to_numpy()}
    assert found == {kind: label if isinstance(label, str) else "|".join(label) for kind, label in KINDS.items()}
    assert found["IG"] == "promyelocyte|myelocyte|metamyelocyte"
    assert found["NEUTROPHIL"] == "band_neutrophil|segmented_neutrophil"
    assert columns["label"].isna().sum() == 2
    assert len(manifest.classes) == 11
    assert manifest.table["subject"].isna().all()
    assert manifest.notices == ("PBC: 2 images without a label, because names (IG/NEUTROPHIL) do not tell kinds apart",)


def test_the_layout_is_recognised(pbc: Path) -> None:
    assert read_source(str(pbc)).source == "pbc"
    (pbc / "basophil" / "BA_1000.jpg").rename(pbc / "basophil" / "cell.jpg")
    assert read_source(str(pbc)).source == "folders"


def test_other_names_are_refused(pbc: Path) -> None:
    (pbc / "ig" / "blast_7.jpg").touch()
    with pytest.raises(LymphoscopeError, match=r"blast_7\.jpg: not a name of the Barcelona set"):
        read_pbc(pbc)
    with pytest.raises(LymphoscopeError, match="contains no images"):
        read_pbc(pbc / "nothing")
