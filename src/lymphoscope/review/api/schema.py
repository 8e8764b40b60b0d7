"""Types of requests: text that any database can hold, ids, and versions in If-Match."""

import re
import unicodedata
from typing import Annotated, Any, Final

from fastapi import Header, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lymphoscope.review.refusals import RefusalError

LARGEST_ID: Final = 2**53
LONGEST_TEXT: Final = 2000
_ETAG: Final = re.compile(r'(?:W/)?"(\d{1,15})"')


def _clean(text: str) -> str:
    """NFC without surrounding blanks. Control characters and halves of surrogate pairs have no place in a database."""
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in text):
        raise ValueError("it contains a control character")
    return unicodedata.normalize("NFC", text).strip()


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("it is empty")
    return text


Clean = Annotated[str, AfterValidator(_clean)]
Name = Annotated[Clean, Field(max_length=200)]
Sentence = Annotated[Clean, Field(max_length=LONGEST_TEXT), AfterValidator(_not_empty)]
Secret = Annotated[Clean, Field(max_length=256)]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
PathId = Annotated[int, Path(ge=1, le=LARGEST_ID)]


class Body(BaseModel):
    """The base of request bodies: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


def version_of(if_match: Annotated[str | None, Header(alias="If-Match", max_length=40)] = None) -> int:
    """Return the version that a request's If-Match names. Raises RefusalError where there is none."""
    found = _ETAG.fullmatch(if_match or "")
    if found is None:
        raise RefusalError(428, "no_version", 'send the version that you saw: If-Match: "12"')
    return int(found[1])


JsonObject = dict[str, Any]
