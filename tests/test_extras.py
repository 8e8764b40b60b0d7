"""The plain install and its extras: who brings what, and what is said where one is absent."""

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lymphoscope import extras
from lymphoscope.cli import main
from lymphoscope.errors import LymphoscopeError

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def brought_by(lines: list[str]) -> set[str]:
    """The packages of requirements, without extras of our own."""
    return {canonicalize_name(Requirement(line).name) for line in lines} - {"lymphoscope"}


@pytest.mark.slow
@pytest.mark.parametrize("extra", extras.EXTRAS)
def test_each_extra_installs_the_modules_listed_for_it(extra: str) -> None:
    distributions = packages_distributions()
    own = brought_by(PROJECT["optional-dependencies"][extra])
    for module in extras.EXTRAS[extra]:
        assert {canonicalize_name(name) for name in distributions[module]} & own, module


def test_the_plain_install_has_no_module_of_an_extra() -> None:
    plain, distributions = brought_by(PROJECT["dependencies"]), packages_distributions()
    modules = {module for of_one in extras.EXTRAS.values() for module in of_one}
    assert not plain & {canonicalize_name(name) for module in modules for name in distributions[module]}


def test_the_page_of_the_install_lists_every_extra() -> None:
    page = (Path(__file__).parents[1] / "docs/how-to/install.md").read_text(encoding="utf-8")
    assert [name for name in PROJECT["optional-dependencies"] if f"| `{name}` |" not in page] == []


def test_require_accepts_installed_extras() -> None:
    for extra in extras.EXTRAS:
        extras.require(extra, "this")


def test_a_missing_extra_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(LymphoscopeError, match=r"^training needs torch, .*: pip install 'lymphoscope\[train\]'$"):
        extras.require("train", "training")


def test_a_failed_import_names_the_extra_that_provides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ModuleNotFoundError("No module named 'ray'", name="ray.data")
    assert extras.explain_missing(error) is None  # it is installed: the fault lies elsewhere
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    assert "'lymphoscope[cluster]'" in str(extras.explain_missing(error))
    assert (
        extras.explain_missing(ModuleNotFoundError("No module named 'lymphoscope.gone'", name="lymphoscope.gone"))
        is None
    )


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["train", "--data", "cells", "--out", "OUT"], "train"),
        (["demo", "--out", "OUT"], "train"),
        (["predict", "CELL", "--out", "OUT.parquet"], "parquet"),
        (["compare", "OUT.parquet", "OUT.parquet"], "parquet"),
        (["data", "split", "OUT.parquet", "--out", "OUT.csv"], "parquet"),
    ],
    ids=" ".join,
)
def test_a_command_reports_a_missing_extra_before_it_starts(
    arguments: list[str],
    extra: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for place in ("cell.png", "out.parquet"):
        (tmp_path / place).touch()
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    arguments = [word.replace("OUT", f"{tmp_path}/out").replace("CELL", f"{tmp_path}/cell.png") for word in arguments]
    assert main.run(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("lymphoscope: error: ")
    assert error.endswith(f"pip install 'lymphoscope[{extra}]'")
    assert not (tmp_path / "out").exists()


def test_a_missing_module_of_an_extra_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cells.parquet").write_bytes(b"a table")
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "pyarrow" else object())
    assert main.run(["data", "audit", str(tmp_path / "cells.parquet")]) == 2
    assert "pip install 'lymphoscope[parquet]'" in capsys.readouterr().err


def test_a_missing_module_of_lymphoscope_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> int:
        raise ModuleNotFoundError("No module named 'lymphoscope.gone'", name="lymphoscope.gone")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(ModuleNotFoundError, match="gone"):
        main.run([])
