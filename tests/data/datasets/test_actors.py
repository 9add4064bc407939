"""The folds by actor: a partition of the actors, balanced in sex."""

from collections import Counter
from pathlib import Path

import pytest

from ifdd.data.datasets.actors import FOLDS, deal_actors, is_lfs_pointer


@pytest.mark.parametrize(("women", "men"), [(43, 48), (12, 12), (2, 3), (5, 0), (30, 1)])
def test_every_actor_is_tested_once_and_validates_at_most_once(women: int, men: int) -> None:
    sexes = {f"{number:04d}": "female" for number in range(women)} | {f"{number:04d}m": "male" for number in range(men)}
    folds = deal_actors(sexes)
    assert list(folds) == list(FOLDS)
    tested = Counter(actor for subsets in folds.values() for actor, subset in subsets.items() if subset == "test")
    assert tested == dict.fromkeys(sexes, 1)
    validating = Counter(actor for part in folds.values() for actor, subset in part.items() if subset == "validation")
    assert max(validating.values()) == 1
    for subsets in folds.values():
        assert subsets.keys() == sexes.keys()
        assert set(subsets.values()) == {"train", "validation", "test"}


@pytest.mark.parametrize("sexes", [{"female": 43, "male": 48}, {"female": 12, "male": 12}])
def test_both_sexes_are_spread_evenly(sexes: dict[str, int]) -> None:
    people = {f"{sex}{number:02d}": sex for sex, count in sexes.items() for number in range(count)}
    for subset in ("validation", "test"):
        for sex in sexes:
            counts = [
                sum(found == subset and people[actor] == sex for actor, found in fold.items())
                for fold in deal_actors(people).values()
            ]
            assert max(counts) - min(counts) <= 1
    sizes = [list(fold.values()).count("test") for fold in deal_actors(people).values()]
    assert max(sizes) - min(sizes) <= 1


def test_the_order_of_the_actors_does_not_matter() -> None:
    sexes = {f"{number:02d}": "male" if number % 2 else "female" for number in range(1, 25)}
    assert deal_actors(dict(reversed(sexes.items()))) == deal_actors(sexes)


def test_a_pointer_of_git_lfs_is_recognised(tmp_path: Path) -> None:
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n"
    (tmp_path / "pointer").write_bytes(text)
    (tmp_path / "video").write_bytes(b"FLV" + bytes(500))
    assert [is_lfs_pointer(tmp_path / name) for name in ("pointer", "video", "none")] == [True, False, False]
