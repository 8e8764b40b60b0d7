"""A model in NumPy that knows at which scale it takes cells, and small synthetic smears."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lymphoscope.inference import Model
from lymphoscope.model_file import Description
from lymphoscope.smear import FieldInput, RunOptions, SmearResult, load_detector, run_smear
from lymphoscope.synthetic import SmearSettings, TrueCell, synthesize_smear
from lymphoscope.synthetic.images import FieldImage, draw_field_image
from lymphoscope.synthetic.settings import SynthesisSettings
from lymphoscope.synthetic.subjects import draw_subject

APART = SmearSettings(fields=2, width=640, height=480, white_cells=5, touching_pairs=0, cut_cells=0)
"""Two fields whose white cells do not touch."""


def scaled(description: Description, **changes: Any) -> Description:
    """The description with the scale of the fields of `APART`."""
    how = {"microns_per_pixel": 0.2, "surroundings": "kept", "crop": 120, **changes}
    return description.model_copy(update={"preprocessing": description.preprocessing.model_copy(update=how)})


@pytest.fixture
def model(by_colour: Any, description: Description) -> Model:
    by_colour.description = scaled(description)
    return Model(by_colour)


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[TrueCell]]:
    """A folder with two fields, and their true cells."""
    folder = tmp_path_factory.mktemp("apart")
    return folder / "fields", synthesize_smear(folder, APART)


@pytest.fixture
def count(model: Model, tmp_path: Path) -> Callable[..., SmearResult]:
    """Run the whole pipeline on some fields at 0.14 microns per pixel."""

    def run(*paths: Path, **options: Any) -> SmearResult:
        settings = {"microns_per_pixel": 0.14, "workers": 2, **options}
        out = settings.pop("out", tmp_path / "out")
        return run_smear(
            model, load_detector("classical"), [FieldInput(path) for path in paths], out, RunOptions(**settings)
        )

    return run


@pytest.fixture(scope="session")
def scaled_model(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A real model, untrained, that says at which scale it takes cells."""
    folder = tmp_path_factory.mktemp("scaled") / "model"
    shutil.copytree(tiny_model, folder)
    described = json.loads((folder / "model.json").read_text())
    described["preprocessing"] |= {"microns_per_pixel": 0.3, "surroundings": "kept"}
    (folder / "model.json").write_text(json.dumps(described))
    return folder


@pytest.fixture(scope="session")
def drawn_field() -> Callable[[int], FieldImage]:
    """A synthetic field of 640x480 at 7.5 pixels per micron, by seed."""

    def draw(seed: int) -> FieldImage:
        rng = np.random.default_rng(seed)
        subject = draw_subject(f"subject-{seed}", "all" if seed % 2 else "hem", rng)
        return draw_field_image(subject, SynthesisSettings(subjects=2), rng)

    return draw
