"""What the review application refuses: an error with the status and the code that the API answers with."""

from typing import Any

from lymphoscope.errors import LymphoscopeError


class RefusalError(LymphoscopeError):
    """A request that cannot be done: `status` of HTTP, `code` for programs, one line for people, further details."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the answer as `application/problem+json`."""
        return {"status": self.status, "error": self.code, "message": str(self), **self.details}


def not_found(what: str, key: object) -> RefusalError:
    """Return the refusal for a thing that does not exist."""
    return RefusalError(404, "not_found", f"there is no {what} {key}")


def invalid(message: str) -> RefusalError:
    """Return the refusal for a request whose values do not fit."""
    return RefusalError(422, "invalid", message)
