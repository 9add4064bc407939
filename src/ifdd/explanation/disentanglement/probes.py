"""Probes: what a simple model can read from frozen features, by cross-validation.

- linear: logistic regression, or ridge regression, on standardised features. The strength of the regularisation is
  chosen within the training folds: for ridge by leave-one-out, for logistic regression on a part of the people.
- mlp: one hidden layer of 64 units, stopped at the epoch that is best on a part of the training folds' people; if no
  epoch of a regression beats the mean of the targets, it predicts the mean.

For identity, whose classes are the people, that part is one of the training folds' clips instead.

Classes are predicted by the largest ratio of probability to frequency in the training folds, because the score is
balanced accuracy. R2 compares with the mean of the training folds, so that it is about 0 for features without
information, and below 0 for probes that overfit.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from ifdd.explanation.disentanglement.factors import Factor
from ifdd.explanation.disentanglement.resampling import Tally

Probe = Literal["linear", "mlp"]
PROBES: tuple[Probe, ...] = ("linear", "mlp")

STRENGTHS = (0.001, 0.01, 0.1)
"""C of logistic regression to choose from."""
PENALTIES = tuple(10.0**power for power in range(-1, 7))
"""Alpha of ridge regression to choose from."""
HIDDEN, EPOCHS, PATIENCE = 64, 80, 10
"""Hidden units, largest number of epochs, and epochs without improvement after which training stops."""
BATCH = 64
"""Clips per step of the MLP."""
DECAY, RATE = 1.0, 0.01
"""L2 penalty and learning rate of the MLP."""
HELD_OUT = 0.2
"""Share of the training folds that chooses regularisation or epoch."""

Rows = Int[np.ndarray, " _"]
Values = Float[np.ndarray, "_ outputs"]
Features = Float[np.ndarray, "_ width"]


class Fold(NamedTuple):
    """One part of the cross-validation: positions of clips."""

    train: Rows
    held_out: Rows
    """Part of the training clips that chooses the regularisation, or the epoch."""
    test: Rows

    @property
    def fitted(self) -> Rows:
        """Training clips without those held out."""
        return np.setdiff1d(self.train, self.held_out)


def make_folds(people: Rows, count: int, disjoint: bool, seed: int) -> list[Fold]:
    """Divide clips into folds.

    Args:
        people: number of the person of each clip.
        count: number of folds.
        disjoint: no person has clips in two of the three parts of a fold. Otherwise everybody's clips are divided among
            the folds, as the recognition of known people needs, and those held out are a random part of the training
            clips, in which somebody may be missing.
        seed: of the random division.
    """
    rng = np.random.default_rng([seed, 2])
    part = (_parts_by_person if disjoint else _parts_within_people)(people, count, rng)
    folds = []
    for number in range(count):
        train, test = np.flatnonzero(part != number), np.flatnonzero(part == number)
        if disjoint:
            inner = _parts_by_person(people[train], round(1 / HELD_OUT), rng)
        else:
            inner = rng.permutation(len(train)) % round(1 / HELD_OUT)
        folds.append(Fold(train, train[inner == 0], test))
    return folds


def _parts_by_person(people: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Return the part of each clip; a person's clips are in one part."""
    known, numbers = np.unique(people, return_inverse=True)
    place = rng.permutation(len(known)) % count
    return place[numbers]


def _parts_within_people(people: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Return the part of each clip; a person's clips are dealt to all parts."""
    part = np.empty(len(people), int)
    for person in np.unique(people):
        own = rng.permutation(np.flatnonzero(people == person))
        part[own] = (np.arange(len(own)) + rng.integers(count)) % count
    return part


def probe_factor(
    features: Features, factor: Factor, folds: list[Fold], probe: Probe, seed: int, shuffled: bool = False
) -> Tally:
    """Cross-validate a probe of one factor; return what the score is made of.

    Args:
        features: one row a clip of the factor.
        factor: what to predict.
        folds: from ``make_folds`` for the clips of the factor.
        probe: kind of probe.
        seed: of the probe's random numbers.
        shuffled: the control: permute the factor over the clips first.
    """
    values = factor.values
    if shuffled:
        values = values[np.random.default_rng([seed, 3]).permutation(len(values))]
    if values.ndim == 1:
        predicted = np.empty(len(values), int)
        for fold in folds:
            predicted[fold.test] = _predict_classes(features, values, len(factor.outputs), fold, probe, seed)
        return _tally_classes(values, predicted, factor)
    residual, spread = predict_values(features, values, folds, probe, seed)
    return tally_values(residual, spread, factor.people, factor.number_of_people)


def predict_values(
    features: Features, values: Values, folds: list[Fold], probe: Probe, seed: int
) -> tuple[Values, Values]:
    """Return the squared errors of the predictions, and those of the training folds' means."""
    residual, spread = np.empty_like(values), np.empty_like(values)
    for fold in folds:
        mean, deviation = values[fold.train].mean(0), values[fold.train].std(0)
        scaled = (values - mean) / np.where(deviation > 0, deviation, 1)
        predicted = _predict_scaled(features, scaled, fold, probe, seed)
        residual[fold.test] = np.square(predicted - scaled[fold.test]) * np.square(deviation)
        spread[fold.test] = np.square(values[fold.test] - mean)
    return residual, spread


def tally_values(residual: Values, spread: Values, people: Rows, number_of_people: int) -> Tally:
    """Return the tally of R2 = 1 - residual / spread for every output."""
    gained, possible = (np.zeros((number_of_people, residual.shape[1])) for _ in range(2))
    np.add.at(gained, people, spread - residual)
    np.add.at(possible, people, spread)
    return Tally(gained, possible)


def _tally_classes(values: Rows, predicted: Rows, factor: Factor) -> Tally:
    """Return the tally of the mean recall of the classes; where people are the classes, of the mean over people."""
    right = (values == predicted).astype(float)
    if factor.is_identity:
        counts = np.bincount(values, minlength=len(factor.outputs))
        gained, possible = np.zeros((factor.number_of_people, 1)), np.zeros((factor.number_of_people, 1))
        np.add.at(gained[:, 0], factor.people, right / counts[values])
        possible[np.unique(factor.people), 0] = 1.0
        return Tally(gained, possible)
    gained, possible = (np.zeros((factor.number_of_people, len(factor.outputs))) for _ in range(2))
    np.add.at(gained, (factor.people, values), right)
    np.add.at(possible, (factor.people, values), 1.0)
    return Tally(gained, possible)


def _predict_classes(features: Features, values: Rows, classes: int, fold: Fold, probe: Probe, seed: int) -> Rows:
    frequency = np.maximum(np.bincount(values[fold.train], minlength=classes), 1) / len(fold.train)
    if probe == "mlp":
        part = [_scale(features, fold.fitted, rows) for rows in (fold.fitted, fold.held_out, fold.test)]
        return np.asarray((_early_stopped_classifier(part, values, fold, frequency, seed) / frequency).argmax(1))

    def score(strength: float) -> float:
        given = _logistic(features, values, classes, fold.fitted, fold.held_out, strength)
        return _balanced_accuracy(values[fold.held_out], (given / frequency).argmax(1))

    strength = max(STRENGTHS, key=score)
    return np.asarray((_logistic(features, values, classes, fold.train, fold.test, strength) / frequency).argmax(1))


def _logistic(
    features: Features, values: Rows, classes: int, train: Rows, test: Rows, strength: float
) -> Float[np.ndarray, "_ classes"]:
    probabilities = np.zeros((len(test), classes))
    known = np.unique(values[train])
    if len(known) < 2:
        probabilities[:, known] = 1.0
        return probabilities
    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3)
    with _quiet():
        model.fit(_scale(features, train, train), values[train])
    probabilities[:, model.classes_] = model.predict_proba(_scale(features, train, test))
    return probabilities


def _predict_scaled(features: Features, scaled: Values, fold: Fold, probe: Probe, seed: int) -> Values:
    if probe == "mlp":
        part = [_scale(features, fold.fitted, rows) for rows in (fold.fitted, fold.held_out, fold.test)]
        return _early_stopped_regressor(part, scaled, fold, seed)
    model = RidgeCV(alphas=PENALTIES, alpha_per_target=True)
    model.fit(_scale(features, fold.train, fold.train), scaled[fold.train])
    return np.asarray(model.predict(_scale(features, fold.train, fold.test))).reshape(len(fold.test), -1)


def _early_stopped_classifier(
    part: list[Features], values: Rows, fold: Fold, frequency: Float[np.ndarray, " classes"], seed: int
) -> Float[np.ndarray, "_ classes"]:
    """Return the probabilities of the test clips at the epoch of the best balanced accuracy on those held out."""
    fitted, held_out, test = part
    model = MLPClassifier(**_mlp_options(len(fitted), seed))
    classes = np.arange(len(frequency))

    def train() -> None:
        model.partial_fit(fitted, values[fold.fitted], classes=classes)

    def loss() -> float:
        predicted = (model.predict_proba(held_out) / frequency).argmax(1)
        return -_balanced_accuracy(values[fold.held_out], predicted)

    return np.asarray(_best_epoch(model, train, loss, np.inf).predict_proba(test))


def _balanced_accuracy(truth: Rows, predicted: Rows) -> float:
    right = truth == predicted
    return float(np.mean([right[truth == kind].mean() for kind in np.unique(truth)]))


def _early_stopped_regressor(part: list[Features], scaled: Values, fold: Fold, seed: int) -> Values:
    """Return the predictions for the test clips at the best epoch; the mean, which is 0, if no epoch is better."""
    fitted, held_out, test = part
    model = MLPRegressor(**_mlp_options(len(fitted), seed))
    targets = scaled[fold.fitted]

    def train() -> None:
        model.partial_fit(fitted, targets[:, 0] if targets.shape[1] == 1 else targets)

    def predict(kind: Any, rows: Features) -> Values:
        return np.asarray(kind.predict(rows)).reshape(len(rows), -1)

    truth = scaled[fold.held_out]
    best = _best_epoch(
        model, train, lambda: float(np.square(predict(model, held_out) - truth).mean()), float(np.square(truth).mean())
    )
    return np.zeros((len(test), scaled.shape[1])) if best is None else predict(best, test)


def _mlp_options(clips: int, seed: int) -> dict[str, Any]:
    return {
        "hidden_layer_sizes": (HIDDEN,),
        "alpha": DECAY,
        "learning_rate_init": RATE,
        "batch_size": min(BATCH, clips),
        "random_state": seed,
    }


def _best_epoch(model: Any, train: Callable[[], None], loss: Callable[[], float], baseline: float) -> Any:
    """Train epoch by epoch; return a copy of the model at its smallest loss, or None if none is below the baseline."""
    best, lowest, since = None, baseline, 0
    for _ in range(EPOCHS):
        train()
        found = loss()
        if found < lowest:
            best, lowest, since = deepcopy(model), found, 0
        else:
            since += 1
        if since == PATIENCE:
            break
    return best


def _scale(features: Features, train: Rows, rows: Rows) -> Features:
    return np.asarray(StandardScaler().fit(features[train]).transform(features[rows]))


@contextmanager
def _quiet() -> Iterator[None]:
    """Ignore that logistic regression stopped early, which regularises, too, and that classes are many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # people with few clips each
        yield
