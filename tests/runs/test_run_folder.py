"""The log of a run."""

import logging
from pathlib import Path

import pytest

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
