"""The motion of a tracked box: prediction and smoothing.

Positions pass a critically damped g-h filter (Brookner, "Tracking and Kalman Filtering Made Easy", 1998, section 1.2).
It follows a steady motion without lag, and predicts where a face is while it is not detected.
"""

import math
from typing import NamedTuple

from ifdd.faces.boxes import FaceBox

_COASTING_SECONDS = 0.5  # time constant with which the speed of an undetected face decays


class Motion(NamedTuple):
    """Velocity of a box's centre in pixels per second."""

    x: float
    y: float

    def decayed(self, seconds: float) -> "Motion":
        """Return the velocity after a time without detection: the face is assumed to slow down."""
        decay = math.exp(-seconds / _COASTING_SECONDS)
        return Motion(self.x * decay, self.y * decay)


STILL = Motion(0.0, 0.0)


def predict(box: FaceBox, motion: Motion, seconds: float) -> FaceBox:
    """Return a box after it has moved for a time; its score is 0, because it is predicted."""
    x, y = box.x + motion.x * seconds, box.y + motion.y * seconds
    return box._replace(x=x, y=y, score=0.0, landmarks=None)


def smooth(
    predicted: FaceBox, motion: Motion, detection: FaceBox, step: float, smoothing_seconds: float
) -> tuple[FaceBox, Motion]:
    """Return the box between prediction and detection, and the new velocity; sizes are smoothed without a trend.

    Args:
        predicted: the predicted box.
        motion: the velocity with which it was predicted.
        detection: the detected box.
        step: time since the last detection; the longer, the more the new one counts.
        smoothing_seconds: time constant; 0 returns the detection.
    """
    if smoothing_seconds == 0 or step <= 0:
        return detection, STILL
    memory = math.exp(-step / smoothing_seconds)
    gain, velocity_gain = 1 - memory**2, (1 - memory) ** 2 / step
    (x, y), (new_x, new_y) = predicted.center, detection.center
    x, y, error_x, error_y = x + gain * (new_x - x), y + gain * (new_y - y), new_x - x, new_y - y
    width = predicted.width + (1 - memory) * (detection.width - predicted.width)
    height = predicted.height + (1 - memory) * (detection.height - predicted.height)
    box = detection._replace(x=x - width / 2, y=y - height / 2, width=width, height=height)
    return box, Motion(motion.x + velocity_gain * error_x, motion.y + velocity_gain * error_y)
