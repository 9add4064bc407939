"""Probes find a planted factor, find nothing in noise, and never see the people that they are tested on."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, r2_score

from ifdd.data.manifest import Sample
from ifdd.explanation.disentanglement import probes
from ifdd.explanation.disentanglement.factors import Factor, find_factors
from ifdd.explanation.disentanglement.leakage import Leak, measure_leakage
from ifdd.explanation.disentanglement.probes import PROBES, Probe, make_folds, probe_factor
from ifdd.explanation.disentanglement.resampling import Resampled, draw_people, mean_tally, resample
from ifdd.records import Estimate

PEOPLE, EACH = 30, 8
CLIPS = PEOPLE * EACH
OWNERS = np.repeat(np.arange(PEOPLE), EACH)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "EPOCHS", 25)


def make_factor(values: np.ndarray, name: str = "emotion") -> Factor:
    outputs = int(values.max()) + 1 if values.ndim == 1 else values.shape[1]
    rows = np.arange(len(values))
    return Factor(name, "emotion", tuple(f"{each}" for each in range(outputs)), values, rows, OWNERS, PEOPLE)


def score(features: np.ndarray, factor: Factor, probe: Probe, shuffled: bool = False) -> Resampled:
    folds = make_folds(factor.people, 4, not factor.is_identity, 0)
    return resample(probe_factor(features, factor, folds, probe, 0, shuffled), draw_people(PEOPLE, 400, 0))


def covers(estimate: Estimate, value: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low <= estimate.value <= estimate.high
    return estimate.low <= value <= estimate.high


@pytest.mark.parametrize("probe", PROBES)
def test_a_planted_class_is_found_and_its_shuffled_control_is_not(probe: Probe) -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, CLIPS)
    features = rng.normal(size=(CLIPS, 12))
    features[:, :3] += 3 * np.eye(3)[classes]
    factor = make_factor(classes)
    found = score(features, factor, probe).estimate()
    assert found.value > 0.85
    assert not covers(found, factor.chance)
    assert covers(score(features, factor, probe, shuffled=True).estimate(), factor.chance)


@pytest.mark.parametrize("probe", PROBES)
def test_planted_values_are_found_and_others_are_not(probe: Probe) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(CLIPS, 10))
    values = np.stack([4 + features[:, 0] - 2 * features[:, 1], rng.normal(size=CLIPS)], 1)
    planted, noise = (score(features, make_factor(values[:, [column]]), probe).estimate() for column in (0, 1))
    assert planted.value > (0.99 if probe == "linear" else 0.6)
    assert abs(noise.value) < 0.05
    assert score(features, make_factor(values[:, :1]), probe, shuffled=True).value < 0.05


def test_nothing_is_found_in_noise() -> None:
    """Most intervals cover chance (not 95 %, because they leave out what the probe learned from), the mean is there."""
    found = []
    for seed in range(12):
        rng = np.random.default_rng([2, seed])
        found.append(score(rng.normal(size=(CLIPS, 20)), make_factor(rng.integers(0, 4, CLIPS)), "linear").estimate())
    assert sum(covers(each, 0.25) for each in found) >= 9
    assert np.mean([each.value for each in found]) == pytest.approx(0.25, abs=0.03)


def test_the_mlp_finds_nothing_in_noise() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(CLIPS, 20))
    assert covers(score(features, make_factor(rng.integers(0, 4, CLIPS)), "mlp").estimate(), 0.25)
    assert abs(score(features, make_factor(rng.normal(size=(CLIPS, 2))), "mlp").value) < 0.1


def test_only_the_mlp_finds_what_is_not_linear() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(CLIPS, 2))
    factor = make_factor((features[:, 0] * features[:, 1] > 0).astype(int))
    assert score(features, factor, "mlp").value > 0.85 > 0.7 > score(features, factor, "linear").value


def test_rare_classes_count_as_much_as_frequent_ones() -> None:
    """Features that say a little: a probe for accuracy would always predict the frequent class."""
    rng = np.random.default_rng(4)
    classes = (rng.random(CLIPS) < 0.15).astype(int)
    features = classes[:, None] * 1.2 + rng.normal(size=(CLIPS, 1))
    assert score(features, make_factor(classes), "linear").value > 0.62


def test_the_identity_of_known_people_is_found() -> None:
    rng = np.random.default_rng(5)
    features = 3 * rng.normal(size=(PEOPLE, 6))[OWNERS] + rng.normal(size=(CLIPS, 6))
    factor = make_factor(OWNERS, "identity")
    assert factor.chance == pytest.approx(1 / PEOPLE)
    assert score(features, factor, "linear").value > 0.7
    assert covers(score(rng.normal(size=(CLIPS, 6)), factor, "linear").estimate(), 1 / PEOPLE)


def test_people_with_few_clips_can_be_told_apart() -> None:
    owners = np.repeat(np.arange(40), 3)  # scikit-learn warns of so many classes; a warning fails a test
    features = np.eye(40)[owners]
    rows = np.arange(len(owners))
    factor = Factor("identity", "context", tuple(map(str, range(40))), owners, rows, owners, 40)
    found = resample(
        probe_factor(features, factor, make_folds(owners, 3, False, 0), "linear", 0), draw_people(40, 9, 0)
    )
    assert found.value == 1


@pytest.mark.parametrize("count", [2, 3, 5])
def test_no_person_is_in_two_parts_of_a_fold(count: int) -> None:
    folds = make_folds(OWNERS, count, True, 7)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(CLIPS))
    for fold in folds:
        parts = [set(OWNERS[rows]) for rows in (fold.fitted, fold.held_out, fold.test)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts)) == PEOPLE
        assert sorted([*fold.fitted, *fold.held_out]) == list(fold.train)


def test_for_identity_everybody_is_in_both_parts() -> None:
    for fold in make_folds(OWNERS, 4, False, 7):
        assert set(OWNERS[fold.train]) == set(OWNERS[fold.test]) == set(range(PEOPLE))
        assert not set(fold.train) & set(fold.test)


def test_a_person_bound_shortcut_does_not_help() -> None:
    """Each person has one label and unmistakable features: only a probe that knew the person could tell the label."""
    rng = np.random.default_rng(6)
    labels = np.repeat(rng.permutation(PEOPLE) % 2, EACH)
    features = 5 * rng.normal(size=(PEOPLE, 40))[OWNERS] + 0.1 * rng.normal(size=(CLIPS, 40))
    assert score(features, make_factor(labels), "linear").value < 0.75
    cheating = make_folds(OWNERS, 4, False, 0)
    tally = probe_factor(features, make_factor(labels), cheating, "linear", 0)
    assert resample(tally, draw_people(PEOPLE, 100, 0)).value > 0.95


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(8)
    truth, predicted = rng.integers(0, 3, CLIPS), rng.integers(0, 3, CLIPS)
    tally = probes._tally_classes(truth, predicted, make_factor(truth))
    assert resample(tally, draw_people(PEOPLE, 100, 0)).value == pytest.approx(
        balanced_accuracy_score(truth, predicted)
    )
    values = rng.normal(size=(CLIPS, 2))
    guess = values + rng.normal(size=(CLIPS, 2))
    tally = probes.tally_values((values - guess) ** 2, (values - values.mean(0)) ** 2, OWNERS, PEOPLE)
    assert resample(tally, draw_people(PEOPLE, 100, 0)).value == pytest.approx(r2_score(values, guess))


def test_intervals_agree_with_the_error_of_the_mean() -> None:
    rng = np.random.default_rng(9)
    values = rng.normal(2, 1, CLIPS)
    found = resample(mean_tally(values, OWNERS, PEOPLE), draw_people(PEOPLE, 4000, 0)).estimate()
    of_people = values.reshape(PEOPLE, EACH).mean(1)
    error = of_people.std(ddof=1) / np.sqrt(PEOPLE)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.25 * error)
    # people, not clips, are the unit: equal clips of a person do not narrow the interval
    same = resample(mean_tally(np.repeat(of_people, EACH), OWNERS, PEOPLE), draw_people(PEOPLE, 4000, 0)).estimate()
    assert same.high == pytest.approx(found.high, abs=1e-9)


def test_equal_outcomes_and_single_people_have_no_interval() -> None:
    assert resample(mean_tally(np.ones(CLIPS), OWNERS, PEOPLE), draw_people(PEOPLE, 100, 0)).estimate().low is None
    single = mean_tally(np.arange(4.0), np.zeros(4, int), 1)
    assert resample(single, draw_people(1, 100, 0)).estimate() == Estimate(1.5, None, None)


@pytest.mark.parametrize(("noise", "least", "most"), [(0.0, 0.999, 1.0), (1.0, 0.35, 0.65), (None, -0.05, 0.05)])
def test_leakage_of_a_copy_is_one_and_of_noise_zero(noise: float | None, least: float, most: float) -> None:
    rng = np.random.default_rng(10)
    source = rng.normal(size=(CLIPS, 6))
    target = source @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 5
    own = rng.normal(size=target.shape)
    target = own if noise is None else target + noise * own
    target = np.hstack([target, np.full((CLIPS, 1), 3.0)])  # a dead dimension says nothing
    draws = draw_people(PEOPLE, 200, 0)
    leak = Leak(source, target, OWNERS, PEOPLE)
    assert least <= resample(measure_leakage(leak, 4, 0), draws).value <= most
    assert abs(resample(measure_leakage(leak, 4, 0, shuffled=True), draws).value) < 0.05


def test_what_is_known_of_few_people_is_not_probed(tmp_path: Path) -> None:
    samples = [
        Sample(
            f"{person}_{place}",
            tmp_path,
            8,
            ("happy", "sad")[place % 2],
            "test",
            subject=str(person),
            attributes={"au12": str(place / 10) if person < 4 else ""},
        )
        for person in range(12)
        for place in range(10)
    ]
    factors, notes = find_factors(samples, None, tmp_path / "manifest.csv", folds=5)
    assert [factor.name for factor in factors] == ["emotion", "identity"]
    assert "action units: known of 4 people only; probes of 5 folds need 10" in notes
