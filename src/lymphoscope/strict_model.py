"""The base of every schema. Apart from `vocabulary`, because importing pydantic takes longer than `--help` may."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A pydantic model that refuses unknown keys and does not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)
