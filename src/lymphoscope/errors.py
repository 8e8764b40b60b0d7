"""The error class for problems that a user can fix, and errors as one line of text."""


class LymphoscopeError(Exception):
    """A problem with the arguments, the configuration or the data that the user can fix.

    The message is one line: what is wrong, where, and how to fix it. The command line prints it and exits with
    status 2. Any other exception is a bug.
    """


def one_line(error: object, limit: int | None = None) -> str:
    """Return the message of an error, or a text, as one line of at most `limit` characters.

    An exception without a message gives the name of its class.
    """
    text = " ".join(str(error).split())[:limit]
    return text or (type(error).__name__ if isinstance(error, BaseException) else "")
