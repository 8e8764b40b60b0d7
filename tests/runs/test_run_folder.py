"""The log of a run."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.runs import RunFolder, log


def test_nested_run_prints_once_and_logs_to_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunFolder(tmp_path / "outer").logged(), RunFolder(tmp_path / "outer/inner").logged():
        log("fold 1 of 2")
    log("not logged")
    assert capsys.readouterr().err == "fold 1 of 2\n"
    assert all("fold 1 of 2" in (tmp_path / name).read_text() for name in ("outer/log.txt", "outer/inner/log.txt"))


def test_other_handlers_do_not_suppress_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = logging.FileHandler(tmp_path / "other.txt")
    logging.getLogger("lymphoscope.runs").addHandler(other)
    try:
        with RunFolder(tmp_path).logged():
            log("training")
    finally:
        logging.getLogger("lymphoscope.runs").removeHandler(other)
        other.close()
    assert capsys.readouterr().err == "training\n"


def test_other_processes_of_a_training_print_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with RunFolder(tmp_path).logged():
        log("training")
    assert capsys.readouterr().err == ""


HOLDER = """
import sys
from pathlib import Path
from lymphoscope.runs import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_folder_in_use_is_refused_until_the_other_process_ends(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    command = [sys.executable, "-c", HOLDER, str(folder.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(LymphoscopeError, match="run is in use by another run"), folder.locked():
            pass
        holder.kill()
    with folder.locked():
        assert not folder.path.exists()
    assert list(tmp_path.iterdir()) == []


def test_refused_work_leaves_no_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(LymphoscopeError, match="refused"), folder.locked():
        raise LymphoscopeError("refused")
    assert not folder.path.exists()
