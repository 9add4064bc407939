"""The one exception that means "the input is at fault, not the program"."""


class InputError(ValueError):
    """A mistake in what the user gave: a file, a value, a configuration.

    The message is one line that says what is wrong, where (file, line, id) and what to do. The command
    line prints it without a traceback and exits with code 2; Python callers catch it as a ``ValueError``.
    """
