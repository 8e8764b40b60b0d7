"""The base of every schema. Apart from `vocabulary`, because importing pydantic takes longer than `--help` may."""

from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError


class StrictModel(BaseModel):
    """A pydantic model that refuses unknown keys and does not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def is_true(value: Any) -> bool:
    """Whether a value that was not validated yet, perhaps text, means true."""
    try:
        return bool(TypeAdapter(bool).validate_python(value))
    except ValidationError:
        return False


def explicit_keys(content: Any, section: str) -> dict[str, Any] | None:
    """Return the keys that a section of `content` sets, before validation; None if it is not a section."""
    keys = content.get(section, {}) if isinstance(content, dict) else None
    if isinstance(keys, BaseModel):
        return keys.model_dump(exclude_unset=True)
    return keys if isinstance(keys, dict) else None
