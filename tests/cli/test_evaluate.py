"""`evaluate` and `stress` refuse options that do not apply to a cross-validation, instead of ignoring them."""

from pathlib import Path

import pytest

from lymphoscope.cli.main import run


@pytest.fixture
def cross_validation(tmp_path: Path) -> Path:
    """A run folder with one fold that has started, which is all that the commands check first."""
    fold = tmp_path / "run" / "fold_0"
    fold.mkdir(parents=True)
    (fold / "config.yaml").touch()
    return fold.parent


@pytest.mark.parametrize("command", ["evaluate", "stress"])
@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (["--part", "test"], "--part: not for a cross-validation"),
        (["--data", "SRC"], "--data: not for a cross-validation"),
        (["--erase", "on_disagreement", "--device", "cpu"], "--device, --erase: not for a cross-validation"),
        (["--allow-leak"], "--allow-leak: not for a cross-validation"),
    ],
)
def test_options_that_do_not_apply_to_a_cross_validation_are_refused(
    command: str,
    options: list[str],
    refused: str,
    cross_validation: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([command, str(cross_validation), *options, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert refused in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["evaluate", "MODEL"], "--blast-class"),
        (["evaluate", "MODEL"], "--max-cells"),
        (["score", "FILE"], "--allow-leak"),
        (["score", "FILE"], "--device"),
        (["stress", "MODEL"], "--held-out"),
    ],
)
def test_each_command_has_only_the_options_that_it_uses(
    command: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, option, "1", "--out", "out"]) == 2
    assert f"No such option: {option}" in capsys.readouterr().err
