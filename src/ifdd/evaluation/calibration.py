"""Calibration: whether a model is right as often as its probabilities say.

Expected calibration error with bins of equal width, as in Guo et al., On Calibration of Modern Neural Networks, 2017;
Brier score as in Brier, 1950, the sum over all classes.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

from ifdd.records import CalibrationRecord, ReliabilityBin

BINS = 10
"""Bins of equal width; each includes its upper end."""


def bins_of(confidences: Float[np.ndarray, " clips"]) -> Int64[np.ndarray, " clips"]:
    """Return the bin of each confidence, from 0."""
    return np.clip(np.ceil(confidences * BINS).astype(np.int64) - 1, 0, BINS - 1)


def confidences_of(
    probabilities: Float[np.ndarray, "clips classes"], targets: Int64[np.ndarray, " clips"]
) -> tuple[Float[np.ndarray, " clips"], Bool[np.ndarray, " clips"]]:
    """Return the probability of each clip's prediction, and whether the prediction is right."""
    return probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == targets


def calibration(
    probabilities: Float[np.ndarray, "clips classes"], targets: Int64[np.ndarray, " clips"]
) -> CalibrationRecord:
    """Return calibration error, Brier score and reliability table of at least one clip.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.calibration import calibration
        >>> found = calibration(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([0, 1]))
        >>> found.ece, found.overconfidence  # sure to 75 %, right in 50 %
        (0.25, 0.25)
    """
    confidences, right = confidences_of(probabilities, targets)
    counts, sure, hits = (
        np.bincount(bins_of(confidences), weights, BINS) for weights in (np.ones(len(right)), confidences, right)
    )
    truth = np.eye(probabilities.shape[1])[targets]
    return CalibrationRecord(
        confidence=float(confidences.mean()),
        overconfidence=float(confidences.mean() - right.mean()),
        ece=float(np.abs(sure - hits).sum() / len(right)),
        brier=float(np.square(probabilities - truth).sum(axis=1).mean()),
        bins=tuple(
            ReliabilityBin(
                low=place / BINS,
                high=(place + 1) / BINS,
                clips=int(count),
                confidence=float(sure[place] / count) if count else None,
                accuracy=float(hits[place] / count) if count else None,
            )
            for place, count in enumerate(counts)
        ),
    )
