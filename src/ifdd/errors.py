"""The exception for mistakes in the input, and a range check that raises it."""


class InputError(ValueError):
    """A mistake in the user's input: a file, a value or a configuration.

    The message is one line with the problem, the place (file, line, ID) and the remedy. The command line prints it
    without a traceback and exits with code 2; Python callers can catch it as a ``ValueError``.
    """


def unexpected(about: str, error: Exception) -> str:
    """Return a line on an error that nobody foresaw, in one of many videos.

    Example:
        >>> from ifdd.errors import unexpected
        >>> unexpected("party.mp4", KeyError("fps"))
        "party.mp4: unexpected KeyError: 'fps'"
    """
    return f"{about}: unexpected {type(error).__name__}: {' '.join(str(error).split())}"


def check_range(
    name: str,
    value: int | float | None,
    *,
    at_least: int | float | None = None,
    above: int | float | None = None,
    at_most: int | float | None = None,
    below: int | float | None = None,
) -> None:
    """Check that a number lies in its range.

    Args:
        name: name of the number in the message, as the user wrote it: ``tracking.gap_seconds``, ``--workers``.
        value: the number; None means "not given" and passes, NaN never passes.
        at_least: inclusive lower bound.
        above: exclusive lower bound.
        at_most: inclusive upper bound.
        below: exclusive upper bound.

    Raises:
        InputError: the number is outside the range.

    Example:
        >>> from ifdd.errors import check_range
        >>> check_range("--workers", 4, at_least=0)
        >>> check_range("--workers", -1, at_least=0)
        Traceback (most recent call last):
        ...
        ifdd.errors.InputError: --workers is -1; it must be at least 0
    """
    if value is None:
        return
    bounds = [
        ("at least", at_least, at_least is None or value >= at_least),
        ("above", above, above is None or value > above),
        ("at most", at_most, at_most is None or value <= at_most),
        ("below", below, below is None or value < below),
    ]
    if value != value or not all(fits for _, _, fits in bounds):
        wanted = " and ".join(
            f"{words} {bound if isinstance(bound, int) else f'{bound:g}'}"
            for words, bound, _ in bounds
            if bound is not None
        )
        raise InputError(f"{name} is {value}; it must be {wanted or 'a number'}")
