"""The Barcelona set of peripheral blood cells (PBC, Acevedo et al. 2020): eleven kinds, read from the file names.

The folders name eight kinds. The names of the files tell more: stages of immature granulocytes, and band from segmented
neutrophils. Images whose name does not tell them apart (`IG_...`, `NEUTROPHIL_...`) have possible labels only.
"""

import re
from pathlib import Path
from typing import Any, Final

from lymphoscope.data.image_files import walk_files
from lymphoscope.data.manifest import POSSIBLE_LABELS, Manifest, manifest_of
from lymphoscope.data.partial_labels import join_labels
from lymphoscope.data.sources.registry import source
from lymphoscope.errors import LymphoscopeError
from lymphoscope.terminal import counted

KINDS: Final[dict[str, str | tuple[str, ...]]] = {
    "BA": "basophil",
    "EO": "eosinophil",
    "ERB": "erythroblast",
    "PMY": "promyelocyte",
    "MY": "myelocyte",
    "MMY": "metamyelocyte",
    "BNE": "band_neutrophil",
    "SNE": "segmented_neutrophil",
    "LY": "lymphocyte",
    "MO": "monocyte",
    "PLATELET": "platelet",
    "IG": ("promyelocyte", "myelocyte", "metamyelocyte"),
    "NEUTROPHIL": ("band_neutrophil", "segmented_neutrophil"),
}
"""First part of a file name -> label, or possible labels where the name does not tell them apart."""

_FOLDERS = {"basophil", "eosinophil", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil", "platelet"}
_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
_NAME = re.compile(r"(?P<kind>[A-Za-z]+)_\d+")


def looks_like_pbc(root: Path) -> bool:
    """Return whether a folder has the published folders, and its first image a published name."""
    if not {path.name.lower() for path in root.iterdir() if path.is_dir()} >= _FOLDERS:
        return False
    first = next(walk_files(root, _SUFFIXES), None)
    return first is not None and _kind(first) is not None


@source(
    "pbc", title="the folders of the Barcelona blood cells (PBC)", reads="folder", detect=looks_like_pbc, priority=2
)
def read_pbc(root: Path) -> Manifest:
    """Read the Barcelona set at `root`: labels by the names of the files. It has no subjects.

    A notice says how many images have no label. Raises LymphoscopeError: no image, a name that is not of this set.
    """
    paths = list(walk_files(root, _SUFFIXES))
    if not paths:
        raise LymphoscopeError(f"{root} contains no images: give the folder that contains basophil, eosinophil, ...")
    manifest = manifest_of([_cell(path) for path in paths], "pbc")
    unlabelled = int(manifest.table["label"].isna().sum())
    if not unlabelled:
        return manifest
    untold = "/".join(kind for kind, label in KINDS.items() if not isinstance(label, str))
    return manifest.with_table(
        manifest.table,
        f"PBC: {counted(unlabelled, 'image')} without a label, because names ({untold}) do not tell kinds apart",
    )


def _cell(path: Path) -> dict[str, Any]:
    kind = _kind(path)
    if kind is None:
        raise LymphoscopeError(
            f"{path}: not a name of the Barcelona set ({', '.join(KINDS)}, then _ and a number): "
            f"read one folder per class as folders:{path.parent.parent}"
        )
    label = KINDS[kind]
    known = {"label": label} if isinstance(label, str) else {POSSIBLE_LABELS: join_labels(label)}
    return {"path": str(path), **known}


def _kind(path: Path) -> str | None:
    match = _NAME.fullmatch(path.stem)
    kind = match["kind"].upper() if match else None
    return kind if kind in KINDS else None
