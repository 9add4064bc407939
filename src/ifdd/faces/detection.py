"""Finding faces in one frame, and cutting them out the way the model wants them.

All boxes follow one convention, that of the YuNet detector: from the middle of the forehead to the chin, and
from cheek to cheek.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Protocol, runtime_checkable
from urllib.request import urlopen

import cv2
import cv2.data
import numpy as np
import torch
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.files import atomic_path, file_sha256
from ifdd.video.frames import quiet_opencv

CROP_FACTOR = 1.35
"""Side of a model's square crop, in multiples of the longer side of the face box."""

SMALLEST_DETECTION_SIDE = 320
"""Images with a shorter long side than this are enlarged to it before detection (pixels)."""

LARGEST_DETECTION_SIDE = 640
"""Images with a longer long side than this are reduced to it before detection (pixels)."""

YUNET_URL = (
    "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/"
    "0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx/yunet_n_640_640.onnx"
)
"""YuNet's model as it was at one commit."""

YUNET_SHA256 = "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31"

YUNET_FILE = "yunet_n_640_640.onnx"
"""The name under which YuNet's model is kept in torch's cache of weights."""

DOWNLOAD_SECONDS = 15
"""A server silent for longer than this is given up."""


class Landmarks(NamedTuple):
    """Five points of a face as (x, y) pixels; right and left are the person's own."""

    right_eye: tuple[float, float]
    left_eye: tuple[float, float]
    nose: tuple[float, float]
    right_mouth: tuple[float, float]
    left_mouth: tuple[float, float]


class FaceBox(NamedTuple):
    """A face in an image, in pixels of that image; the box may reach over the border."""

    x: float
    """Left side."""
    y: float
    """Top side."""
    width: float
    height: float
    score: float
    """How sure the detector is, 0 to 1."""
    landmarks: Landmarks | None = None
    """Eyes, nose and mouth corners, where the detector finds them."""

    @property
    def center(self) -> tuple[float, float]:
        """Centre of the box as (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2


@runtime_checkable
class FaceDetector(Protocol):
    """What finds faces; any object with these two members will do."""

    name: str
    """What it is called in notices and results."""

    def detect(self, image: UInt8[np.ndarray, "height width 3"]) -> list[FaceBox]:
        """Return the faces of an RGB image, in YuNet's box convention, in no particular order.

        Two threads may ask at the same time: one for whole frames, one for the angle of heads.
        """
        ...


class YuNetDetector:
    """YuNet (Wu et al., Machine Intelligence Research 20, 2023), run by OpenCV.

    Args:
        model_path: the detector's .onnx file, for instance ``onnx/yunet_n_640_640.onnx`` of the repository
            ShiqiYu/libfacedetection.train.
        score_threshold: detections below this score are not returned. It is low because a tracker needs weak
            detections, of covered or turned faces, to continue tracks; it does not start tracks with them.

    Raises:
        InputError: there is no such file, or it is not a YuNet model.
    """

    name = "yunet"

    def __init__(self, model_path: Path, score_threshold: float = 0.3) -> None:
        self._turn = Lock()  # OpenCV's detector has one size at a time
        if not model_path.is_file():
            raise InputError(f"no face detector model at {model_path}; give YuNet's .onnx file, or none for Haar")
        try:
            with quiet_opencv():
                self._detector = cv2.FaceDetectorYN.create(str(model_path), "", (64, 64), score_threshold)
                self._detector.detect(np.zeros((64, 64, 3), np.uint8))  # another network fails here, not above
        except cv2.error as error:
            raise InputError(
                f"{model_path} is not a YuNet model that OpenCV can read; give YuNet's .onnx file, or none for Haar"
            ) from error

    def detect(self, image: UInt8[np.ndarray, "height width 3"]) -> list[FaceBox]:
        """Return the faces of an RGB image, with landmarks."""
        sized, scale = _bound_size(image)
        with self._turn:
            self._detector.setInputSize((sized.shape[1], sized.shape[0]))
            _, found = self._detector.detect(cv2.cvtColor(sized, cv2.COLOR_RGB2BGR))
        rows = np.zeros((0, 15)) if found is None else found.astype(float)
        # In images a few pixels high some boxes are astronomical, or infinite.
        return [_yunet_box(row, scale) for row in rows if np.abs(row).max() < 4 * LARGEST_DETECTION_SIDE]


class HaarDetector:
    """The Viola-Jones cascade "frontalface_alt2", which ships with OpenCV: no model file needed.

    It sees upright frontal faces; turned, tilted and covered ones it misses. Of OpenCV's three frontal cascades
    it had the fewest false faces on eight real videos at about the same share of faces found and the same speed.
    """

    name = "haar"

    # Cascade boxes are squares from hairline to chin with cheeks to spare. Median offset and size of YuNet's box
    # for the same face, as multiples of the square's side, over 325 faces in every third frame of seven real videos.
    # In the five videos with more than 20 faces above 40 pixels, the medians are within 0.02, 0.03 and 0.04 of these.
    DOWN, WIDTH, HEIGHT = 0.02, 0.80, 1.13

    # The sum of the last stage runs from 54.6 (just accepted) to about 58.4 on real faces.
    LOWEST_WEIGHT, WEIGHT_RANGE = 54.5, 4.0

    def __init__(self) -> None:
        self._turn = Lock()  # OpenCV's cascade works in buffers of its own
        self._cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")

    def detect(self, image: UInt8[np.ndarray, "height width 3"]) -> list[FaceBox]:
        """Return the frontal faces of an RGB image, without landmarks; scores lie in 0.5 to 1."""
        sized, scale = _bound_size(image)
        grey = cv2.cvtColor(sized, cv2.COLOR_RGB2GRAY)
        with self._turn:
            squares, _, weights = self._cascade.detectMultiScale3(
                grey, scaleFactor=1.1, minNeighbors=3, minSize=(24, 24), outputRejectLevels=True
            )
        return [
            self._convert(np.asarray(square, float) / scale, float(weight))
            for square, weight in zip(squares, np.ravel(weights), strict=True)
        ]

    def _convert(self, square: np.ndarray, weight: float) -> FaceBox:
        x, y, side = square[:3]
        width, height = self.WIDTH * side, self.HEIGHT * side
        left = x + side / 2 - width / 2
        top = y + side / 2 + self.DOWN * side - height / 2
        score = 0.5 + 0.5 * (weight - self.LOWEST_WEIGHT) / self.WEIGHT_RANGE
        return FaceBox(float(left), float(top), float(width), float(height), min(max(score, 0.5), 1.0))


@dataclass(frozen=True)
class DetectorChoice:
    """Which detector to use; unlike a detector it can be handed to another process, which calls it to build its own."""

    model: Path | None = None
    """YuNet's .onnx file; the Haar cascade when None."""

    def __call__(self) -> FaceDetector:
        """Build the detector.

        Raises:
            InputError: the file is absent or not a YuNet model.
        """
        return HaarDetector() if self.model is None else YuNetDetector(self.model)


def choose_detector(model: Path | None, notify: Callable[[str], object], url: str = YUNET_URL) -> DetectorChoice:
    """Return YuNet with the file given, else with the public one, downloaded once, else the Haar cascade.

    Args:
        model: YuNet's .onnx file, if there is a wish.
        notify: given a line to show, where something is downloaded or Haar must do.
        url: where the public file is. That it cannot be had is no error.
    """
    if model is not None:
        return DetectorChoice(model)
    try:
        return DetectorChoice(fetch_yunet(notify, url))
    except InputError as error:
        notify(f"notice: {error}. OpenCV's Haar cascade finds the faces, which misses turned, tilted and small ones")
        return DetectorChoice()


def fetch_yunet(notify: Callable[[str], object], url: str = YUNET_URL) -> Path:
    """Return YuNet's model in torch's cache of weights; download it if it is not there, or damaged.

    Raises:
        InputError: it cannot be downloaded, is not the file expected, or cannot be kept.
    """
    path = _yunet_path()
    if _is_yunet(path):
        return path
    notify(f"downloading the face detector YuNet (317 kB) from {url} to {path.parent}")
    try:
        with urlopen(url, timeout=DOWNLOAD_SECONDS) as answer:
            content = answer.read()
    except (OSError, HTTPException) as error:
        raise InputError(
            f"cannot download YuNet from {url} ({error}); try again, or fetch it in another way and give its path"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != YUNET_SHA256:
        raise InputError(
            f"what {url} gives is not YuNet: its SHA-256 starts with {digest[:8]}, expected {YUNET_SHA256[:8]}; "
            "fetch the file in another way and give its path"
        )
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def _yunet_path() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / YUNET_FILE


def _is_yunet(path: Path) -> bool:
    try:
        return file_sha256(path) == YUNET_SHA256
    except OSError:
        return False


def crop_face(
    image: UInt8[np.ndarray, "height width 3"], box: FaceBox, size: int, roll: float = 0.0
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Cut out the square round a face that a model is trained on.

    The square is centred on the box, its side ``CROP_FACTOR`` times the longer side of the box. What lies
    outside the image repeats the border. Positions are exact to a fraction of a pixel, so that a crop that
    follows a slowly moving face does not jump; reduction averages over pixels.

    Args:
        image: RGB.
        box: the face, in pixels of the image.
        size: side of the result in pixels.
        roll: angle in degrees by which the head leans clockwise in the image; the crop shows it upright.
    """
    side = CROP_FACTOR * max(box.width, box.height)
    reduction = max(1, math.ceil(side / size))
    scale = side / (size * reduction)
    x, y = box.center
    # warpAffine maps centres of pixels: destination 0 is the centre of the crop's first pixel.
    across, down = scale * math.cos(math.radians(roll)), scale * math.sin(math.radians(roll))
    middle = (size * reduction - 1) / 2
    to_source = np.array(
        [
            [across, -down, x - 0.5 - middle * (across - down)],
            [down, across, y - 0.5 - middle * (across + down)],
        ],
        np.float64,
    )
    fine = cv2.warpAffine(
        image,
        to_source,
        (size * reduction, size * reduction),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return fine if reduction == 1 else cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


def _bound_size(image: UInt8[np.ndarray, "height width 3"]) -> tuple[UInt8[np.ndarray, "h w 3"], float]:
    """Bring the long side of an image between the two detection sides; return it and its scale."""
    long_side = max(image.shape[:2])
    bounded = min(max(long_side, SMALLEST_DETECTION_SIDE), LARGEST_DETECTION_SIDE)
    if bounded == long_side:
        return image, 1.0
    scale = bounded / long_side
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), scale


def _yunet_box(row: np.ndarray, scale: float) -> FaceBox:
    x, y, width, height, *points = (float(value) / scale for value in row[:14])
    landmarks = Landmarks(*zip(points[0::2], points[1::2], strict=True))
    return FaceBox(x, y, width, height, float(row[14]), landmarks)
