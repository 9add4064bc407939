"""How well a face can be read: from its size, sharpness, pose and light, each 0 to 1.

The four are among the components of face image quality that ISO/IEC 29794-5 names. They are measured on the crop that
the model sees, so that what detection, alignment and reduction do to a face counts too. They say how much of a face can
be seen, not whether the model is right. Hands and masks are not looked for; a face that a hand hides well is not found
by the detector, and counts as hidden.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.faces.detection import CROP_FACTOR, FaceBox, Landmarks

SIDE = 64
"""Crops are brought to this side (pixels) to look at sharpness and light: scores do not depend on the model."""

SHARP_RATIO = 2.2
"""Ratio of gradient energies (see ``sharpness``) from which a face is sharp. Real close-ups have 2.5 to 3."""

FULL_RANGE = 95.0
"""Grey levels of 255 between the dark and the bright parts of a face that is well lit; drawn dark skin has them too."""

NOSE_DEPTH = 0.55
"""How far the tip of the nose lies before the line through the eyes, in distances of the eyes."""

NOSE_PLACE = 0.55
"""Where the tip of the nose lies on the way from the eyes to the mouth in a face that looks straight on."""

NOSE_REACH = 0.5
"""How far the tip of the nose lies before the eyes, in distances from eyes to mouth."""

FLAWLESS_QUALITY = 0.9
"""A quality from which on nothing is amiss."""

_FACE = (slice(SIDE // 8, SIDE - SIDE // 8), slice(SIDE * 7 // 32, SIDE - SIDE * 7 // 32))  # the face box in its crop
_FINE, _COARSE = 0.7, 1.6  # standard deviations in pixels of both smoothings
_DIFFERENCE_OF_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


class FaceQuality(NamedTuple):
    """How well a face can be read in one frame, or on average in several; 0 is not at all, 1 is perfectly."""

    seen: float
    """1 where the detector saw the face, 0 where its place is predicted."""
    size: float
    """Its pixels, across, over those that the model can take in."""
    sharpness: float
    """0 for a blur of many pixels."""
    pose: float
    """1 for a face that looks straight on, 0 for a profile; 1 where the detector finds no landmarks."""
    light: float
    """0 for a face that is black, white or grey all over."""

    @property
    def score(self) -> float:
        """All of it in one number: the product, for what is lost in one way is lost, whatever the others say."""
        return math.prod(self)

    @property
    def worst(self) -> str:
        """The part that is worst, as a word for a reader, however good it is."""
        return FLAWS[min(self._fields, key=lambda name: float(getattr(self, name)))]


FLAWS = {"seen": "hidden", "size": "small", "sharpness": "blurred", "pose": "turned away", "light": "badly lit"}
"""Field of ``FaceQuality`` -> the word for a face that is poor in it."""

TOO_FEW = "too few frames"
"""The word for a clip that shows too few different pictures."""

HIDDEN = FaceQuality(0.0, 1.0, 1.0, 1.0, 1.0)
"""A face that was not seen."""


class TrackQuality:
    """The quality of one person's face, frame by frame; remembers the pose, which is only known in searched frames."""

    def __init__(self) -> None:
        self._pose = 1.0

    def update(self, crop: UInt8[np.ndarray, "size size 3"], box: FaceBox) -> FaceQuality:
        """Return the quality in the next frame.

        Args:
            crop: what the model sees of the face, RGB.
            box: where the face is in the image; with landmarks where they were looked for, with a score of 0 where the
                face was not seen.
        """
        if box.score <= 0:
            return HIDDEN
        if box.landmarks is not None:
            self._pose = pose(box.landmarks)
        grey = _grey(crop)
        return FaceQuality(1.0, size(box, len(crop)), sharpness(grey), self._pose, light(grey))


def average(qualities: Sequence[FaceQuality]) -> FaceQuality:
    """Return the mean of each part, over at least one frame."""
    return FaceQuality(*np.mean(qualities, axis=0).tolist())


def judge(qualities: Sequence[FaceQuality], pictures: int, sound: float = FLAWLESS_QUALITY) -> tuple[float, str]:
    """Return how well a face can be read in a clip, 0 to 1, and what takes most from that, or "" where it is sound.

    The mean over the frames, times the share of different pictures: one that stays on screen says nothing of dynamics.

    Args:
        qualities: one for each frame of the clip.
        pictures: how many of the frames are different pictures.
        sound: quality from which on nothing is amiss.
    """
    mean, share = average(qualities), pictures / len(qualities)
    score = share * sum(quality.score for quality in qualities) / len(qualities)
    if score >= sound:
        return score, ""
    return score, TOO_FEW if share < min(mean) else mean.worst


def size(box: FaceBox, crop_size: int) -> float:
    """Return the side of the crop in pixels of the image over its side in pixels of the model, at most 1."""
    return min(1.0, CROP_FACTOR * max(box.width, box.height) / crop_size)


def sharpness(grey: UInt8[np.ndarray, "64 64"]) -> float:
    """Return how much detail a second blurring takes away: much from a sharp face, little from a blurred one.

    The ratio of gradient energies before and after blurring once more is 1 for a face without any detail. It does not
    change with contrast. Re-blurring as a measure: Crete et al., "The blur effect", Human Vision and Electronic Imaging
    XII, 2007, and Zhuo and Sim, "Defocus map estimation from a single image", Pattern Recognition 44, 2011. Noise would
    be taken for detail; its share, known from its strength in the smooth half of the face (the mask is that of
    Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding 64, 1996), is subtracted.
    That holds up to about 8 grey levels in the crop; more noise makes a blurred face seem sharper than it is.

    Args:
        grey: the crop.
    """
    exact = grey.astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(exact, (11, 11), sigma)[_FACE] for sigma in (_FINE, _COARSE))
    response = np.abs(cv2.filter2D(exact, -1, _DIFFERENCE_OF_LAPLACIANS)[_FACE])
    variance = (1.4826 * float(np.median(response)) / 6) ** 2 + 1 / 12  # that of rounding to grey levels
    detail = max(0.0, _gradient_energy(fine) - _FINE_GAIN * variance)
    left = max(1e-6, _gradient_energy(coarse) - _COARSE_GAIN * variance)
    return min(1.0, max(0.0, (detail / left - 1) / (SHARP_RATIO - 1)))


def light(grey: UInt8[np.ndarray, "64 64"]) -> float:
    """Return how many of the grey levels the face uses, less the part of it that is blown out.

    Darkness, fog and overexposure all narrow the range between the bright and the dark parts (98th and 2nd
    percentile). Dark skin hardly does, where light falls on it: its mean, which would, is not looked at.

    Args:
        grey: the crop.
    """
    values = np.sort(grey[_FACE], axis=None)
    dark, bright = float(values[len(values) // 50]), float(values[-len(values) // 50])
    blown_out = 1 - float(np.searchsorted(values, 252)) / len(values)
    return min(1.0, (bright - dark) / FULL_RANGE) * (1 - blown_out)


def pose(landmarks: Landmarks) -> float:
    """Return cos(yaw) cos(pitch): how much of its width and height the face shows.

    The angles follow from where the tip of the nose lies between the eyes and the mouth, as seen in parallel
    projection: aside by ``NOSE_DEPTH`` tan(yaw), and off ``NOSE_PLACE`` by ``NOSE_REACH`` tan(pitch). The lean of
    the head does not count, for crops are turned upright. (Gee and Cipolla, "Determining the gaze of faces in images",
    Image and Vision Computing 12, 1994, reckon like this.)
    """
    right_eye, left_eye, nose, right_mouth, left_mouth = (complex(*point) for point in landmarks)
    apart = left_eye - right_eye
    if abs(apart) < 1e-6:
        return 0.0
    middle = (right_eye + left_eye) / 2
    to_nose, to_mouth = (nose - middle) / apart, ((right_mouth + left_mouth) / 2 - middle) / apart
    if to_mouth.imag <= 0:  # a mouth above the eyes is none
        return 0.0
    yaw = math.atan(to_nose.real / NOSE_DEPTH)
    pitch = math.atan((to_nose.imag / to_mouth.imag - NOSE_PLACE) / NOSE_REACH)
    return math.cos(yaw) * math.cos(pitch)


def _grey(crop: UInt8[np.ndarray, "size size 3"]) -> UInt8[np.ndarray, "64 64"]:
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if len(grey) == SIDE:
        return np.asarray(grey)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def _gradient_energy(image: np.ndarray) -> float:
    """Return the mean of the squared differences to the right and below."""
    across, down = np.ravel(image[:, 1:] - image[:, :-1]), np.ravel(image[1:] - image[:-1])
    return float(across @ across / across.size + down @ down / down.size)


def _noise_gain(sigma: float) -> float:
    """Return the gradient energy of white noise of variance 1 after smoothing."""
    line = cv2.getGaussianKernel(11, sigma, cv2.CV_32F)
    return 2 * float((np.diff(np.pad(line @ line.T, 1), axis=1) ** 2).sum())


_FINE_GAIN, _COARSE_GAIN = _noise_gain(_FINE), _noise_gain(_COARSE)
