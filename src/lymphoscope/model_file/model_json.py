"""`model.json` as plain JSON: read and checked for its version, and the id of the model. Loads no schema."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lymphoscope.errors import LymphoscopeError, one_line

MODEL_JSON = "model.json"
FORMAT_VERSION = 4
IDENTITY = frozenset(
    {
        "architecture",
        "classes",
        "blast_class",
        "preprocessing",
        "test_time",
        "calibration",
        "referral",
        "weights_sha256",
    }
)
"""The keys of `model.json` that determine the predictions."""
COPY_AGAIN = "copy the model folder again from its run"

_ONLY_FOR_FIELDS = frozenset({"microns_per_pixel", "surroundings"})
"""Keys of the preprocessing that count for the identity only where they are set."""
_ID_LENGTH = 16


def read_model_json(folder: Path) -> dict[str, Any]:
    """Read the `model.json` of a model folder. Its keys are not checked, except for the version of the format.

    Raises LymphoscopeError where the file is missing, damaged or of another format.
    """
    path = folder / MODEL_JSON
    if not path.is_file():
        raise LymphoscopeError(f"{folder} is not a model: it has no {MODEL_JSON}. A run has its model in RUN/model.")
    content = _read_json(path)
    _check_version(content.get("format_version"), path)
    return content


def model_id_of(content: Mapping[str, Any]) -> str:
    """Return the id of a model from the content of its `model.json`: 16 hexadecimal digits.

    Models that predict the same have the same id.
    """
    parts = {name: content[name] for name in IDENTITY}
    preprocessing = parts["preprocessing"]
    dropped = {name for name in _ONLY_FOR_FIELDS if preprocessing.get(name) is None}
    parts["preprocessing"] = {name: value for name, value in preprocessing.items() if name not in dropped}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_ID_LENGTH]


def training_subjects(trained_on: Mapping[str, Any]) -> list[str]:
    """Return the subjects of the training and validation cells from the `trained_on` of a `model.json`."""
    parts = trained_on.get("subjects", {})
    return [*parts.get("train", ()), *parts.get("validation", ())]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number of too many digits, NaN
        raise LymphoscopeError(f"{path} is not JSON ({one_line(error)}): {COPY_AGAIN}") from error
    if not isinstance(content, dict):
        raise LymphoscopeError(f"{path} does not hold a JSON object: {COPY_AGAIN}")
    return content


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise LymphoscopeError(f"{path} cannot be read: {error.strerror}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check_version(version: object, path: Path) -> None:
    if version == FORMAT_VERSION and not isinstance(version, bool):
        return
    newer = isinstance(version, int) and version > FORMAT_VERSION
    remedy = "install a newer version" if newer else "train the model again"
    raise LymphoscopeError(
        f"{path} is of format {version}; this version of Lymphoscope reads format {FORMAT_VERSION}: {remedy}"
    )
