"""What a run says is heard once, and kept."""

import logging
from pathlib import Path

import pytest

from lymphoscope.runs.log import logged, say


def test_a_run_inside_a_run_is_heard_once_and_kept_in_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logged(tmp_path / "outer.txt"), logged(tmp_path / "inner.txt"):
        say("fold 1 of 2")
    say("nobody listens")
    assert capsys.readouterr().err == "fold 1 of 2\n"
    assert all("fold 1 of 2" in (tmp_path / name).read_text() for name in ("outer.txt", "inner.txt"))


def test_handlers_of_others_do_not_silence_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = logging.FileHandler(tmp_path / "other.txt")
    logging.getLogger("lymphoscope.runs").addHandler(other)
    try:
        with logged(tmp_path / "log.txt"):
            say("training")
    finally:
        logging.getLogger("lymphoscope.runs").removeHandler(other)
        other.close()
    assert capsys.readouterr().err == "training\n"


def test_the_other_processes_of_a_training_are_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with logged(tmp_path / "log.txt"):
        say("training")
    assert capsys.readouterr().err == ""
