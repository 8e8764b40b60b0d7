"""What the tests of the plain install share: generated cells, and the command in a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a class, six pictures each: a lilac disc on black, darker in one class."""
    folder = tmp_path_factory.mktemp("cells")
    down, across = np.mgrid[:300, :300]
    for subject in range(12):
        label = ("all", "hem")[subject % 2]
        generator = np.random.default_rng(subject)
        disc = np.hypot(down - 150, across - 150) < generator.integers(60, 100)
        colour = np.array([150, 90, 180]) - 40 * (label == "all")
        pixels = disc[..., None] * (colour + generator.normal(0, 12, (300, 300, 3)))
        path = folder / label / f"S{subject}_0.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return folder


@pytest.fixture(scope="session")
def lymphoscope() -> Run:
    """Run the installed command."""
    command = Path(sys.executable).with_name("lymphoscope")

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([command, *map(str, words)], capture_output=True, text=True, timeout=120)

    return run
