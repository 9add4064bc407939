"""Confidence: temperature, risk and coverage, thresholds for abstaining. Pure functions of arrays.

A model is calibrated if, of the clips to which it gives its class a probability of p, a share of p is recognised. The
temperature T of Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, divides the logits before the
softmax. It changes no prediction, only the probabilities.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from ifdd.errors import InputError
from ifdd.evaluation.bootstrap import Interval

TEMPERATURES = (0.05, 20.0)
"""The range in which a temperature is searched."""

_Z = 1.959963984540054  # the normal distribution's quantile at 97.5 %
_HALVINGS = 60  # of the range of log temperatures, to the last digits of a float


class RiskCoverage(NamedTuple):
    """What is left if the clips of lowest confidence are left out (El-Yaniv and Wiener, JMLR 2010)."""

    confidence: Float64[np.ndarray, " clips"]
    """Of each clip, the highest first."""
    accuracy: Float64[np.ndarray, " clips"]
    """Share recognised among the clips up to this one."""

    @property
    def aurc(self) -> float:
        """Area under the risk-coverage curve: the mean over all coverages of 1 - accuracy; lower is better."""
        return float(1 - self.accuracy.mean())

    def at(self, coverage: float) -> float:
        """Return the accuracy among the given share of clips, above 0 to 1, rounded up to a whole clip."""
        return float(self.accuracy[math.ceil(round(coverage * len(self.accuracy), 6)) - 1])


class Threshold(NamedTuple):
    """A threshold on the confidence, and what it keeps."""

    value: float
    """Predictions below it are withheld; 0 keeps all."""
    kept: int
    """Number of clips at or above it."""
    right: int
    """Number of these that were recognised."""
    reached: bool
    """Whether the target is reached."""

    @property
    def accuracy(self) -> float:
        """Share of the kept clips that were recognised."""
        return self.right / self.kept


def calibrated(log_probabilities: Float[np.ndarray, "clips classes"], temperature: float) -> Float64[np.ndarray, "c k"]:
    """Return softmax(z / T) for logits z, or for logarithms of probabilities, which differ by a constant per clip."""
    scaled = np.asarray(log_probabilities, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: Float64[np.ndarray, "c k"] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def negative_log_likelihood(
    probabilities: Float[np.ndarray, "clips classes"], targets: Int64[np.ndarray, " clips"]
) -> float:
    """Return the mean of -log(probability of the true class), in nats."""
    own = np.asarray(probabilities, np.float64)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean())


def fit_temperature(
    log_probabilities: Float[np.ndarray, "clips classes"], targets: Int64[np.ndarray, " clips"]
) -> float:
    """Return the temperature with the smallest negative log-likelihood.

    In 1 / T the likelihood is concave, so its slope has one zero, which bisection finds.

    Args:
        log_probabilities: logits, or logarithms of probabilities at temperature 1.
        targets: index of each clip's class.

    Raises:
        InputError: there is no such temperature within ``TEMPERATURES``: nearly all clips are recognised, or the
            probabilities say nothing about the classes.
    """
    logits = np.asarray(log_probabilities, np.float64)
    own = logits[np.arange(len(targets)), targets]

    def is_too_low(temperature: float) -> bool:
        expected = (calibrated(logits, temperature) * logits).sum(axis=1)
        return bool((expected - own).mean() > 0)

    low, high = map(math.log, TEMPERATURES)
    if not is_too_low(TEMPERATURES[0]) or is_too_low(TEMPERATURES[1]):
        reason = "the model is at chance" if is_too_low(TEMPERATURES[0]) else "nearly all of them are recognised"
        raise InputError(
            f"no temperature from {TEMPERATURES[0]:g} to {TEMPERATURES[1]:g} fits these {len(targets)} clips, because "
            f"{reason}; calibrate on more or other clips"
        )
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_too_low(math.exp(middle)) else (low, middle)
    return math.exp((low + high) / 2)


def risk_coverage(confidence: Float[np.ndarray, " clips"], right: Bool[np.ndarray, " clips"]) -> RiskCoverage:
    """Return the accuracy of the most confident clips, for every number of clips.

    Clips of equal confidence have no order, so each counts as recognised by the share of them that is.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.calibration.confidence import risk_coverage
        >>> curve = risk_coverage(np.array([0.9, 0.5, 0.7, 0.6]), np.array([True, False, True, True]))
        >>> curve.at(0.5), curve.at(1.0), curve.aurc
        (1.0, 0.75, 0.0625)
    """
    order = np.argsort(-np.asarray(confidence, np.float64), kind="stable")
    ordered = np.asarray(confidence, np.float64)[order]
    _, group, counts = np.unique(-ordered, return_inverse=True, return_counts=True)
    shares = np.bincount(group, np.asarray(right, float)[order]) / counts
    return RiskCoverage(ordered, np.cumsum(shares[group]) / np.arange(1, len(order) + 1))


def threshold_for_accuracy(
    confidence: Float[np.ndarray, " clips"],
    right: Bool[np.ndarray, " clips"],
    target: float,
    minimum_coverage: float,
) -> Threshold:
    """Return the smallest threshold at which the accuracy of the kept clips reaches a target.

    Thresholds lie midway between two neighbouring confidences. If none reaches the target while keeping
    ``minimum_coverage`` of the clips, the one with the highest accuracy among those is returned, ``reached`` False.

    Args:
        confidence: probability of the predicted class.
        right: whether the clip was recognised.
        target: accuracy, 0 to 1.
        minimum_coverage: smallest share of clips to keep, above 0 to 1.
    """
    found = [each for each in _thresholds(confidence, right, target) if _keeps(each, minimum_coverage, len(right))]
    reaching = [each for each in found if each.reached]
    return reaching[0] if reaching else max(found, key=lambda each: (each.accuracy, each.kept))


def threshold_for_coverage(
    confidence: Float[np.ndarray, " clips"], right: Bool[np.ndarray, " clips"], coverage: float
) -> Threshold:
    """Return the largest threshold that keeps at least a share of the clips, above 0 to 1."""
    return [each for each in _thresholds(confidence, right, 0.0) if _keeps(each, coverage, len(right))][-1]


def _keeps(threshold: Threshold, share: float, clips: int) -> bool:
    return threshold.kept >= share * clips - 1e-9  # 0.07 of 100 clips is slightly more than 7


def _thresholds(
    confidence: Float[np.ndarray, " clips"], right: Bool[np.ndarray, " clips"], target: float
) -> list[Threshold]:
    """Return every threshold that makes a difference, the smallest first."""
    values, group = np.unique(np.asarray(confidence, np.float64), return_inverse=True)
    kept = np.bincount(group)[::-1].cumsum()[::-1]
    correct = np.bincount(group, np.asarray(right, float))[::-1].cumsum()[::-1].astype(int)
    limits = np.concatenate([[0.0], (values[:-1] + values[1:]) / 2])
    rows = zip(limits.tolist(), kept.tolist(), correct.tolist(), strict=True)
    return [Threshold(limit, count, good, good / count >= target) for limit, count, good in rows]


def wilson_interval(right: int, total: int) -> Interval:
    """Return the 95 % interval of a share (Wilson, JASA 22, 1927); it suits few clips and shares near 0 and 1.

    Example:
        >>> from ifdd.evaluation.calibration.confidence import wilson_interval
        >>> [round(bound, 3) for bound in wilson_interval(8, 10)]
        [0.49, 0.943]
    """
    share, square = right / total, _Z**2 / total
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))
