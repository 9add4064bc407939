"""Scores by group compared with results derived by hand, and intervals with drawing subject by subject."""

from pathlib import Path

import numpy as np
import pytest

from ifdd.data.manifest import Sample
from ifdd.evaluation import bootstrap as resampling
from ifdd.evaluation.bootstrap import bootstrap
from ifdd.evaluation.groups import scores
from ifdd.evaluation.groups.grouping import Grouping
from ifdd.evaluation.groups.scores import score_groups
from ifdd.records import Estimate, GroupsRecord

CLASSES = ("happy", "sad", "fear")


def probabilities_of(predictions: list[int], confidence: float = 0.8) -> np.ndarray:
    """Return rows with one confident class."""
    rest = (1 - confidence) / (len(CLASSES) - 1)
    return np.where(np.eye(len(CLASSES))[predictions] > 0, confidence, rest).astype(np.float64)


def scored(
    targets: list[int],
    predictions: list[int],
    groups: list[str],
    subjects: list[str] | None = None,
    column: str = "age",
    probabilities: np.ndarray | None = None,
) -> GroupsRecord:
    names = sorted(set(groups), key=lambda name: (not name, name))
    samples = [
        Sample(str(place), Path("x"), 1, "sad", "test", subject=subjects[place] if subjects else "")
        for place in range(len(targets))
    ]
    grouping = Grouping(column, tuple(names), np.array([names.index(name) for name in groups]), None)
    if probabilities is None:
        probabilities = probabilities_of(predictions)
    return score_groups(probabilities, np.array(targets), CLASSES, samples, grouping)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "MINIMUM_CLIPS", 2)
    monkeypatch.setattr(scores, "MINIMUM_SUBJECTS", 2)


@pytest.mark.usefixtures("small")
def test_scores_by_hand() -> None:
    found = scored(
        targets=[0, 0, 0, 1, 0, 1, 2, 2],
        predictions=[0, 0, 1, 1, 1, 0, 2, 2],
        groups=["old", "old", "old", "old", "young", "young", "young", "young"],
    )
    old, young = found.groups
    assert (old.group, old.clips, old.subjects, old.counted) == ("old", 4, None, True)
    assert old.war.value == 0.75
    assert old.uar.value == pytest.approx((2 / 3 + 1) / 2), "fear does not occur"
    assert {name: each and each.value for name, each in old.recalls.items()} == {"happy": 2 / 3, "sad": 1, "fear": None}
    assert old.support == {"happy": 3, "sad": 1, "fear": 0}
    assert young.war.value == 0.5
    assert young.uar.value == pytest.approx(1 / 3)
    assert old.confidence == pytest.approx(0.8)
    assert old.overconfidence.value == pytest.approx(0.05)
    assert young.overconfidence.value == pytest.approx(0.3)
    assert young.ece.value == pytest.approx(0.3), "all confidences are in one bin"
    assert young.ece.interval is None
    assert (found.overall.group, found.overall.clips) == ("all", 8)
    assert found.overall.war.value == 5 / 8
    gaps = {gap.score: gap for gap in found.gaps}
    assert (gaps["war"].highest, gaps["war"].lowest, gaps["war"].gap.value) == ("old", "young", 0.25)
    assert (gaps["overconfidence"].highest, gaps["overconfidence"].lowest) == ("young", "old")
    assert "uar" not in gaps, "the old show no fear, so their UAR is another mean"
    assert (found.resampled, found.minimum_subjects) == ("clips", None)


@pytest.mark.usefixtures("small")
def test_a_tie_names_two_groups_and_the_gap_is_zero() -> None:
    found = scored([0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 0, 0], ["a", "a", "b", "b", "c", "c"])
    war = found.gaps[0]
    assert (war.highest, war.lowest, war.gap.value) == ("c", "a", 0)
    assert war.gap.low is not None
    assert war.gap.low < 0


def test_a_group_of_one_clip_is_shown_without_interval_and_not_counted() -> None:
    found = scored([0] * 61, [0] * 30 + [1] * 30 + [0], ["a"] * 30 + ["b"] * 30 + ["c"])
    lonely = found.groups[2]
    assert (lonely.clips, lonely.counted, lonely.war.value) == (1, False, 1)
    assert (lonely.war.low, lonely.war.high, lonely.ece.low) == (None, None, None)
    assert [(gap.highest, gap.lowest) for gap in found.gaps] == [("a", "b"), ("a", "b"), ("b", "a")]


def test_a_perfect_group_has_no_interval() -> None:
    found = scored([0] * 31 + [1] * 30, [0] * 61, ["a"] * 61).groups[0]
    happy, sad = found.recalls["happy"], found.recalls["sad"]
    assert happy == Estimate(1.0, None, None)
    assert sad == Estimate(0.0, None, None)
    assert found.war.low is not None


def test_clips_without_a_value_and_few_subjects_do_not_count() -> None:
    targets = [0] * 120
    groups = ["a"] * 40 + ["b"] * 40 + [""] * 40
    subjects = [f"{group}{place % (4 if group == 'b' else 10)}" for place, group in enumerate(groups)]
    found = scored(targets, targets, groups, subjects)
    assert [(each.group, each.subjects, each.counted) for each in found.groups] == [
        ("a", 10, True),
        ("b", 4, False),
        ("", 10, False),
    ]
    assert found.gaps == ()
    assert (found.resampled, found.minimum_subjects) == ("subjects", 5)


def test_clips_are_drawn_within_subjects_for_results_by_subject() -> None:
    found = scored([0] * 60, [0, 1] * 30, ["p"] * 30 + ["q"] * 30, ["p"] * 30 + ["q"] * 30, "subject")
    assert found.resampled == "clips"
    assert [each.counted for each in found.groups] == [True, True]
    assert found.groups[0].war.low is not None
    assert found.groups[0].war.low < 0.5


def random_clips(subjects: int, clips: int) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Return targets, predictions, subjects and groups of clips of people who differ."""
    rng = np.random.default_rng(5)
    skills = np.repeat(rng.uniform(0.3, 0.9, subjects), clips)
    targets = rng.integers(3, size=subjects * clips)
    predictions = np.where(rng.random(len(targets)) < skills, targets, (targets + 1) % 3)
    people = [f"s{place // clips}" for place in range(len(targets))]
    return targets, predictions, people, ["even" if int(name[1:]) % 2 == 0 else "odd" for name in people]


def test_intervals_agree_with_drawing_subject_by_subject() -> None:
    targets, predictions, people, groups = random_clips(16, 12)
    found = scored(targets.tolist(), predictions.tolist(), groups, people)
    rng, right = np.random.default_rng(6), targets == predictions
    places = {name: [i for i, person in enumerate(people) if person == name] for name in dict.fromkeys(people)}
    names, wars, uars, recalls, differences = list(places), [], [], [], []
    for _ in range(3000):
        drawn = np.array([clip for name in rng.choice(names, len(names)) for clip in places[name]])
        even = drawn[[groups[clip] == "even" for clip in drawn]]
        odd = drawn[[groups[clip] == "odd" for clip in drawn]]
        if not (len(even) and len(odd)):
            continue
        each = [right[even][targets[even] == target].mean() for target in range(3) if (targets[even] == target).any()]
        wars.append(right[even].mean())
        uars.append(np.mean(each))
        recalls.append(each[0])
        differences.append(right[even].mean() - right[odd].mean())
    first = found.groups[0]
    happy = first.recalls["happy"]
    assert happy is not None
    for ours, slow in ((first.war, wars), (first.uar, uars), (happy, recalls)):
        assert (ours.low, ours.high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.035)
    actual = first.war.value - found.groups[1].war.value
    margin = np.quantile(np.abs(np.array(differences) - actual), 0.95)
    gap = found.gaps[0].gap
    assert gap.value == pytest.approx(abs(actual))
    assert (gap.low, gap.high) == pytest.approx((abs(actual) - margin, abs(actual) + margin), abs=0.035)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("with_subjects", [False, True])
def test_an_interval_holds_its_estimate_and_the_calibration_error_has_none(seed: int, with_subjects: bool) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(3, size=90)
    probabilities = rng.dirichlet(np.ones(3), 90)
    groups = [("a", "b", "")[place % 3] for place in range(90)]
    subjects = [str(place // 6) for place in range(90)] if with_subjects else None
    found = scored(targets.tolist(), [], groups, subjects, probabilities=probabilities)
    for group in (*found.groups, found.overall):
        for score in (group.war, group.uar, group.overconfidence):
            assert score.low is not None
            assert score.high is not None
            assert score.low < score.value < score.high
        assert group.ece.interval is None
        assert 0 < group.ece.value < 1


def test_without_subjects_the_intervals_are_those_of_the_bootstrap_of_clips() -> None:
    targets, predictions, _, groups = random_clips(20, 10)
    confusion = np.zeros((3, 3), np.int64)
    np.add.at(confusion, (targets, predictions), 1)
    found = scored(targets.tolist(), predictions.tolist(), groups).overall
    usual = bootstrap([confusion]).folds[0]
    assert (found.war.low, found.war.high) == pytest.approx(usual.war, abs=0.015)
    assert (found.uar.low, found.uar.high) == pytest.approx(usual.uar, abs=0.015)


def test_clips_of_one_subject_widen_the_interval() -> None:
    targets = [0] * 80
    predictions = [place // 8 % 2 for place in range(80)]  # all clips of a person are right, or none is
    people = [str(place // 8) for place in range(80)]
    together, apart = (scored(targets, predictions, ["a"] * 80, each).overall.war for each in (people, None))
    assert together.low is not None
    assert together.high is not None
    assert apart.low is not None
    assert apart.high is not None
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_the_seed_decides_and_large_sets_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    targets, predictions, people, groups = random_clips(8, 6)
    found = scored(targets.tolist(), predictions.tolist(), groups, people)
    assert scored(targets.tolist(), predictions.tolist(), groups, people) == found
    monkeypatch.setattr(resampling, "_DRAWN_AT_ONCE", 100)
    assert scored(targets.tolist(), predictions.tolist(), groups, people).groups[0].war == found.groups[0].war
