"""The one exception that means "the input is at fault, not the program", and the check of ranges that raises it."""


class InputError(ValueError):
    """A mistake in what the user gave: a file, a value, a configuration.

    The message is one line that says what is wrong, where (file, line, id) and what to do. The command
    line prints it without a traceback and exits with code 2; Python callers catch it as a ``ValueError``.
    """


def check_range(
    name: str,
    value: int | float | None,
    *,
    at_least: int | float | None = None,
    above: int | float | None = None,
    at_most: int | float | None = None,
    below: int | float | None = None,
) -> None:
    """Refuse a number outside its range.

    Args:
        name: what the message calls the number, as the user wrote it: ``tracking.gap_seconds``, ``--workers``.
        value: the number; None stands for "not given" and passes, NaN never passes.
        at_least: smallest value, included.
        above: the value must be greater than this.
        at_most: largest value, included.
        below: the value must be less than this.

    Raises:
        InputError: the number is outside.
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
        wanted = " and ".join(f"{words} {bound:g}" for words, bound, _ in bounds if bound is not None)
        raise InputError(f"{name} is {value}; it must be {wanted or 'a number'}")
