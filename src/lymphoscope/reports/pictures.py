"""Explanations as files: a picture a cell, under names that never overwrite each other."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lymphoscope.files import written_beside
from lymphoscope.inference import Explanation
from lymphoscope.reports.explain import explanation_panel

LONGEST_NAME = 60


def write_pictures(seen: Iterable[Explanation], names: Sequence[str], folder: Path) -> Iterator[dict[str, Any]]:
    """Draw each explanation into `folder`; yield its row of the predictions with `picture`, None where unreadable."""
    for cell, name in zip(seen, names, strict=True):
        if cell.pictures is None:
            yield {**cell.row, "picture": None}
            continue
        with written_beside(folder / name) as beside:
            beside.write_bytes(explanation_panel(cell))
        yield {**cell.row, "picture": name}


def picture_names(paths: Sequence[str]) -> list[str]:
    """A name for the picture of each cell, after its file; a number follows where the name is taken.

    Names that differ in case alone count as one: some disks do not tell them apart.
    """
    names: list[str] = []
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    for path in paths:
        stem = name = Path(path).stem[:LONGEST_NAME]
        while name.casefold() in taken:
            counts[stem.casefold()] += 1
            name = f"{stem}-{counts[stem.casefold()] + 1}"
        taken.add(name.casefold())
        names.append(f"{name}.png")
    return names
