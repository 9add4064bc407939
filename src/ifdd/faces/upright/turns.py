"""Which way up faces are: heads and cameras that are turned by any angle.

Detectors also find faces that are sideways or upside down, with scores of 0.8 to 0.9, but invent upright landmarks for
them. A face is therefore searched in ``TURNS`` tiles of one mosaic, each turned by another 30 degrees. Where the
landmarks are real, they turn with the tiles; where they are invented, they stay level. A conditional logit over all
tiles tells the two apart. Several sightings of one face add up, and those of all faces of a shot tell how the camera
was held.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from ifdd.faces.boxes import CropSquare, FaceBox, Landmarks, crop_square, wrap_degrees
from ifdd.faces.detection import FaceDetector
from ifdd.faces.landmarks import eye_slope

TURNS = 12
"""Angles that are tried."""

TILE, MARGIN, COLUMNS = 160, 2.0, 4
"""Side of a tile in pixels, and in multiples of the longer side of the box; tiles in a row of the mosaic."""

LARGEST_LEAN = 30.0
"""Heads that lean by less than this are upright: landmarks follow them without any turn (degrees)."""

SURE, UNSURE = 0.9, 0.6
"""Probability from which on a turn is certain, and up to which the face must not be read."""

PRIOR = 1.5
"""Log-odds in favour of a face that is upright in a picture held like the pictures before."""

MEMORY = 0.7
"""Weight of the sightings so far at the next one: they resemble each other, and people turn."""

# A conditional logit, fitted once to sightings in the seven real videos with faces that benchmarks/turned.py turns by
# several angles. The weight at position i belongs to the tile that is i * 30 degrees further than the angle judged;
# those of the opposite direction are mirrored.
SCORE_WEIGHTS = (6.03, -0.47, 0.21, -1.09, -1.11, -1.83, -1.74)
LEVEL_WEIGHTS = (0.09, 2.09, 0.13, 0.04, -1.15, -0.86, -0.34)
SLOPE_WEIGHTS = (0.0, -2.49, -0.9, -0.9, 0.22, -0.6, 0.0)

_ANGLES = np.arange(TURNS) * 360.0 / TURNS
_AROUND = (np.arange(TURNS)[:, None] + np.arange(TURNS)) % TURNS  # tiles, beginning at the angle judged

Evidence = Float[np.ndarray, " turns"]
"""Log-odds of the angles 0, 30, ..., 330 degrees."""


def try_turns(image: UInt8[np.ndarray, "height width 3"], box: FaceBox, detector: FaceDetector) -> Evidence | None:
    """Return the log-odds that a head is turned clockwise by 0, 30, ..., 330 degrees; None if no tile shows a face.

    Args:
        image: RGB.
        box: the face; its landmarks do not matter.
        detector: the face detector, which must find landmarks.
    """
    side = MARGIN * max(box.width, box.height)
    tiles = [crop_square(image, CropSquare(*box.center, side, angle), TILE) for angle in _ANGLES]
    rows = [np.concatenate(tiles[first : first + COLUMNS], axis=1) for first in range(0, TURNS, COLUMNS)]
    found = [face for face in detector.detect(np.concatenate(rows)) if face.landmarks is not None]
    measured = np.zeros((3, TURNS))
    for turn in range(TURNS):
        middle = (turn % COLUMNS + 0.5) * TILE, (turn // COLUMNS + 0.5) * TILE
        face = _best_at(found, middle)
        if face is not None and face.landmarks is not None:
            slope = math.radians(eye_slope(face.landmarks))
            measured[:, turn] = np.array([1.0, math.cos(slope), 2 * math.sin(slope)]) * face.score
    if not measured.any():
        return None
    return _weigh(measured)


def _best_at(found: Sequence[FaceBox], middle: tuple[float, float]) -> FaceBox | None:
    """Return the face with the highest score in the middle of a tile; None without any."""
    near = [face for face in found if math.dist(face.center, middle) < TILE / 5]
    return max(near, key=lambda face: face.score, default=None)


def _weigh(measured: Float[np.ndarray, "3 turns"]) -> Evidence:
    """Return the log-odds of each angle from score, level and slope in each tile."""
    score, level, slope = (values[_AROUND] for values in measured)
    odds = score @ _mirrored(SCORE_WEIGHTS, 1) + level @ _mirrored(LEVEL_WEIGHTS, 1)
    return np.asarray(odds + slope @ _mirrored(SLOPE_WEIGHTS, -1))


def _mirrored(weights: Sequence[float], sign: int) -> Float[np.ndarray, " turns"]:
    half = np.array(weights)
    return np.concatenate([half, sign * half[-2:0:-1]])


@dataclass
class TurnVote:
    """The votes of several sightings of one face."""

    camera: float = 0.0
    """Turn of the camera, which the face probably shares (degrees)."""
    odds: Evidence = field(default_factory=lambda: np.zeros(TURNS))
    """Log-odds of the angles, without the camera."""
    count: int = 0
    """Number of sightings."""

    def add(self, evidence: Evidence) -> None:
        """Add the evidence of the next sighting."""
        self.odds = MEMORY * self.odds + evidence
        self.count += 1

    def result(self) -> tuple[float, float]:
        """Return the turn of the head in degrees, -180 to 180, and the probability that it is right within 45 degrees.

        Heads that lean by less than ``LARGEST_LEAN`` have the turn 0.
        """
        if not self.count:
            return self.camera, 1.0
        odds = self.odds + PRIOR * np.cos(np.radians(_ANGLES - self.camera)).clip(0)
        chances = np.exp(odds - odds.max())
        chances /= chances.sum()
        near = (int(chances.argmax()) + np.arange(-1, 2)) % TURNS
        angle = math.degrees(np.angle(chances[near] @ np.exp(1j * np.radians(_ANGLES[near]))))
        return (0.0 if abs(angle) <= LARGEST_LEAN else angle), float(chances[near].sum())


def turn_upright(image: UInt8[np.ndarray, "height width 3"], box: FaceBox, detector: FaceDetector) -> FaceBox:
    """Return a face in a photograph with its turn, and if it is turned with its landmarks in place.

    Args:
        image: RGB.
        box: the face, as detected in the whole image.
        detector: the face detector; if it finds no landmarks, the box is returned unchanged.

    Example:
        >>> import numpy as np
        >>> from ifdd.faces import FaceBox, HaarDetector
        >>> from ifdd.faces.upright import turn_upright
        >>> image = np.zeros((240, 320, 3), np.uint8)
        >>> turn_upright(image, FaceBox(140, 90, 40, 50, score=0.9), HaarDetector()).turn
        0.0
    """
    evidence = None if box.landmarks is None else try_turns(image, box, detector)
    if evidence is None:
        return box
    vote = TurnVote()
    vote.add(evidence)
    return with_turn(image, box, detector, *vote.result())


def with_turn(
    image: UInt8[np.ndarray, "height width 3"],
    box: FaceBox,
    detector: FaceDetector,
    turn: float,
    certainty: float,
    searched: float = 0.0,
) -> FaceBox:
    """Return a face with its turn; box and landmarks are searched in a turned crop unless they were found that way up.

    Args:
        image: RGB.
        box: the face.
        detector: the face detector.
        turn: of the head, in degrees.
        certainty: probability that it is right.
        searched: turn of the picture in which the face was detected.
    """
    if abs(wrap_degrees(turn - searched)) > LARGEST_LEAN:
        box = _find_turned(image, box, detector, turn)
    return box._replace(turn=turn, certainty=certainty)


def _find_turned(
    image: UInt8[np.ndarray, "height width 3"], box: FaceBox, detector: FaceDetector, turn: float
) -> FaceBox:
    """Return the box and landmarks found in a crop turned upright; without landmarks if nothing is found there."""
    square = CropSquare(*box.center, MARGIN * max(box.width, box.height), turn)
    found = detector.detect(crop_square(image, square, TILE))
    face = _best_at(found, (TILE / 2, TILE / 2))
    if face is None or face.landmarks is None:
        return box._replace(landmarks=None)
    scale = square.side / TILE
    landmarks = Landmarks(*(square.point(x / TILE, y / TILE) for x, y in face.landmarks))
    x, y = square.point(*(value / TILE for value in face.center))
    width, height = scale * face.width, scale * face.height
    if abs(math.sin(math.radians(turn))) > math.sqrt(0.5):  # nearer to sideways than to upright
        width, height = height, width
    return box._replace(x=x - width / 2, y=y - height / 2, width=width, height=height, landmarks=landmarks, fine=True)


def detect_turned(image: UInt8[np.ndarray, "height width 3"], detector: FaceDetector, turn: int) -> list[FaceBox]:
    """Return the faces in an image that was turned clockwise by a multiple of 90 degrees, in pixels of that image.

    Args:
        image: RGB.
        detector: the face detector; it searches the image turned back.
        turn: 0, 90, 180 or 270.
    """
    if turn == 0:
        return detector.detect(image)
    height, width = image.shape[:2]
    middle = np.array([width, height]) / 2
    faces = detector.detect(np.ascontiguousarray(np.rot90(image, turn // 90)))
    upright_middle = middle if turn == 180 else middle[::-1]
    across, down = round(math.cos(math.radians(turn))), round(math.sin(math.radians(turn)))

    def back(point: tuple[float, float]) -> tuple[float, float]:
        x, y = np.asarray(point) - upright_middle
        return float(middle[0] + across * x - down * y), float(middle[1] + down * x + across * y)

    return [_turn_box(face, back, turn) for face in faces]


def _turn_box(face: FaceBox, back: Callable[[tuple[float, float]], tuple[float, float]], turn: int) -> FaceBox:
    (x, y), (width, height) = back(face.center), (face.width, face.height)
    if turn != 180:
        width, height = height, width
    landmarks = None if face.landmarks is None else Landmarks(*map(back, face.landmarks))
    return FaceBox(x - width / 2, y - height / 2, width, height, face.score, landmarks, wrap_degrees(float(turn)))
