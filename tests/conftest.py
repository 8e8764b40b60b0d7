"""What several tests share: tiny cells whose classes can be told apart, and a recipe that trains on them in seconds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lymphoscope.data import COLUMNS, Manifest

TINY = (
    "model.backbone=test_resnet",
    "model.maps=4",
    "data.size=32",
    "data.fit=resize",
    "optimisation.batch_size=8",
    "optimisation.epochs=3",
    "optimisation.warmup_epochs=1",
    "hardware.precision=32-true",
    "hardware.accelerator=cpu",
)


def write_tiny_cells(folder: Path, cells: int = 6, subjects: int = 10) -> pd.DataFrame:
    """Cells of subjects of two classes told apart by a spot's colour: columns path, label, subject."""
    generator = np.random.default_rng(0)
    rows = []
    for subject in range(subjects):
        label = ("all", "hem")[subject % 2]
        for cell in range(cells):
            pixels = generator.integers(0, 60, (32, 32, 3), dtype=np.uint8)
            top, left = generator.integers(4, 18, 2)
            pixels[top : top + 10, left : left + 10, 0 if label == "all" else 2] += 150
            path = folder / label / f"S{subject}_{cell}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
            rows.append({"path": str(path), "label": label, "subject": f"S{subject}"})
    return pd.DataFrame(rows)


def split_by_hand(table: pd.DataFrame) -> Manifest:
    """Six subjects train, two validate, two test."""
    part = table["subject"].map(lambda name: "train" if name < "S6" else "validation" if name < "S8" else "test")
    return Manifest(table.assign(split=part).reindex(columns=[*COLUMNS, "split"]), "table")


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Overrides that make any recipe tiny."""
    return TINY


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a class, ten subjects S0 to S9 in the names."""
    folder = tmp_path_factory.mktemp("cells")
    write_tiny_cells(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The same cells, split by subject."""
    return split_by_hand(write_tiny_cells(tmp_path_factory.mktemp("split")))


@pytest.fixture(scope="session")
def many_tiny_cells(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Enough cells that an epoch takes a moment."""
    return split_by_hand(write_tiny_cells(tmp_path_factory.mktemp("many"), cells=40))
