"""The error class for problems that a user can fix."""


class LymphoscopeError(Exception):
    """A problem with the arguments, the configuration or the data that the user can fix.

    The message is one line: what is wrong, where, and how to fix it. The command line prints it and exits with
    status 2. Any other exception is a bug.
    """
