"""The command as a person meets it: help, one line for what can be mended, a traceback for what cannot."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lymphoscope.cli import main
from lymphoscope.errors import LymphoscopeError

HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "pydantic",
    "pandas",
    "numpy",
    "PIL",
    "scipy",
    "sklearn",
    "matplotlib",
)


def in_a_process(*arguments: str, before: str = "", after: str = "") -> subprocess.CompletedProcess[str]:
    code = f"from lymphoscope.cli import main\n{before}\ntry: main.main()\nfinally:\n  {after or 'pass'}"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=600)


def with_command(body: str) -> subprocess.CompletedProcess[str]:
    return in_a_process("extra", before=f"import typer\n@main.app.command('extra')\ndef extra() -> None: {body}")


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(**_: object) -> int:
        raise error

    monkeypatch.setattr(main, "app", fail)


def only_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    return captured.err.rstrip("\n")


def test_help_begins_with_what_the_software_is_and_is_not() -> None:
    answer = in_a_process("--help")
    assert answer.returncode == 0
    assert "not a medical device" in " ".join(answer.stdout.split()[:45])
    assert "Traceback" not in answer.stderr


def test_help_imports_nothing_heavy() -> None:
    answer = in_a_process("--help", after=f"import sys; print([name for name in {HEAVY} if name in sys.modules])")
    assert answer.stdout.splitlines()[-1] == "[]"


@pytest.mark.timing
def test_help_takes_less_than_half_a_second() -> None:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        in_a_process("--help")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5  # the fastest: what the code takes, whatever else the machine is doing


def test_version_is_one_line() -> None:
    answer = in_a_process("--version")
    assert answer.returncode == 0
    assert answer.stdout.startswith("lymphoscope ")
    assert len(answer.stdout.splitlines()) == 1


def test_without_arguments_the_help_is_shown_and_the_exit_status_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([]) == 2
    assert "Usage: lymphoscope" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["docto"], "Did you mean 'doctor'?"),
        (["doctor", "--jsn"], "--json"),
        (["doctor", "more"], "lymphoscope doctor --help"),
        (["--nonsense"], "lymphoscope --help"),
    ],
)
def test_invalid_arguments_are_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == 2
    line = only_line(capsys)
    assert line.startswith("lymphoscope: error: ")
    assert says in line


def test_an_error_with_several_lines_is_printed_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, LymphoscopeError("cells.csv: no column path:\n  add one"))
    assert main.run([]) == 2
    assert only_line(capsys) == "lymphoscope: error: cells.csv: no column path: add one"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(("name", "where"), [("model/weights", " while writing model/weights"), (None, "")])
def test_a_full_disk_is_one_line_with_advice(
    number: int,
    name: str | None,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raising(monkeypatch, OSError(number, os.strerror(number), name) if name else OSError(number, "full"))
    assert main.run([]) == 2
    line = only_line(capsys)
    assert line == f"lymphoscope: error: no space left on device{where}: free some space or choose another --out"


def test_a_full_disk_during_a_rename_names_the_target(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, OSError(errno.ENOSPC, "full", "beside", None, "runs/last.ckpt"))
    assert main.run([]) == 2
    assert " while writing runs/last.ckpt:" in only_line(capsys)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EROFS])
def test_path_errors_name_the_path(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, OSError(number, os.strerror(number), "cells.csv"))
    assert main.run([]) == 2
    assert only_line(capsys) == f"lymphoscope: error: {os.strerror(number)}: cells.csv"


@pytest.mark.parametrize("fault", [OSError(errno.EIO, "read error"), ValueError("ours"), RuntimeError("ours")])
def test_a_bug_is_not_hidden(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, fault)
    with pytest.raises(type(fault)):
        main.run([])


def test_a_bug_exits_with_1_and_its_traceback() -> None:
    answer = with_command("1 / 0")
    assert answer.returncode == 1
    assert answer.stderr.startswith("Traceback")
    assert answer.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_an_interrupt_is_one_line_and_exits_with_130() -> None:
    answer = with_command("raise KeyboardInterrupt")
    assert (answer.returncode, answer.stderr) == (130, "lymphoscope: interrupted\n")


def test_the_exit_status_of_a_command_is_passed_on() -> None:
    answer = with_command("raise typer.Exit(3)")
    assert (answer.returncode, answer.stderr) == (3, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "GONE/cell.png"],
        ["predict", "--model", "GONE", "GONE/cell.png"],
        ["explain", "GONE/cell.png", "--out", "OUT"],
        ["evaluate", "GONE", "--data", "GONE", "--out", "OUT"],
        ["train", "--data", "GONE", "--out", "OUT"],
        ["train", "--config", "GONE.yaml", "--data", "GONE", "--out", "OUT"],
        ["train", "--resume", "--out", "GONE"],
        ["data", "audit", "GONE"],
        ["data", "split", "GONE", "--out", "OUT.csv"],
        ["demo", "--data", "GONE", "--out", "OUT"],
    ],
    ids=" ".join,
)
def test_every_command_names_a_missing_path_in_one_line(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main.run([word.replace("GONE", f"{tmp_path}/gone").replace("OUT", f"{tmp_path}/out") for word in arguments])
        == 2
    )
    output = capsys.readouterr()
    errors = [line for line in output.err.splitlines() if line.startswith("lymphoscope: error: ")]
    assert len(errors) == 1
    assert "gone" in errors[0]
    assert "Traceback" not in output.err
