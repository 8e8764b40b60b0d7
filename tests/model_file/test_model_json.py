"""Id and training subjects of a model, read from `model.json` without its schema, are those of the schema."""

import json
from pathlib import Path

import pytest

from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file import load_description, shipped, shipped_models, subjects_of_shipped_model
from lymphoscope.model_file.model_json import model_id_of, read_model_json


@pytest.mark.parametrize("folder", shipped_models().values(), ids=shipped_models())
def test_the_id_from_the_json_is_that_of_the_schema(folder: Path) -> None:
    assert model_id_of(read_model_json(folder)) == load_description(folder).model_id


def test_the_subjects_of_a_shipped_model_are_those_of_its_training_and_validation() -> None:
    for folder in shipped_models().values():
        description = load_description(folder)
        parts = description.trained_on["subjects"]
        assert subjects_of_shipped_model(description.model_id) == [*parts["train"], *parts["validation"]]


def test_an_unknown_id_is_of_no_shipped_model() -> None:
    assert subjects_of_shipped_model("0123456789abcdef") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preprocessing": "none"}, r"model\.json is damaged: install Lymphoscope again"),
        ({"format_version": 3}, r"model\.json is of format 3; this version of Lymphoscope reads format 4"),
        ({"weights_sha256": None, "trained_on": None}, r"model\.json is damaged: install Lymphoscope again"),
    ],
)
def test_a_damaged_shipped_model_is_named(
    change: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = read_model_json(shipped_models()["blast"]) | change
    (tmp_path / "blast").mkdir()
    (tmp_path / "blast" / "model.json").write_text(json.dumps(content))
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    wanted = "any" if isinstance(content["preprocessing"], str) else model_id_of(content)
    with pytest.raises(LymphoscopeError, match=message):
        subjects_of_shipped_model(wanted)
