"""A part of `model.json`, as pydantic reads and writes it."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Unknown keys are refused by name, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
