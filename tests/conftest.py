"""What several tests share: tiny cells whose classes can be told apart, and a recipe that trains on them in seconds."""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from lymphoscope.data import COLUMNS, Manifest
from lymphoscope.errors import LymphoscopeError
from lymphoscope.inference import StreamImages
from lymphoscope.method.numpy import StreamOutputs
from lymphoscope.model_file import Architecture, Description, Preprocessing
from lymphoscope.referral import Colour, OodReference, Range, Referral, Upper

CHROMIUM = Path("/usr/bin/chromium")
TINY = (
    "model.backbone=test_resnet",
    "model.maps=4",
    "model.pretrained=false",
    "model.freeze=false",
    "model.features=null",
    "data.size=32",
    "data.crop_mode=resize",
    "optimisation.batch_size=8",
    "optimisation.epochs=3",
    "optimisation.warmup_epochs=1",
    "hardware.precision=32-true",
    "hardware.accelerator=cpu",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage in slow tests, nor where time is measured: it takes a quarter of the time.

    What is printed is of the other tests.
    """
    for item in items:
        if item.get_closest_marker("slow") or item.get_closest_marker("timing"):
            item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """Keep what the imports made out of the garbage collector, which would search it again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests marked `cuda` on a machine without a CUDA device."""
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


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


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Our caches in a temporary folder, so that tests neither read nor change those of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


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


SIDE = 40


class ByColour:
    """A runtime in NumPy: the raw stream looks at red, crop at green, erase at blue; 255 is the second class."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.batches: list[int] = []

    @property
    def options(self) -> Mapping[str, str]:
        return {"runtime": "colour"}

    def predict(self, pixels: NDArray[np.uint8]) -> StreamOutputs:
        self.batches.append(len(pixels))
        second = pixels.mean(axis=(1, 2)).T.astype(np.float32) / 255  # (3, B)
        probabilities = np.stack([1 - second, second], axis=2)  # (3, B, K)
        votes = probabilities.argmax(axis=2)
        labels = (votes.sum(axis=0) >= 2).astype(np.int64)
        agreement = (votes == labels).mean(axis=0, dtype=np.float32)
        box = [SIDE // 4, 0, SIDE // 2, SIDE]
        return StreamOutputs(
            labels, probabilities.mean(axis=0), probabilities, votes, agreement, np.array([box] * len(labels))
        )

    def predict_batches(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[StreamOutputs]:
        return (self.predict(pixels) for pixels in batches)

    def explain(self, pixels: NDArray[np.uint8]) -> StreamImages:
        raise LymphoscopeError("colours have no attention")


@pytest.fixture
def description() -> Description:
    return Description(
        name="by colour",
        architecture=Architecture(backbone="test_resnet", num_maps=4),
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(crop_mode="resize", size=SIDE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        referral=Referral(minimum_agreement=0.6, minimum_score=0.7),
        weights_sha256="0" * 64,
    )


@pytest.fixture
def ood_reference() -> OodReference:
    """Round limits, of cells that are sharp at 2.0, bright at 60 and coloured at (0.8, 1.0)."""
    return OodReference(
        share=0.99,
        cells=100,
        subjects=10,
        feature_distance=1.5,
        class_distance=Upper(middle=-0.5, high=1.5),
        feature_distance_cells=40,
        feature_distance_subjects=5,
        sharpness=Range(low=1.0, middle=2.0, high=3.0),
        brightness=Range(low=50.0, middle=60.0, high=75.0),
        touching=0.05,
        colour=Colour(centre=(0.8, 1.0), precision=((100.0, 0.0), (0.0, 100.0)), limit=3.0),
        how="by hand",
    )


@pytest.fixture
def by_colour(description: Description) -> ByColour:
    return ByColour(description)


@pytest.fixture
def paint() -> Callable[[Path, tuple[int, int, int]], Path]:
    """Write a picture of one colour, 80 wide and 60 high."""

    def painted(path: Path, colour: tuple[int, int, int]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 60), colour).save(path)
        return path

    return painted


@pytest.fixture
def colours(tmp_path: Path) -> Callable[[int], list[Path]]:
    """Write so many pictures, each of its own colour, into a folder."""

    def written(count: int) -> list[Path]:
        generator = np.random.default_rng(0)
        folder = tmp_path / "cells"
        folder.mkdir()
        paths = [folder / f"cell-{number:04d}.png" for number in range(count)]
        for path in paths:
            Image.new("RGB", (SIDE, SIDE), tuple(generator.integers(0, 256, 3).tolist())).save(path)
        return paths

    return written


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model with attention, untrained."""
    return _saved(tmp_path_factory.mktemp("attention"), "attention")


@pytest.fixture(scope="session")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model without attention, untrained."""
    return _saved(tmp_path_factory.mktemp("linear"), "linear")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with a cell, a file that is empty, and a cell wider than high, in this order."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, shape in (("a.png", (80, 80, 3)), ("c.png", (70, 90, 3))):
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(folder / name)
    (folder / "b.png").touch()
    return folder


def _saved(folder: Path, head: str) -> Path:
    import torch

    from lymphoscope.model_file import build_network, save_model

    description = Description(
        name=f"tiny {head}",
        architecture=Architecture.model_validate({"backbone": "test_resnet", "head": head, "num_maps": 4}),
        classes=("all", "hem"),
        blast_class="all",
        preprocessing=Preprocessing(
            crop_mode="center_crop", crop=64, size=64, mean=(0.5, 0.4, 0.6), std=(0.2, 0.25, 0.3)
        ),
    )
    torch.manual_seed(0)
    save_model(build_network(description.architecture, 2).eval(), description, folder)
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, one for all tests of a process; tests that need it are skipped only where it is absent."""
    if not CHROMIUM.is_file():
        pytest.skip(f"needs {CHROMIUM}: install Debian's chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()
