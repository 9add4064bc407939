from itertools import permutations

import numpy as np
import pytest

from benchmarks.scoring import Box, score_identities
from ifdd.errors import InputError


def at(x: float) -> Box:
    return (x, 0.0, 10.0, 10.0)


def test_perfect_tracks_score_one_under_any_names() -> None:
    truth = [{1: at(0.0), 2: at(50.0)}] * 5
    scores = score_identities(truth, [{8: at(50.0), 9: at(1.0)}] * 5)
    assert scores == (1.0, 1.0, 1.0, 0, {8: 2, 9: 1})


def test_swapped_people_by_hand() -> None:
    truth = [{1: at(0.0), 2: at(50.0)}] * 10
    found = [{1: at(0.0), 2: at(50.0)}] * 7 + [{2: at(0.0), 1: at(50.0)}] * 3
    scores = score_identities(truth, found)
    assert scores.idf1 == pytest.approx(14 / 20)
    assert scores.switches == 2


def test_missed_and_false_faces_by_hand() -> None:
    truth = [{1: at(0.0)}] * 10
    nobody: dict[int, Box] = {}
    found = [{1: at(0.0), 5: at(80.0)}] * 4 + [nobody] * 6
    scores = score_identities(truth, found)
    assert (scores.precision, scores.recall) == (0.5, 0.4)
    assert scores.idf1 == pytest.approx(8 / 18)
    assert scores.pairs == {1: 1}


def test_boxes_on_hidden_people_do_not_count() -> None:
    hidden = [{2: at(50.0)}] * 4
    found = [{1: at(0.0), 7: at(51.0)}, {1: at(0.0)}, {1: at(0.0), 7: at(90.0)}, {1: at(51.0)}]
    scores = score_identities([{1: at(0.0)}] * 4, found, hidden=hidden)
    assert (scores.precision, scores.recall) == (3 / 4, 3 / 4)  # the box at 90 is wrong, the person in frame 3 missed
    near = score_identities([{1: at(48.0)}], [{1: at(49.0)}], hidden=[{2: at(50.0)}])
    assert near.idf1 == 1  # it is also on somebody who counts
    with pytest.raises(InputError, match="hidden 1"):
        score_identities([{}] * 2, [{}] * 2, hidden=[{}])


def test_nobody_found_where_nobody_is_is_right() -> None:
    assert score_identities([{}] * 3, [{}] * 3).idf1 == 1
    assert score_identities([{1: at(0.0)}], [{}]).idf1 == 0


def test_boxes_that_overlap_too_little_do_not_agree() -> None:
    assert score_identities([{1: at(0.0)}], [{1: at(3.0)}]).idf1 == 1  # 70 of 130
    assert score_identities([{1: at(0.0)}], [{1: at(4.0)}]).idf1 == 0  # 60 of 140


@pytest.mark.parametrize("seed", range(20))
def test_idf1_is_the_best_of_all_pairings(seed: int) -> None:
    """The slow way: every way of naming tracks after people, boxes counted one by one."""
    rng = np.random.default_rng(seed)
    places = [at(100.0 * i) for i in range(3)]
    truth = [{p: places[p] for p in range(3) if rng.random() < 0.8} for _ in range(12)]
    found = [{t: places[int(rng.integers(3))] for t in range(4) if rng.random() < 0.7} for _ in range(12)]
    best = 0
    for names in permutations([0, 1, 2, None], 4):  # the person of tracks 0, 1, 2, 3
        right = 0
        for people, tracks in zip(truth, found, strict=True):
            for track, box in tracks.items():
                name = names[track]
                right += name is not None and people.get(name) == box
        best = max(best, right)
    expected = 2 * best / (sum(map(len, truth)) + sum(map(len, found)))
    assert score_identities(truth, found).idf1 == pytest.approx(expected)


def test_different_videos_are_refused() -> None:
    with pytest.raises(InputError, match="the truth has 2 frames and the tracks have 3"):
        score_identities([{}] * 2, [{}] * 3)
