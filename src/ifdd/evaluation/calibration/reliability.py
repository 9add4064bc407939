"""Reliability: whether a model is right as often as its probabilities say.

Expected calibration error with bins of equal width, as in Guo et al., "On Calibration of Modern Neural Networks", ICML
2017; Brier score as in Brier, 1950, the sum over all classes.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

from ifdd.evaluation.tables import markdown_table, percent
from ifdd.records import ReliabilityBin, ReliabilityRecord

BINS = 15
"""Bins of equal width, as in Guo et al.; each includes its upper end."""

_ENDS = np.arange(1, BINS) / BINS  # the upper ends of all bins but the last


def bins_of(confidences: Float[np.ndarray, " clips"]) -> Int64[np.ndarray, " clips"]:
    """Return the bin of each confidence, from 0."""
    return np.searchsorted(_ENDS, confidences)


def confidences_of(
    probabilities: Float[np.ndarray, "clips classes"], targets: Int64[np.ndarray, " clips"]
) -> tuple[Float[np.ndarray, " clips"], Bool[np.ndarray, " clips"]]:
    """Return the probability of each clip's prediction, and whether the prediction is right."""
    return probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == targets


def expected_calibration_error(confidences: Float[np.ndarray, " clips"], right: Bool[np.ndarray, " clips"]) -> float:
    """Return the mean of abs(accuracy - mean confidence) over the bins, weighted by their clips.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.calibration.reliability import expected_calibration_error
        >>> expected_calibration_error(np.array([0.75, 0.75, 0.75, 0.75]), np.array([True, True, False, False]))
        0.25
    """
    excess = np.bincount(bins_of(confidences), np.asarray(confidences, np.float64) - right, BINS)
    return float(np.abs(excess).sum() / len(confidences))


def reliability(
    probabilities: Float[np.ndarray, "clips classes"], targets: Int64[np.ndarray, " clips"]
) -> ReliabilityRecord:
    """Return calibration error, Brier score and reliability table of at least one clip.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.calibration.reliability import reliability
        >>> found = reliability(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([0, 1]))
        >>> found.ece, found.overconfidence  # sure to 75 %, right in 50 %
        (0.25, 0.25)
    """
    confidences, right = confidences_of(probabilities, targets)
    counts, sure, hits = (
        np.bincount(bins_of(confidences), weights, BINS) for weights in (np.ones(len(right)), confidences, right)
    )
    truth = np.eye(probabilities.shape[1])[targets]
    return ReliabilityRecord(
        confidence=float(confidences.mean()),
        overconfidence=float(confidences.mean() - right.mean()),
        ece=expected_calibration_error(confidences, right),
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


def reliability_markdown(result: ReliabilityRecord) -> list[str]:
    """Return the lines of a section on calibration."""
    rows = [
        [
            f"{percent(each.low)} to {percent(each.high)}",
            str(each.clips),
            _share(each.confidence),
            _share(each.accuracy),
        ]
        for each in result.bins
        if each.clips
    ]
    return [
        "## Calibration",
        "",
        f"{reliability_words(result)}.",
        "",
        *markdown_table(["confidence %", "clips", "mean confidence %", "accuracy %"], rows),
        "",
    ]


def reliability_words(result: ReliabilityRecord) -> str:
    """Return calibration error, over-confidence and Brier score as text."""
    return (
        f"ECE {percent(result.ece)} % ({len(result.bins)} bins), confidence minus accuracy "
        f"{100 * result.overconfidence:+.2f} %, Brier score {result.brier:.3f}"
    )


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value)
