"""Face quality: size, sharpness, pose and light, each 0 to 1.

The four are among the components of face image quality in ISO/IEC 29794-5. They are measured on the model's crop, so
the effects of detection, alignment and reduction count too. They measure how much of a face is visible, not whether the
model is right. Hands and masks are not detected; if a hand covers so much that the detector misses the face, it counts
as hidden.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.faces.boxes import CropSquare, FaceBox, Landmarks, box_square
from ifdd.faces.upright.turns import SURE, UNSURE

SIDE = 64
"""Side in pixels to which crops are scaled to measure sharpness and light, independent of the model."""

SHARP_RATIO = 2.2
"""Ratio of gradient energies (see ``sharpness``) at which a face is sharp. Real close-ups reach 2.5 to 3."""

FULL_RANGE = 95.0
"""Range of grey levels (of 255) in a well-lit face; drawn dark skin reaches it too."""

NOSE_DEPTH = 0.55
"""Depth of the nose tip in front of the line through the eyes, in multiples of the eye distance."""

NOSE_PLACE = 0.55
"""Position of the nose tip between the eyes (0) and the mouth (1) in a frontal face."""

NOSE_REACH = 0.5
"""Depth of the nose tip in front of the eyes, in multiples of the distance from eyes to mouth."""

FLAWLESS_QUALITY = 0.9
"""From this quality on, a face has no flaw to report."""

_FACE = (slice(SIDE // 8, SIDE - SIDE // 8), slice(SIDE * 7 // 32, SIDE - SIDE * 7 // 32))  # the face box in its crop
_FINE, _COARSE = 0.7, 1.6  # standard deviations in pixels of both smoothings
_DIFFERENCE_OF_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


class FaceQuality(NamedTuple):
    """Quality of a face in one frame, or the mean over several; 0 is worst, 1 is best."""

    detected: float
    """1 if the face was detected, 0 if its position is predicted."""
    size: float
    """Width in pixels relative to the model's input."""
    sharpness: float
    """0 for a blur of many pixels."""
    pose: float
    """1 for a frontal face, 0 for a profile; 1 if the detector finds no landmarks."""
    light: float
    """0 for a face that is uniformly black, white or grey."""
    turn: float = 1.0
    """1 if it is certain which way up the face is, 0 if it may as well be turned."""

    @property
    def score(self) -> float:
        """The product of all parts, because no part can make up for another."""
        return math.prod(self)

    @property
    def worst(self) -> str:
        """The word for the worst part, however good it is."""
        return FLAWS[min(self._fields, key=lambda name: float(getattr(self, name)))]


FLAWS = {
    "detected": "hidden",
    "size": "small",
    "sharpness": "blurred",
    "pose": "turned away",
    "light": "badly lit",
    "turn": "turned",
}
"""Field of ``FaceQuality`` -> the word for a face of poor quality in it."""

TOO_FEW = "too few frames"
"""The word for a clip with too few distinct pictures."""

STILL = "still"
"""The word for a face that stands still: a photograph, or a frozen picture."""

HIDDEN = FaceQuality(0.0, 1.0, 1.0, 1.0, 1.0)
"""The quality of a face that was not detected."""


class TrackQuality:
    """The quality of one track, frame by frame; remembers the pose, which is known in searched frames only."""

    def __init__(self) -> None:
        self._pose = 1.0

    def pose(self, box: FaceBox) -> float:
        """Return the pose in the next frame: of its landmarks, or of the last ones."""
        if box.score > 0 and box.landmarks is not None:
            self._pose = pose(box.landmarks)
        return self._pose

    def update(
        self, crop: UInt8[np.ndarray, "size size 3"], box: FaceBox, square: CropSquare | None = None
    ) -> FaceQuality:
        """Return the quality of the next frame; the arguments are those of ``frame_quality``."""
        return frame_quality(crop, box, square or box_square(box), self.pose(box))


def frame_quality(crop: UInt8[np.ndarray, "size size 3"], box: FaceBox, square: CropSquare, pose: float) -> FaceQuality:
    """Return the quality of a face in one frame.

    Args:
        crop: the model's crop of the face, RGB.
        box: the face in the image; with a score of 0 if the face was not detected.
        square: what the crop shows.
        pose: of the head, 0 to 1; see ``TrackQuality.pose``.
    """
    if box.score <= 0:
        return HIDDEN
    grey = _grey(crop, square.side / box_square(box).side)
    return FaceQuality(1.0, size(square, len(crop)), sharpness(grey), pose, light(grey), known_turn(box.certainty))


def average(qualities: Sequence[FaceQuality]) -> FaceQuality:
    """Return the mean of each part over at least one frame."""
    return FaceQuality(*np.mean(qualities, axis=0).tolist())


def judge(
    qualities: Sequence[FaceQuality], pictures: int, flawless: float = FLAWLESS_QUALITY, still: bool = False
) -> tuple[float, str]:
    """Return the quality of a face in a clip, 0 to 1, and its main flaw, or "" if there is none.

    The quality is the mean over the frames times the share of distinct pictures: a still picture shows no dynamics.
    If the face stands still, all of them count as one.

    Args:
        qualities: one for each frame of the clip.
        pictures: number of distinct pictures among the frames.
        flawless: lowest quality that is reported without a flaw.
        still: whether the face is the same in all of them, as in a photograph.
    """
    mean, share = average(qualities), (1 if still else pictures) / len(qualities)
    score = share * sum(quality.score for quality in qualities) / len(qualities)
    if score >= flawless:
        return score, ""
    if share >= min(mean):
        return score, mean.worst
    return score, STILL if still else TOO_FEW


def size(square: CropSquare, crop_size: int) -> float:
    """Return the ratio of the crop's side in image pixels to the side of the model's input, at most 1."""
    return min(1.0, square.side / crop_size)


def sharpness(grey: UInt8[np.ndarray, "64 64"]) -> float:
    """Return how much detail a second blur removes: much from a sharp face, little from a blurred one.

    The ratio of gradient energies before and after a second blur is 1 for a face without detail, and independent of
    contrast. On re-blurring as a measure, see Crete et al., "The blur effect", Human Vision and Electronic Imaging XII,
    2007, and Zhuo and Sim, "Defocus map estimation from a single image", Pattern Recognition 44, 2011. Noise would
    count as detail; its share is estimated in the smooth half of the face (with the mask of Immerkaer, "Fast noise
    variance estimation", Computer Vision and Image Understanding 64, 1996) and subtracted. This works up to about 8
    grey levels of noise in the crop; stronger noise makes a blurred face score too high.

    Args:
        grey: the crop.
    """
    exact = grey.astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(exact, (11, 11), sigma)[_FACE] for sigma in (_FINE, _COARSE))
    response = np.abs(cv2.filter2D(exact, -1, _DIFFERENCE_OF_LAPLACIANS)[_FACE])
    variance = (1.4826 * float(np.median(response)) / 6) ** 2 + 1 / 12  # of rounding to grey levels
    detail = max(0.0, _gradient_energy(fine) - _FINE_GAIN * variance)
    left = max(1e-6, _gradient_energy(coarse) - _COARSE_GAIN * variance)
    return min(1.0, max(0.0, (detail / left - 1) / (SHARP_RATIO - 1)))


def light(grey: UInt8[np.ndarray, "64 64"]) -> float:
    """Return the range of grey levels in the face, reduced by the share of overexposed pixels.

    Darkness, fog and overexposure all narrow the range between the 2nd and the 98th percentile. Lit dark skin hardly
    does; the mean, which would depend on skin colour, is not used.

    Args:
        grey: the crop.
    """
    values = np.sort(grey[_FACE], axis=None)
    dark, bright = float(values[len(values) // 50]), float(values[-len(values) // 50])
    blown_out = 1 - float(np.searchsorted(values, 252)) / len(values)
    return min(1.0, (bright - dark) / FULL_RANGE) * (1 - blown_out)


def known_turn(certainty: float) -> float:
    """Return 0 for a turn that is likely to be wrong, 1 for one that is certain."""
    return min(1.0, max(0.0, (certainty - UNSURE) / (SURE - UNSURE)))


def pose(landmarks: Landmarks) -> float:
    """Return cos(yaw) cos(pitch): the visible share of the face's width and height.

    The angles follow from the position of the nose tip between eyes and mouth under parallel projection: shifted
    sideways by ``NOSE_DEPTH`` tan(yaw), and away from ``NOSE_PLACE`` by ``NOSE_REACH`` tan(pitch), as in Gee and
    Cipolla, "Determining the gaze of faces in images", Image and Vision Computing 12, 1994. Roll does not count,
    because crops are aligned.
    """
    right_eye, left_eye, nose, right_mouth, left_mouth = (complex(*point) for point in landmarks)
    apart = left_eye - right_eye
    if abs(apart) < 1e-6:
        return 0.0
    middle = (right_eye + left_eye) / 2
    to_nose, to_mouth = (nose - middle) / apart, ((right_mouth + left_mouth) / 2 - middle) / apart
    if to_mouth.imag <= 0:  # the mouth cannot be above the eyes
        return 0.0
    yaw = math.atan(to_nose.real / NOSE_DEPTH)
    pitch = math.atan((to_nose.imag / to_mouth.imag - NOSE_PLACE) / NOSE_REACH)
    return math.cos(yaw) * math.cos(pitch)


def _grey(crop: UInt8[np.ndarray, "size size 3"], share: float) -> UInt8[np.ndarray, "64 64"]:
    """Return a crop in grey at the scale of ``crop_face``; one that shows a smaller share of its side gets a margin."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    side = min(SIDE, max(1, round(SIDE * share)))
    if len(grey) != side:
        grey = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    before, after = (SIDE - side) // 2, (SIDE - side + 1) // 2
    return np.asarray(np.pad(grey, ((before, after), (before, after)), mode="edge") if side < SIDE else grey)


def _gradient_energy(image: np.ndarray) -> float:
    """Return the mean squared difference to the right and lower neighbours."""
    across, down = np.ravel(image[:, 1:] - image[:, :-1]), np.ravel(image[1:] - image[:-1])
    return float(across @ across / across.size + down @ down / down.size)


def _noise_gain(sigma: float) -> float:
    """Return the gradient energy of white noise of unit variance after smoothing."""
    line = cv2.getGaussianKernel(11, sigma, cv2.CV_32F)
    return 2 * float((np.diff(np.pad(line @ line.T, 1), axis=1) ** 2).sum())


_FINE_GAIN, _COARSE_GAIN = _noise_gain(_FINE), _noise_gain(_COARSE)
