"""Signals, and standard streams that are closed or full, have a documented exit status and at most one line."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CODE = "from lymphoscope.cli.main import main; main()"
WAITING = """
import time, typer
from lymphoscope.cli import main
@main.app.command("predict")
def waiting() -> None:
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)
main.main()
"""
SHELL = shutil.which("sh")
FULL = Path("/dev/full")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which $LYMPHOSCOPE is the command; PIPESTATUS is not needed, as the status is printed."""
    command = f'LYMPHOSCOPE="{sys.executable} -c \'{CODE}\'"; run() {{ eval "$LYMPHOSCOPE $*"; }}; {line}'
    return subprocess.run([str(SHELL), "-c", command], capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    ("number", "status", "message"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_is_one_line_with_its_own_status_after_clean_up(number: int, status: int, message: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WAITING, "predict"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    out, err = child.communicate(timeout=600)
    assert child.returncode == status
    assert out == "cleaned up\n"
    assert err == f"lymphoscope: {message}; give the same command again to continue, if it has --out\n"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_has_its_status_and_can_be_resumed(
    number: int, status: int, tiny_folder: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    sets = [word for override in (*tiny, "optimisation.epochs=500") for word in ("--set", override)]
    source = ["--data", str(tiny_folder), "--subject-pattern", r"(?P<subject>S\d+)_"]
    command = [sys.executable, "-c", CODE, "train", *source, *sets, "--out", str(tmp_path / "run")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (tmp_path / "run/checkpoints/last.ckpt").exists():
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(number)
    _, err = child.communicate(timeout=600)
    assert child.returncode == status, err
    assert "Traceback" not in err
    assert err.splitlines()[-1].endswith("; continue with --resume")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--version", "doctor --json", "models"])
def test_a_reader_that_closes_the_pipe_gives_141_and_no_message(command: str) -> None:
    answer = shell(f"{{ run {command}; echo $? >&2; }} | head -c 0")
    assert answer.stderr.split() == ["141"]


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_one_line_and_2() -> None:
    answer = shell(f"run --version > {FULL}")
    assert answer.returncode == 2
    assert answer.stderr == "lymphoscope: error: standard output cannot be written: No space left on device\n"


def test_a_closed_standard_output_is_one_line_and_2() -> None:
    answer = shell("run --version >&-")
    assert answer.returncode == 2
    assert answer.stderr == "lymphoscope: error: standard output is closed: redirect it to a file or /dev/null\n"


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["2>&-", f"2> {FULL}"])
def test_messages_that_cannot_be_written_are_lost_and_the_work_is_done(redirection: str, tmp_path: Path) -> None:
    answer = shell(f"run data synthesize {tmp_path}/cells --subjects 2 --cells-per-subject 1 --fields 0 {redirection}")
    assert answer.returncode == 0
    assert answer.stdout.endswith("cells\n")
    assert (tmp_path / "cells/manifest.csv").is_file()


def test_an_error_without_a_standard_error_keeps_its_status() -> None:
    assert shell("run predict gone.png 2>&-").returncode == 2


@pytest.mark.slow
def test_closed_streams_never_receive_an_output_file(tmp_path: Path) -> None:
    """With all three streams closed, the first files that are opened must not become standard output or error."""
    shell(f"run data synthesize {tmp_path}/cells --subjects 2 --cells-per-subject 1 --fields 0 <&- 2>&- >/dev/null")
    assert (tmp_path / "cells/manifest.csv").read_text().startswith("path,")


def test_a_file_that_begins_with_a_dash_is_explained(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", CODE, "predict", "-dash.png"], cwd=tmp_path, capture_output=True, text=True, timeout=600,
        env=os.environ,
    )  # fmt: skip
    assert answer.returncode == 2
    assert "put -- before the files" in answer.stderr
    assert answer.stderr.count("\n") == 1
