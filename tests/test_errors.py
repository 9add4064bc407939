"""The shared check of ranges."""

import math

import pytest

from ifdd.errors import InputError, check_range


@pytest.mark.parametrize("value", [1, 1.0, 5, 9.99])
def test_values_inside_the_range_pass(value: int | float) -> None:
    check_range("x", value, at_least=1, below=10)
    check_range("x", value, above=0, at_most=10)


def test_none_means_not_given() -> None:
    check_range("x", None, at_least=1)


@pytest.mark.parametrize(
    ("value", "bounds", "words"),
    [
        (0, {"at_least": 1}, "--workers is 0; it must be at least 1"),
        (0.0, {"above": 0}, "--workers is 0.0; it must be above 0"),
        (2, {"at_least": 0, "at_most": 1}, "--workers is 2; it must be at least 0 and at most 1"),
        (1, {"at_least": 0, "below": 1}, "--workers is 1; it must be at least 0 and below 1"),
        (math.nan, {"at_least": 0}, "--workers is nan; it must be at least 0"),
        (math.nan, {}, "--workers is nan; it must be a number"),
    ],
)
def test_values_outside_the_range_are_refused_with_name_and_range(
    value: int | float, bounds: dict[str, int], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_range("--workers", value, **bounds)
    assert str(caught.value) == words
