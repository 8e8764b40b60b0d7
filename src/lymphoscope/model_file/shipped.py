"""The models that ship with the package, by name. A new one is a model folder beside this file."""

from pathlib import Path
from typing import TYPE_CHECKING

from lymphoscope.errors import LymphoscopeError
from lymphoscope.model_file.model_json import MODEL_JSON, model_id_of, read_model_json, training_subjects

if TYPE_CHECKING:
    from lymphoscope.model_file.description import Description

_FOLDER = Path(__file__).parent
_ORDER = ("blast", "white-cells")
"""The first of these that is there is the default model; other names follow in alphabetical order."""


def shipped_models() -> dict[str, Path]:
    """Return the models that ship: name -> model folder, the default model first."""
    names = [path.parent.name for path in _FOLDER.glob("*/model.json")]
    ordered = sorted(names, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    return {name: _FOLDER / name for name in ordered}


def default_model() -> str:
    """Return the name of the model that is used if none is given."""
    return next(iter(shipped_models()))


def resolve_model(model: str | Path | None) -> Path:
    """Return the folder of a model: a shipped model by name, the default model for None, else the path itself.

    The name of a shipped model takes precedence over a folder of that name; write `./NAME`, or a Path, for the folder.
    """
    shipped = shipped_models()
    if model is None:
        return shipped[default_model()]
    return shipped[model] if isinstance(model, str) and model in shipped else Path(model)


def default_model_notice(description: "Description") -> str:
    """Return the line to show where no model was named: which one is used, for what, and its first limit."""
    limit = (description.limits or "Its limits are not documented.").partition(". ")[0].rstrip(".")
    purpose = f" {description.purpose}" if description.purpose else ""
    return f"No model given: using the {default_model()} model.{purpose} {limit}. More: lymphoscope models"


def subjects_of_shipped_model(model_id: str) -> list[str] | None:
    """Return the training and validation subjects of the shipped model with this id; None if no such model ships.

    Raises LymphoscopeError for a damaged `model.json`.
    """
    for folder in shipped_models().values():
        content = read_model_json(folder)
        try:
            if model_id_of(content) == model_id:
                return training_subjects(content["trained_on"])
        except (AttributeError, KeyError, TypeError) as error:
            raise LymphoscopeError(f"{folder / MODEL_JSON} is damaged: install Lymphoscope again") from error
    return None
