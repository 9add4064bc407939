from pathlib import Path

import pytest

from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError
from ifdd.evaluation.groups.grouping import MOST_GROUPS, Grouping, columns_of, group_clips


def manifest_of(values: list[str], tested: int | None = None, subject: str = "") -> tuple[Manifest, list[Sample]]:
    """Return a manifest with a column of values, and its first clips."""
    samples = tuple(
        Sample(
            str(place), Path("x"), 1, "sad" if place else "happy", "test", subject=subject, attributes={"age": value}
        )
        for place, value in enumerate(values)
    )
    return Manifest(Path("manifest.csv"), "", samples), list(samples[:tested])


def grouped(values: list[str], tested: int | None = None) -> Grouping:
    return group_clips(*manifest_of(values, tested), "age")


def test_names_are_sorted_and_clips_without_a_value_come_last() -> None:
    found = grouped(["young", "", "old", " young "])
    assert found.names == ("old", "young", "")
    assert found.of_clip.tolist() == [1, 2, 0, 1]
    assert found.band is None


def test_few_numbers_are_groups_in_numerical_order() -> None:
    assert grouped(["10", "9", "2", "10"]).names == ("2", "9", "10")


def test_many_whole_numbers_are_cut_into_bands_of_a_round_width() -> None:
    ages = [str(age) for age in range(20, 75)]  # CREMA-D's range
    found = grouped([*ages, ""])
    assert found.band == 10
    assert found.names == ("20 to 29", "30 to 39", "40 to 49", "50 to 59", "60 to 69", "70 to 79", "")
    assert found.of_clip.tolist() == [(int(age) - 20) // 10 for age in ages] + [6]


def test_many_fractions_are_cut_into_half_open_bands() -> None:
    values = ["0", "0.2", "0.19", "0.6", "0.61", "1", *(str(place / 40) for place in range(40))]
    found = grouped(values, tested=6)
    assert found.band == 0.2
    assert found.names == ("0 up to 0.2", "0.2 up to 0.4", "0.6 up to 0.8", "1 up to 1.2")
    assert found.of_clip.tolist() == [0, 1, 0, 2, 2, 3]


def test_negative_numbers_are_cut_too() -> None:
    found = grouped([str(number) for number in range(-15, 15)])
    assert (found.band, found.names[0], found.names[-1]) == (5, "-15 to -11", "10 to 14")


def test_the_bands_are_those_of_the_whole_manifest() -> None:
    values = [str(number) for number in (21, 74, *range(30, 60))]
    assert grouped(values, tested=2).names == ("20 to 29", "70 to 79")


def test_one_word_makes_the_numbers_words() -> None:
    found = grouped([*map(str, range(20)), "nan"])
    assert found.band is None
    assert len(found.names) == 21


def test_subjects_and_labels_are_columns_too() -> None:
    manifest, samples = manifest_of(["1", "2"], subject="anna")
    assert group_clips(manifest, samples, "label").names == ("happy", "sad")
    assert group_clips(manifest, samples, "subject").names == ("anna",)


def test_numbers_of_subjects_and_labels_are_names() -> None:
    actors = [str(1001 + place // 2) for place in range(40)]  # as in CREMA-D
    samples = [Sample(str(place), Path("x"), 1, actor, "test", subject=actor) for place, actor in enumerate(actors)]
    manifest = Manifest(Path("manifest.csv"), "", tuple(samples))
    for column in ("subject", "label"):
        found = group_clips(manifest, samples, column)
        assert found.band is None
        assert found.names == tuple(dict.fromkeys(actors))
        assert found.of_clip.tolist() == [place // 2 for place in range(40)]


def test_columns_that_cannot_be_grouped_by_are_refused() -> None:
    manifest, samples = manifest_of(["", "31"])
    with pytest.raises(
        InputError, match=r"manifest\.csv has no column 'sex' to group by; use one of age, subject, label"
    ):
        group_clips(manifest, samples, "sex")
    with pytest.raises(InputError, match=r"the column age is empty for all evaluated clips"):
        group_clips(manifest, samples[:1], "age")
    with pytest.raises(InputError, match=f"has {MOST_GROUPS + 1} different values; group by a column with at most"):
        grouped([f"name {number}" for number in range(MOST_GROUPS + 1)])


def test_columns_are_separated_by_commas() -> None:
    assert columns_of(" age, skin tone,,age") == ["age", "skin tone"]
    assert columns_of("") == []
    for text in (",", " ", " , ,"):
        with pytest.raises(InputError, match="--by names nothing"):
            columns_of(text)
