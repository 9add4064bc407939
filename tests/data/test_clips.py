import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from ifdd.data.clips import distinct_clips, recipe_hash
from ifdd.data.manifest import Sample
from ifdd.errors import InputError

SAMPLE = Sample("a", Path("a.mp4"), 12, "happy", "train", 1)


def test_folds_share_clips() -> None:
    other = replace(SAMPLE, clip_id="b", path=Path("b.mp4"))
    assert distinct_clips([SAMPLE, other, replace(SAMPLE, fold=2, subset="test")]) == {"a": SAMPLE, "b": other}


def test_one_id_for_two_paths_is_refused() -> None:
    with pytest.raises(InputError, match=r"clip 'a' is a\.mp4, and also b\.mp4; give different clips different ids"):
        distinct_clips([SAMPLE, replace(SAMPLE, path=Path("b.mp4"))])


def test_hashes_are_those_of_earlier_versions() -> None:
    """Otherwise all crops and packs on disk would be made again."""
    recipe = [1, None, 95, [["a", "/videos/é.mp4"]]]
    assert recipe_hash(recipe) == hashlib.sha256(rb'[1, null, 95, [["a", "/videos/\u00e9.mp4"]]]').hexdigest()
