"""In a read-only container without a home folder and without a writable temporary folder, every command runs.

The container is a mount namespace in which everything is read-only but one volume for the output.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MAIN = "from lymphoscope.cli.main import main; main()"
# Everything is mounted read-only, the shared memory too, and then the output writable over it.
SETUP = (
    'mount --bind "$0" "$0" && mount -t tmpfs -o ro none /dev/shm && mount -o remount,ro,bind / && cd / && '
    '! touch /tmp/x 2>/dev/null && shift && exec env -i PATH="$PATH" PYTHONPATH="$PYTHONPATH" OMP_NUM_THREADS=1 "$@"'
)


def can_mount() -> bool:
    if not (shutil.which("unshare") and Path("/dev/shm").is_dir()):  # noqa: S108
        return False
    test = [
        "unshare",
        "-m",
        "sh",
        "-c",
        "mount --bind /dev/shm /dev/shm && mount -o remount,ro,bind / && ! touch /tmp/x",
    ]
    return subprocess.run(test, capture_output=True).returncode == 0


pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_mount(), reason="needs the right to mount")]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("volume")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    generator = np.random.default_rng(0)
    for label in ("all", "hem"):
        (folder / label).mkdir()
        for number in range(12):
            pixels = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{label}{number % 4}_{number}.png")
    return folder


@pytest.fixture(scope="module")
def run(volume: Path, cells: Path) -> Run:
    def in_container(*words: str) -> subprocess.CompletedProcess[str]:
        replaced = [word.replace("VOLUME", str(volume)).replace("CELLS", str(cells)) for word in words]
        command = ["unshare", "-m", "sh", "-c", SETUP, str(volume), "-", sys.executable, "-c", MAIN, *replaced]
        source = str(Path(__file__).parents[1] / "src")
        return subprocess.run(
            command, env={**os.environ, "PYTHONPATH": source}, capture_output=True, text=True, timeout=300
        )

    return in_container


TINY = "model.backbone=test_resnet model.maps=4 model.pretrained=false data.size=32 data.crop_mode=resize"
TRAIN = [
    *("train", "--data", "CELLS", "--config", "quick", "--out", "VOLUME/run", "--subject-pattern", "/([a-z0-9]+)_"),
    *(word for one in f"{TINY} optimisation.epochs=1 optimisation.warmup_epochs=0".split() for word in ("--set", one)),
]


@pytest.mark.parametrize(
    "words",
    [
        ["models"],
        ["predict", "CELLS/all/all0_0.png"],
        ["predict", "CELLS", "--out", "VOLUME/p.csv"],
        ["explain", "CELLS/all", "--out", "VOLUME/explained"],
        ["data", "audit", "CELLS"],
        ["data", "split", "CELLS", "--subject-pattern", "/([a-z0-9]+)_", "--out", "VOLUME/split.csv"],
        ["data", "synthesize", "VOLUME/cells", "--subjects", "2", "--cells-per-subject", "1", "--fields", "0"],
        ["evaluate", "blast", "--data", "CELLS", "--out", "VOLUME/evaluated", "--replicates", "100"],
        ["score", "VOLUME/p.csv", "--data", "CELLS", "--out", "VOLUME/scored", "--replicates", "100"],
        TRAIN,
        ["export", "VOLUME/run/model", "--to", "onnx"],
        ["stress", "VOLUME/run/model", "--data", "CELLS", "--allow-leak", "--only", "corruptions", "--max-cells", "10",
         "--replicates", "100", "--out", "VOLUME/stressed"],
        ["reproduce", "table3", "--counts-only", "--only", "resnet18_without", "--out", "VOLUME/table3"],
    ],
    ids=lambda words: "-".join(words[:2]),
)  # fmt: skip
def test_a_command_runs(run: Run, volume: Path, words: list[str]) -> None:
    """Each by itself: tests may run in any order and process, so what a command needs is made first."""
    model = volume / "run" / "model" / "model.json"
    if words is TRAIN:
        shutil.rmtree(volume / "run", ignore_errors=True)
    elif "VOLUME/run/model" in words and not model.is_file():
        assert run(*TRAIN).returncode == 0
    elif words[:2] == ["score", "VOLUME/p.csv"] and not (volume / "p.csv").is_file():
        assert run("predict", "CELLS", "--out", "VOLUME/p.csv").returncode == 0
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "atplotlib" not in done.stderr
    assert "Fontconfig" not in done.stderr  # what fc-list prints, where it is installed


def test_doctor_says_what_does_not_work_without_any_temporary_folder(run: Run) -> None:
    done = run("doctor")
    assert done.returncode in (0, 3), done.stderr
    assert "shipped model with onnx" in done.stdout
    assert "Traceback" not in done.stderr


def test_an_output_that_cannot_be_written_is_one_line(run: Run, cells: Path) -> None:
    done = run("predict", "CELLS", "--out", str(cells / "p.csv"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("lymphoscope: error: Read-only file system: ")
