"""Errors a person can act on."""


class LymphoscopeError(Exception):
    """A mistake in the words, the config or the data: one line that says what, where, and how to mend it.

    The command line prints the line and ends with status 2; anything else that is raised is a fault of ours.
    """
