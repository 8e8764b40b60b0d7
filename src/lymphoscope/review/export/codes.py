"""The table of codes by which other systems know the classes: LOINC by default, in a file that can be edited."""

from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import Field, ValidationError

from lymphoscope.errors import LymphoscopeError, one_line
from lymphoscope.strict_model import StrictModel

SHIPPED: Final = Path(__file__).parent / "loinc.yaml"


class Code(StrictModel):
    """A code and its name in the code system."""

    code: Annotated[str, Field(pattern=r"^[\w.-]{1,40}$", description="The code.")]
    display: Annotated[str, Field(min_length=1, max_length=200, description="Its name in the code system.")]
    verified: bool = Field(
        default=True, description="Whether code and name were compared with the code system. False: it is not exported."
    )


class Codes(StrictModel):
    """The content of a code table."""

    system: str = Field(description="Address of the code system, for FHIR.")
    hl7_system: str = Field(description="Name of the code system in HL7 version 2, such as LN.")
    panel: Code = Field(description="The code of the whole differential count.")
    classes: dict[str, Code] = Field(description="Class of cells -> its code. A class without one is exported by name.")

    def of_class(self, name: str) -> Code | None:
        """Return the code of a class of cells; None if it has none, or none that was verified."""
        code = self.classes.get(name)
        return code if code is not None and code.verified else None


def read_codes(path: Path | None = None) -> Codes:
    """Read a table of codes (default: the one that ships). Raises LymphoscopeError if it is not one."""
    path = path or SHIPPED
    try:
        return Codes.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        reason = one_line(error, 200)
        raise LymphoscopeError(f"{path}: not a table of codes ({reason}): copy {SHIPPED} and edit it") from error
