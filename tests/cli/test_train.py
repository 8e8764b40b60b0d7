"""`train` and `evaluate` as a person types them."""

import contextlib
import errno
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import rich
import torch

from lymphoscope.cli.main import run
from lymphoscope.data import Manifest, write_manifest

pytestmark = pytest.mark.slow

SUBJECT = r"(?P<subject>S\d+)_"
MOUNT = shutil.which("mount")


def arguments(tiny_folder: Path, out: Path, tiny: tuple[str, ...], *more: str) -> list[str]:
    sets = [word for override in tiny for word in ("--set", override)]
    return ["train", "--data", str(tiny_folder), "--subject-pattern", SUBJECT, *sets, "--out", str(out), *more]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path, tiny: tuple[str, ...]) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert run(arguments(tiny_folder, out, tiny)) == 0
    return out


def test_train_writes_a_report_and_prints_its_path(
    tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(tiny_folder, tmp_path / "run", tiny, "--json")) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["vote"]["estimates"]["weighted_f1"]["value"] <= 1
    lines = [line for line in captured.err.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 3  # one line per epoch where there is no terminal
    assert "report.html" in captured.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "optimisation.lerning_rate=1"], "unknown key `optimisation.lerning_rate`: did you mean"),
        (["--config", "fastest"], "unknown recipe 'fastest'"),
        (["--data", "nowhere"], "nowhere"),
        (["--folds", "9"], "class|subject"),
        (["--subject-pattern", "("], "pattern|regular expression"),
        pytest.param(
            ["--set", "hardware.accelerator=cuda"],
            "`hardware`: accelerator=cuda, .* does not work on this machine: ",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU"),
        ),
        (
            ["--set", "hardware.accelerator=abacus"],
            "`hardware`: accelerator=abacus, .* does not work on this machine: ",
        ),
        (["--set", "hardware.strategy=chance"], "`hardware`: .*strategy=chance does not work on this machine: "),
        (["--set", "hardware.devices=0", "--set", "hardware.accelerator=cpu"], "`hardware`: .*devices=0"),
    ],
)
def test_invalid_arguments_are_one_line_and_write_nothing(
    tiny_folder: Path, tmp_path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(tiny_folder, tmp_path / "run", (), *more)) == 2
    # A slow machine may show progress before it.
    shown = capsys.readouterr().err
    errors = [line for line in shown.splitlines() if line.startswith("lymphoscope: error: ")]
    assert errors == shown.splitlines()[-1:]
    assert re.search(message, errors[0])
    assert "Traceback" not in shown
    assert not (tmp_path / "run").exists()


def test_a_run_is_never_overwritten_and_resume_needs_a_run(
    finished: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments(tiny_folder, finished, ())) == 2
    assert "already has a run: continue it with --resume" in capsys.readouterr().err
    assert run(["train", "--resume", "--out", str(tmp_path / "none")]) == 2
    assert "has no run to resume" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_training_continues_with_resume(
    many_tiny_cells: Manifest, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    write_manifest(many_tiny_cells, tmp_path / "cells.csv")
    out = tmp_path / "run"
    sets = [word for override in tiny for word in ("--set", override)]
    command = [sys.executable, "-c", "from lymphoscope.cli.main import main; main()", "train"]
    child = subprocess.Popen(
        [*command, "--data", str(tmp_path / "cells.csv"), *sets, "--out", str(out)], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not (out / "metrics.csv").exists():
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert run(["train", "--resume", "--out", str(out)]) == 0
    assert len(pd.read_csv(out / "metrics.csv")) == 3
    assert (out / "report.html").exists()


def test_a_terminal_shows_a_progress_bar(
    tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, terminal = pty.openpty()
    pieces: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # the end of what a terminal shows is an error on Linux
            while piece := os.read(reader, 65536):
                pieces.append(piece)

    reading = threading.Thread(target=read)
    reading.start()
    with os.fdopen(terminal, "w") as screen, monkeypatch.context() as patch:
        for name in ("stdout", "stderr"):
            patch.setattr(sys, name, screen)
        patch.setattr(rich, "_console", None)  # rich's own console would go on writing to the terminal that is closed
        status = run(arguments(tiny_folder, tmp_path / "run", tiny))
    reading.join(timeout=600)
    os.close(reader)
    shown = b"".join(pieces)
    assert status == 0, shown.decode()
    assert b"Epoch" in shown
    assert b"held-out WF1S" in shown


@pytest.mark.slow
def test_two_processes_train_one_model(tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "run"
    together = ["hardware.devices=2", "hardware.strategy=ddp", "optimisation.epochs=2"]
    code = "from lymphoscope.cli.main import main; main()"
    script = tmp_path / "train.py"
    script.write_text(code)
    command = [sys.executable, str(script), *arguments(tiny_folder, out, (*tiny, *together))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("epoch 2 of 2") == 1
    assert (out / "report.html").exists()
    assert len(pd.read_csv(out / "metrics.csv")) == 2


def test_evaluate_writes_its_files_and_prints_the_report_path(
    finished: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["evaluate", str(finished / "model"), "--replicates", "100"]
    named = ["--subject-pattern", SUBJECT]
    everything = [*common, *named, "--data", str(tiny_folder), "--out", str(tmp_path / "all")]
    assert run(everything) == 2
    assert "were used in training" in capsys.readouterr().err
    assert run([*everything, "--allow-leak"]) == 0
    assert str(tmp_path / "all/report.html") in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "all").iterdir()} == {
        "predictions.parquet",
        "metrics.json",
        "model_card.md",
        "report.html",
    }
    # Most of these subjects are the ones that the model was trained on, and the page says so on its face.
    assert "trained on" in (tmp_path / "all/report.html").read_text()
    assert run([*common, "--data", str(finished / "manifest.parquet"), "--out", str(tmp_path / "test")]) == 0
    page = (tmp_path / "test/report.html").read_text()
    assert "LEAKAGE" not in page.upper().split("<MAIN>")[0]
    held_out = json.loads((tmp_path / "test/metrics.json").read_text())
    assert held_out["vote"] == json.loads((tmp_path / "test/metrics.json").read_text())["vote"]
    assert held_out["subjects"] < json.loads((tmp_path / "all/metrics.json").read_text())["subjects"]


def test_evaluate_continues_after_an_unreadable_file(finished: Path, tiny_folder: Path, tmp_path: Path) -> None:
    cells = shutil.copytree(tiny_folder, tmp_path / "cells")
    next(cells.glob("hem/*.png")).write_bytes(b"")
    out = ["--out", str(tmp_path / "out"), "--replicates", "100", "--allow-leak"]
    status = run(["evaluate", str(finished / "model"), "--data", str(cells), "--subject-pattern", SUBJECT, *out])
    assert status == 3
    assert json.loads((tmp_path / "out/metrics.json").read_text())["failed"] == 1


def test_evaluate_refuses_labels_that_the_model_does_not_have(
    finished: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_folder / "all", tmp_path / "cells/blast")
    shutil.copytree(tiny_folder / "hem", tmp_path / "cells/hem")
    assert run(["evaluate", str(finished / "model"), "--data", str(tmp_path / "cells"), "--out", str(tmp_path)]) == 2
    assert "class 'blast' of the data is not one of the model's: all, hem" in capsys.readouterr().err
    assert run(["evaluate", str(tmp_path), "--data", str(tiny_folder), "--out", str(tmp_path / "o")]) == 2
    assert "is not a model: it has no model.json" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or MOUNT is None, reason="a full disk is a small mount: needs root")
def test_a_full_disk_is_a_one_line_error(
    tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run([str(MOUNT), "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no mount is allowed here")
    try:
        status = run(arguments(tiny_folder, small / "run", tiny))
    finally:
        subprocess.run([str(shutil.which("umount")), "--lazy", str(small)], check=True)
    error = capfd.readouterr().err
    assert status == 2, error
    assert os.strerror(errno.ENOSPC).lower() in error.splitlines()[-1].lower()
    assert "Traceback" not in error
