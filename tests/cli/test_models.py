"""`models` lists what ships, and every command takes those names."""

import json
from pathlib import Path

import pytest

from lymphoscope import load
from lymphoscope.cli.main import run
from lymphoscope.model_file import (
    default_model,
    load_description,
    resolve_model,
    shipped as shipped_module,
    shipped_models,
)


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_is_listed_with_its_facts(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--json"]) == 0
    listed = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
    described = load_description(shipped_models()[name])
    assert set(listed[name]["classes"]) == set(described.classes)
    assert listed[name]["limits"] == described.limits
    assert run(["models"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"{described.scores['auc']['value']:.3f}" in text
    assert "not a medical device" in text
    assert f"{described.scores['referral']['fraction']:.0%} of these cells were referred to a person" in text


def test_scores_that_a_model_does_not_have_are_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models"]) == 0
    text = capsys.readouterr().out
    assert "none" not in text
    assert " of 0 subjects" not in text


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_is_loaded_by_name(name: str) -> None:
    assert load(name).description.weights_sha256 == load_description(resolve_model(name)).weights_sha256


def test_the_default_model_is_the_first_that_ships() -> None:
    assert resolve_model(None) == shipped_models()[default_model()]


def test_a_path_is_a_folder_even_if_a_shipped_model_has_its_name() -> None:
    assert resolve_model("./blast") == Path("blast")
    assert resolve_model("runs/one/model") == Path("runs/one/model")


def test_blast_comes_first_and_unknown_names_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("other", "white-cells", "blast"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").touch()
    monkeypatch.setattr(shipped_module, "_FOLDER", tmp_path)
    assert list(shipped_models()) == ["blast", "white-cells", "other"]


def test_predict_takes_the_name_of_a_shipped_model(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell = next((tiny_folder / "all").glob("*.png"))
    assert run(["predict", "--model", default_model(), str(cell)]) == 0
    assert "No model given" not in capsys.readouterr().err


def test_an_unknown_model_is_a_one_line_error(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--model", "blasts", str(tiny_folder)]) == 2
    assert "blasts" in capsys.readouterr().err
