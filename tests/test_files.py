"""Atomic writes that survive a power cut, and locks between processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import output_lock, written_beside

HOLD = """
import sys
from pathlib import Path
from lymphoscope.files import output_lock
with output_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_file_is_on_the_disk_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def record(descriptor: int) -> None:
        steps.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    monkeypatch.setattr(os, "fsync", record)
    with written_beside(tmp_path / "a.txt") as beside:
        beside.write_text("a")
    assert steps == [str(beside), str(tmp_path)]
    with written_beside(tmp_path / "b.txt", durable=False) as beside:
        beside.write_text("b")
    assert len(steps) == 2


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to(tmp_path / "target.txt")
    with written_beside(tmp_path / "link.txt") as beside:
        beside.write_text("text")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "text"


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_the_lock_of_another_process_holds_until_it_ends(tmp_path: Path, end: str) -> None:
    out = tmp_path / "out.csv"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
    with pytest.raises(LymphoscopeError, match=rf"another run \(process {holder.pid}\)"), output_lock(out):
        pass
    holder.kill() if end == "killed" else holder.communicate()
    holder.wait()
    holder.communicate()
    with output_lock(out):
        assert (tmp_path / ".out.csv.lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_in_the_folder_if_nothing_can_be_written_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr("os.access", lambda path, _: Path(path) == out)  # root may write anywhere
    with output_lock(out):
        assert list(tmp_path.rglob("*lock")) == [out / ".lock"]
    assert list(out.iterdir()) == []


def test_a_fifo_a_device_and_a_folder_are_refused_and_stay(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(os.devnull)
    for name, kind in (("pipe.csv", "not a regular file"), ("folder.csv", "a folder"), ("link.csv", "not a regular")):
        with pytest.raises(LymphoscopeError, match=kind), written_beside(tmp_path / name):
            pass
    assert (tmp_path / "pipe.csv").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.csv", "link.csv", "pipe.csv"]
