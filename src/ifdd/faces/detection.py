"""Detect faces in one frame."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol, get_args, runtime_checkable

import cv2
import cv2.data
import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox, Landmarks
from ifdd.faces.yunet import Rows, YuNetSession, has_onnx_runtime
from ifdd.file_kinds import file_kind
from ifdd.files import expand, file_sha256
from ifdd.remote.downloads import fetch_file
from ifdd.video.images import quiet_opencv

SMALLEST_DETECTION_SIDE = 320
"""Images whose longer side is below this are enlarged to it before detection (pixels)."""

LARGEST_DETECTION_SIDE = 640
"""Images whose longer side is above this are reduced to it before detection (pixels)."""

YUNET_URL = (
    "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/"
    "0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx/yunet_n_640_640.onnx"
)
"""YuNet's model file at a fixed commit."""

YUNET_SHA256 = "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31"

YUNET_FILE = YUNET_URL.rsplit("/", 1)[1]
"""Name of YuNet's model file, also in torch's cache."""

DetectorKind = Literal["auto", "yunet", "haar"]
"""Which detector to use; auto takes YuNet, or the Haar cascade if YuNet's file cannot be downloaded."""


@runtime_checkable
class FaceDetector(Protocol):
    """The interface of a face detector; any object with these two members satisfies it."""

    name: str
    """The detector's name in notices and results."""

    def detect(self, image: UInt8[np.ndarray, "height width 3"]) -> list[FaceBox]:
        """Return the faces in an RGB image, in YuNet's box convention and in any order.

        Must be thread-safe: one thread searches whole frames while another measures the roll of heads.
        """
        ...


class YuNetDetector:
    """YuNet (Wu et al., Machine Intelligence Research 20, 2023).

    ONNX Runtime runs it if the extra ``[onnx]`` is installed, and OpenCV, which takes more than twice as long, if not.

    Args:
        model_path: path to YuNet's .onnx file, for example ``onnx/yunet_n_640_640.onnx`` from the repository
            ShiqiYu/libfacedetection.train.
        score_threshold: detections below this score are discarded. It is low because a tracker continues tracks with
            weak detections, of covered or turned faces; it never starts tracks with them.
        runtime: use ONNX Runtime if it is there.

    Raises:
        InputError: the file does not exist or is not a YuNet model.

    Attributes:
        engine: what runs it.
    """

    name = "yunet"

    def __init__(self, model_path: str | Path, score_threshold: float = 0.3, runtime: bool = True) -> None:
        model_path = expand(model_path)
        if not model_path.is_file():
            raise InputError(
                f"face detector model {model_path} does not exist; give the path to YuNet's .onnx file, or omit it"
            )
        try:
            with quiet_opencv():
                opencv = _OpenCVSession(model_path, score_threshold)
                opencv.detect(np.zeros((64, 64, 3), np.uint8))  # other networks fail here, not above
        except cv2.error as error:
            kind = file_kind(model_path)
            found = "" if kind is None or kind.name == "onnx" else f": {kind.text}"
            raise InputError(
                f"OpenCV cannot read {model_path} as a YuNet model{found}; give the path to YuNet's .onnx file, or "
                "omit it"
            ) from error
        self._session: _OpenCVSession | YuNetSession = opencv
        if runtime and has_onnx_runtime():
            self._session = YuNetSession(model_path, score_threshold, max(1, cv2.getNumThreads()))
        self.engine = self._session.engine
        self._model_path = model_path

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the model file."""
        return file_sha256(self._model_path)

    def detect(self, image: UInt8[np.ndarray, "height width 3"]) -> list[FaceBox]:
        """Return the faces in an RGB image, with landmarks."""
        sized, scale = _bound_size(image)
        bgr = cv2.cvtColor(sized, cv2.COLOR_RGB2BGR)
        rows = self._session.detect(bgr)
        # In images only a few pixels high, some boxes are huge or infinite.
        return [_yunet_box(row, scale) for row in rows if np.abs(row).max() < 4 * LARGEST_DETECTION_SIDE]


class _OpenCVSession:
    """YuNet in OpenCV's own engine."""

    engine = "OpenCV"

    def __init__(self, model_path: Path, score_threshold: float) -> None:
        self._turn = Lock()  # it keeps one input size at a time
        self._detector = cv2.FaceDetectorYN.create(str(model_path), "", (64, 64), score_threshold)

    def detect(self, image: UInt8[np.ndarray, "height width 3"]) -> Rows:
        """Return the faces in a BGR image."""
        with self._turn:
            self._detector.setInputSize((image.shape[1], image.shape[0]))
            _, found = self._detector.detect(image)
        return np.zeros((0, 15), np.float32) if found is None else found


class HaarDetector:
    """The Viola-Jones cascade "frontalface_alt2", which ships with OpenCV and needs no model file.

    It detects upright frontal faces and misses turned, tilted and covered ones. Of OpenCV's three frontal cascades, it
    had the fewest false positives on eight real videos, at about the same recall and speed.
    """

    name = "haar"
    finds_landmarks = False

    # Cascade boxes are squares from hairline to chin, wider than the cheeks. These are the median offset and size of
    # YuNet's box for the same face, in multiples of the square's side, over 325 faces in every third frame of seven
    # real videos. The medians of the five videos with over 20 faces above 40 pixels are within 0.02, 0.03 and 0.04.
    DOWN, WIDTH, HEIGHT = 0.02, 0.80, 1.13

    # The sum of the last stage ranges from 54.6 (barely accepted) to about 58.4 on real faces.
    LOWEST_WEIGHT, WEIGHT_RANGE = 54.5, 4.0

    def __init__(self) -> None:
        self._turn = Lock()  # OpenCV's cascade is not thread-safe
        self._cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")

    def detect(self, image: UInt8[np.ndarray, "height width 3"]) -> list[FaceBox]:
        """Return the frontal faces in an RGB image, without landmarks; scores range from 0.5 to 1."""
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


def finds_landmarks(detector: FaceDetector) -> bool:
    """Return whether a detector finds landmarks: unless its attribute ``finds_landmarks`` is False."""
    return bool(getattr(detector, "finds_landmarks", True))


def own_model(detector: FaceDetector) -> str | None:
    """Return the SHA-256 of a detector's model file, unless it is YuNet's public one or there is none."""
    sha256: str | None = getattr(detector, "sha256", None)
    return None if sha256 == YUNET_SHA256 else sha256


@dataclass(frozen=True)
class DetectorChoice:
    """Which detector to use. Unlike a detector, it can be pickled: another process calls it to build its own."""

    model: Path | None = None
    """Path to YuNet's .onnx file; None for the Haar cascade."""

    def __call__(self) -> FaceDetector:
        """Build the detector.

        Raises:
            InputError: the file does not exist or is not a YuNet model.
        """
        return HaarDetector() if self.model is None else YuNetDetector(self.model)


def choose_detector(
    model: str | Path | None, notify: Callable[[str], object], url: str = YUNET_URL, kind: DetectorKind = "auto"
) -> DetectorChoice:
    """Return YuNet with the given file, or with the public one, downloaded once; without either, the Haar cascade.

    Args:
        model: path to YuNet's .onnx file, or None.
        notify: called with a line to show before a download and when the Haar cascade is used instead.
        url: the public file; failing to download it is an error only if YuNet is asked for.
        kind: the detector asked for.

    Raises:
        InputError: the kind is unknown, does not fit the file, or is YuNet, which cannot be downloaded.
    """
    if kind not in get_args(DetectorKind):
        raise InputError(f"unknown detector {kind!r}; use one of {', '.join(get_args(DetectorKind))}")
    if model is not None:
        if kind == "haar":
            raise InputError(f"the detector haar does not use YuNet's file {model}; leave one of them out")
        return DetectorChoice(expand(model))
    if kind == "haar":
        return DetectorChoice()
    if kind == "yunet":
        return DetectorChoice(fetch_yunet(notify, url, "try again, give its file with --detector-model, or use haar"))
    try:
        return DetectorChoice(fetch_yunet(notify, url, optional=True))
    except InputError as error:
        notify(
            f"notice: {error}. Using OpenCV's Haar cascade, which misses turned, tilted and small faces; "
            "--detector-model FILE uses a local file of YuNet, --detector haar the cascade without this notice"
        )
        return DetectorChoice()


def fetch_yunet(
    notify: Callable[[str], object],
    url: str = YUNET_URL,
    remedy: str = "try again, or fetch the file in another way and give its path",
    *,
    optional: bool = False,
) -> Path:
    """Return YuNet's public model file (317 kB), downloaded once; the arguments are those of ``fetch_file``.

    Raises:
        InputError: the file cannot be downloaded, has the wrong hash, or cannot be stored.
    """
    return fetch_file(url, YUNET_SHA256, notify, remedy, optional=optional)


def detection_scale(image: UInt8[np.ndarray, "height width 3"]) -> float:
    """Return the factor that brings the longer side of an image between the two detection sides."""
    long_side = max(image.shape[:2])
    return min(max(long_side, SMALLEST_DETECTION_SIDE), LARGEST_DETECTION_SIDE) / long_side


def _bound_size(image: UInt8[np.ndarray, "height width 3"]) -> tuple[UInt8[np.ndarray, "h w 3"], float]:
    """Scale an image for detection; return it and the scale."""
    scale = detection_scale(image)
    if scale == 1:
        return image, 1.0
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), scale


def _yunet_box(row: np.ndarray, scale: float) -> FaceBox:
    x, y, width, height, *points = (float(value) / scale for value in row[:14])
    landmarks = Landmarks(*zip(points[0::2], points[1::2], strict=True))
    return FaceBox(x, y, width, height, float(row[14]), landmarks)
