"""Whole processes open no connection, and write no file outside their output and our cache folder."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.cli import main
from lymphoscope.privacy import NO_TELEMETRY
from lymphoscope.vocabulary import ExitStatus

pytestmark = pytest.mark.slow

MAIN = "from lymphoscope.cli.main import main; main()"


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    path = tmp_path / "cell.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)).save(path)
    return path


def clean_environment(home: Path) -> dict[str, str]:
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in (*NO_TELEMETRY, "MPLCONFIGDIR")}
    return {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "XDG_CONFIG_HOME": str(home / ".config")}


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A folder per class, four subjects of each."""
    generator = np.random.default_rng(0)
    for label in ("all", "hem"):
        (tmp_path / "cells" / label).mkdir(parents=True)
        for number in range(12):
            pixels = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "cells" / label / f"{label}{number % 4}_{number}.png")
    return tmp_path / "cells"


@pytest.fixture
def field(tmp_path: Path) -> Path:
    """A pale field with a few dark round cells on it."""
    rows, columns = np.mgrid[:600, :800]
    pixels = np.full((600, 800, 3), (235, 225, 235), dtype=np.uint8)
    for row, column in ((150, 200), (400, 600), (300, 400)):
        pixels[(rows - row) ** 2 + (columns - column) ** 2 < 30**2] = (90, 40, 130)
    Image.fromarray(pixels).save(tmp_path / "field.png")
    return tmp_path / "field.png"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder with a short name: Ray's sockets lie in it, and their names have at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="l") as folder:
        yield Path(folder).resolve()


@dataclass(frozen=True)
class Watched:
    """What a process did: the internet addresses it named, and the files it made or opened to write."""

    addresses: set[str]
    written: set[Path]


def watch(words: list[str], folder: Path, temporary: Path, status: int = 0) -> Watched:
    """Run a command under strace, with its own home, cache and temporary folder."""
    trace = folder / "trace"
    calls = "trace=connect,bind,sendto,openat,creat,mkdir,rename"
    command = ["strace", "-f", "-e", calls, "-o", str(trace), sys.executable, "-c", MAIN, *words]
    environment = {**clean_environment(folder / "home"), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    lines = trace.read_text(errors="replace").splitlines()
    return Watched(set(_addresses(lines)), {(folder / name).resolve() for name in _written(lines)})


def _addresses(lines: list[str]) -> Iterator[str]:
    for line in lines:
        for found in re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', line):
            yield "".join(found)


def _written(lines: list[str]) -> Iterator[str]:
    for line in lines:
        opened = re.search(r'openat\([^,]+, "([^"]+)", [A-Z_|]*(?:O_WRONLY|O_RDWR|O_CREAT)', line)
        made = re.search(r'(?:creat|mkdir)\("([^"]+)"', line) or re.search(r'rename\("[^"]+", "([^"]+)"', line)
        found = opened or made
        if found and not re.search(r"= -1 E", line):
            yield found[1]


def outside(watched: Watched, *allowed: Path) -> list[Path]:
    """Files that are neither below the allowed folders nor devices, nor belong to a process (/proc)."""
    inside = (*allowed, Path("/dev"), Path("/proc"))
    # A folder that contains an allowed one may be made.
    return sorted(p for p in watched.written if not any(p.is_relative_to(a) or a.is_relative_to(p) for a in inside))


TRAIN = [
    *("train", "--data", "CELLS", "--config", "quick", "--out", "OUT", "--subject-pattern", "/([a-z0-9]+)_"),
    *("--set", "model.backbone=test_resnet", "--set", "model.maps=4", "--set", "model.pretrained=false"),
    *("--set", "data.size=32", "--set", "data.crop_mode=resize", "--set", "optimisation.epochs=1"),
    *("--set", "optimisation.warmup_epochs=0"),
]
COMMANDS = {
    "predict-onnx": ["predict", "CELL", "--out", "OUT/p.csv", "--runtime", "onnx"],
    "predict-torch": ["predict", "CELL", "--out", "OUT/p.csv", "--runtime", "torch"],
    "explain": ["explain", "CELL", "--out", "OUT"],
    "doctor": ["doctor"],
    "evaluate": ["evaluate", "blast", "--data", "CELLS", "--out", "OUT", "--replicates", "100"],
    "train": TRAIN,
    "nncf": ["export", "MODEL", "--to", "openvino", "--int8", "--calibration", "CELLS", "--min-label-agreement", "0"],
    "predict-openvino": ["predict", "MODEL", "CELL", "--out", "OUT/p.csv", "--runtime", "openvino"],
    "smear": ["smear", "FIELD", "--mpp", "0.1", "--out", "OUT"],
}


@pytest.mark.skipif(shutil.which("strace") is None, reason="watches system calls with strace")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_opens_no_connection_and_writes_only_its_output(
    name: str, cell: Path, cells: Path, field: Path, tiny_model: Path, tmp_path: Path, temporary: Path
) -> None:
    out, model = tmp_path / "out", tmp_path / "model"
    out.mkdir()
    shutil.copytree(tiny_model, model)
    if name == "predict-openvino":
        assert main.run(["export", str(model), "--to", "openvino"]) == 0
    names = {"CELLS": cells, "CELL": cell, "OUT": out, "MODEL": model, "FIELD": field}
    words = [re.sub(r"^[A-Z]+", lambda found: str(names[found[0]]), word) for word in COMMANDS[name]]
    watched = watch(words, tmp_path, temporary)
    assert watched.addresses == set()
    locks = [tmp_path / ".out.lock", tmp_path / ".model.lock"]
    assert outside(watched, out, model, temporary, tmp_path / "home/.cache/lymphoscope", *locks) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="watches system calls with strace")
def test_a_local_cluster_connects_to_this_machine_only_and_sends_no_usage(
    cell: Path, tmp_path: Path, temporary: Path
) -> None:
    words = ["predict", str(cell), "--cluster", "local", "--out", str(tmp_path / "out.parquet")]
    watched = watch(words, tmp_path, temporary)
    own = {"0.0.0.0", "::", "127.0.0.1", "::1", *(info[4][0] for info in socket.getaddrinfo(socket.gethostname(), 0))}  # noqa: S104
    others = {one.removeprefix("::ffff:") for one in watched.addresses} - own
    # Ray finds its own address by the route to this one; nothing is sent there (a datagram socket is only connected).
    assert {one for one in others if not one.startswith("127.")} <= {"8.8.8.8"}
    usage = [path for path in watched.written if path.name == "usage_stats.json"]
    assert [json.loads(path.read_text()) for path in usage if path.exists()] == []


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def stop_when_it_answers(port: int, folder: Path) -> int:
    """Wait for the server that a trace in `folder` is of, ask it for a page, and terminate it."""
    status = 0
    while not status:
        time.sleep(0.2)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError:
            pass  # not yet
    (line,) = (line for line in (folder / "trace").read_text(errors="replace").splitlines() if "bind(" in line)
    os.kill(int(line.split()[0]), signal.SIGTERM)
    return status


@pytest.mark.skipif(shutil.which("strace") is None, reason="watches system calls with strace")
def test_the_review_server_listens_on_loopback_and_connects_to_nothing(
    cell: Path, tmp_path: Path, temporary: Path
) -> None:
    pytest.importorskip("fastapi")
    out, port = tmp_path / "out", free_port()
    out.mkdir()
    assert main.run(["predict", str(cell), "--out", str(out / "p.csv")]) == 0
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(stop_when_it_answers, port, tmp_path)
        words = ["review", "serve", str(out / "p.csv"), "--port", str(port)]
        watched = watch(words, tmp_path, temporary, status=ExitStatus.TERMINATED)
        assert answer.result() == 401  # nobody has logged in
    lines = (tmp_path / "trace").read_text(errors="replace").splitlines()
    assert [line for line in lines if " connect(" in line and "AF_INET" in line] == []
    assert watched.addresses == {"127.0.0.1"}
    assert outside(watched, out, temporary, tmp_path / "home/.cache/lymphoscope") == []


def test_telemetry_is_off_before_any_library_is_imported_and_the_user_can_turn_it_on() -> None:
    code = "import os, lymphoscope; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['RAY_USAGE_STATS_ENABLED'])"
    kept = {name: value for name, value in os.environ.items() if name not in NO_TELEMETRY}
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, env=kept, capture_output=True, text=True, check=True).stdout == "1 0\n"
    chosen = {**kept, "ORT_DISABLE_TELEMETRY": "0"}
    assert subprocess.run(run, env=chosen, capture_output=True, text=True, check=True).stdout == "0 0\n"
