"""`evaluate` refuses words that say nothing of what it judges, instead of passing over them."""

from pathlib import Path

import pytest

from lymphoscope.cli.main import run


@pytest.fixture
def cross_validation(tmp_path: Path) -> Path:
    """As far as `evaluate` looks before it refuses: a run with a fold that was begun."""
    fold = tmp_path / "run" / "fold_0"
    fold.mkdir(parents=True)
    (fold / "config.yaml").touch()
    return fold.parent


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        (["RUN", "--part", "test"], "--part: not for a cross-validation"),
        (["RUN", "--data", "SRC"], "--data: not for a cross-validation"),
        (["RUN", "--erase", "always", "--device", "cpu"], "--device, --erase: not for a cross-validation"),
        (["RUN", "--show-leak"], "--show-leak: not for a cross-validation"),
        (["--predictions", "P.csv", "--shift"], "--shift: not for predictions alone"),
        (["--predictions", "P.csv", "--allow-leak"], "--allow-leak: not for predictions alone"),
        (["MODEL", "--data", "SRC", "--blast-class", "all"], "--blast-class: not for a model"),
        (["MODEL", "--predictions", "P.csv"], "name one of them"),
        ([], "name a MODEL and its cells"),
    ],
)
def test_idle_words_are_named(
    words: list[str], idle: str, cross_validation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(cross_validation) if word == "RUN" else word for word in words]
    assert run(["evaluate", *given, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert idle in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
