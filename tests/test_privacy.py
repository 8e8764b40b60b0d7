"""Whole processes open no connection, and write no file outside their output and our cache folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lymphoscope.privacy import NO_TELEMETRY

pytestmark = pytest.mark.slow

MAIN = "from lymphoscope.cli.main import main; main()"
NETWORK_CALLS = ("AF_INET", "AF_INET6")


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    path = tmp_path / "cell.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)).save(path)
    return path


def clean_environment(home: Path) -> dict[str, str]:
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in (*NO_TELEMETRY, "MPLCONFIGDIR")}
    return {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "XDG_CONFIG_HOME": str(home / ".config")}


@pytest.mark.skipif(shutil.which("strace") is None, reason="watches system calls with strace")
@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "CELL", "--out", "OUT.csv", "--runtime", "onnx"],
        ["predict", "CELL", "--out", "OUT.csv", "--runtime", "torch"],
        ["explain", "CELL", "--out", "OUT"],
        ["doctor"],
    ],
    ids=["predict-onnx", "predict-torch", "explain", "doctor"],
)
def test_a_command_opens_no_connection_and_writes_only_its_output(
    arguments: list[str], cell: Path, tmp_path: Path
) -> None:
    home, out, trace = tmp_path / "home", tmp_path / "out", tmp_path / "trace"
    words = [word.replace("CELL", str(cell)).replace("OUT", str(out)) for word in arguments]
    command = ["strace", "-f", "-e", "trace=socket,connect", "-o", str(trace), sys.executable, "-c", MAIN, *words]
    done = subprocess.run(command, env=clean_environment(home), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line for line in trace.read_text().splitlines() if any(call in line for call in NETWORK_CALLS)] == []
    ours = home / ".cache" / "lymphoscope"
    assert [path for path in home.rglob("*") if path.is_file() and not path.is_relative_to(ours)] == []


def test_telemetry_is_off_before_any_library_is_imported_and_the_user_can_turn_it_on() -> None:
    code = "import os, lymphoscope; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['RAY_USAGE_STATS_ENABLED'])"
    kept = {name: value for name, value in os.environ.items() if name not in NO_TELEMETRY}
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, env=kept, capture_output=True, text=True, check=True).stdout == "1 0\n"
    chosen = {**kept, "ORT_DISABLE_TELEMETRY": "0"}
    assert subprocess.run(run, env=chosen, capture_output=True, text=True, check=True).stdout == "0 0\n"
