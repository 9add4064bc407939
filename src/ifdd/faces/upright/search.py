"""The search for faces in successive frames, which learns which way up the faces and the camera are."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.faces.boxes import FaceBox, overlap, wrap_degrees
from ifdd.faces.detection import FaceDetector, finds_landmarks
from ifdd.faces.upright.turns import SURE, TurnVote, detect_turned, try_turns, with_turn
from ifdd.video.fitting import Fit

FIRST_AGAIN_SECONDS, LAST_AGAIN_SECONDS = 0.5, 4.0
"""Time until a face whose turn is certain is tried again; it doubles each time."""

UNSURE_AGAIN_SECONDS = 1.0
"""The same for a face whose turn is still uncertain after ``FIRST_VOTES``."""

FIRST_VOTES = 4
"""Successive searches in which a new face is tried until its turn is certain."""

MOST_VOTES = 2
"""Faces that are tried in one frame, each for about the price of a search for faces."""

SCOUT_SECONDS = 0.5
"""Interval at which a picture without faces is searched in another turn."""

CONFIDENT = 0.5
"""Detection score from which on a face is tried, and counts for the camera."""

COARSE_SIDE = 320
"""Longer side in pixels of the reduced picture in which large faces that are known are searched: a quarter of the
pixels."""

COARSE_HEIGHT = 36.0
"""Height in pixels that every face must have in the reduced picture."""

FINE_SECONDS = 0.5
"""Longest time between two searches in the full picture, which also find new and small faces."""

SAME_FACE = 0.2
"""Overlap from which on two boxes in successive searches show the same face."""


@dataclass
class _Seen:
    """A face of the last search."""

    box: FaceBox
    """As the detector found it, before it was turned."""
    vote: TurnVote
    due_seconds: float = -math.inf
    """When to try it again."""
    pause_seconds: float = FIRST_AGAIN_SECONDS
    missed: int = 0
    """Successive searches that did not find it."""
    tried: bool = False
    """Whether it was tried at all."""

    def try_again(self, seconds: float) -> None:
        """Set the time of the next vote."""
        if self.vote.result()[1] >= SURE:
            self.due_seconds = seconds + self.pause_seconds
            self.pause_seconds = min(2 * self.pause_seconds, LAST_AGAIN_SECONDS)
        elif self.vote.count >= FIRST_VOTES:
            self.due_seconds = seconds + UNSURE_AGAIN_SECONDS


class FaceSearch:
    """Searches successive frames for faces and finds out which way up each of them is.

    A new face is tried in all turns, again while the result is uncertain, and from time to time later. The picture is
    searched as the camera was held: in the turn of most faces. Without landmarks, all faces count as upright.

    If asked to, most pictures are reduced before they are searched while all faces in sight are large. The full picture
    is then searched at every shot boundary, every ``FINE_SECONDS``, and where the reduced one does not show every face
    again.

    Args:
        detector: the face detector.
        reduce: whether pictures may be reduced: faster, and less exact.
    """

    MISSES = 8
    """Searches after which a face that is not found any more is forgotten."""

    def __init__(self, detector: FaceDetector, *, reduce: bool = False) -> None:
        self.detector = detector
        self._reduce = reduce and finds_landmarks(detector)
        self.camera = 0
        """Clockwise turn of the picture: 0, 90, 180 or 270 degrees."""
        self._seen: list[_Seen] = []
        self._scouted_seconds = -math.inf
        self._scout = 0
        self._fine_seconds = -math.inf

    def search(
        self, image: UInt8[np.ndarray, "height width 3"], seconds: float, boundary: bool = False
    ) -> list[FaceBox]:
        """Return the faces in the next frame, with turns.

        Args:
            image: RGB.
            seconds: time of the frame.
            boundary: the frame is the first of a new shot.
        """
        if boundary:
            self._seen = []
        known = None if boundary else self._detect_known(image, seconds)
        turn, faces = self._detect(image, seconds) if known is None else (self.camera, known)
        seen = self._recall(faces)
        votes = 0
        for one in sorted((one for one in seen if one is not None), key=lambda one: -one.box.height):
            if votes < MOST_VOTES and one.due_seconds <= seconds and one.box.score >= CONFIDENT:
                votes += 1
                self._vote(image, one, seconds)
        turned = [
            self._turn(image, face, one, turn) if finds_landmarks(self.detector) else face
            for face, one in zip(faces, seen, strict=True)
        ]
        self._judge_camera()
        return turned

    def _detect_known(self, image: UInt8[np.ndarray, "height width 3"], seconds: float) -> list[FaceBox] | None:
        """Return the faces in the reduced picture; None if the full one has to be searched."""
        height, width = image.shape[:2]
        scale = COARSE_SIDE / max(height, width)
        if (
            not self._reduce
            or seconds - self._fine_seconds > FINE_SECONDS
            or scale >= 1
            or not self._seen
            or any(one.missed or scale * one.box.height < COARSE_HEIGHT for one in self._seen)
        ):
            return None
        size = max(1, round(scale * width)), max(1, round(scale * height))
        reduced = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        found = detect_turned(reduced, self.detector, self.camera)
        faces = [face.placed(Fit(1 / scale, 0.0, 0.0))._replace(fine=False) for face in found]
        sure = [face for face in faces if face.score >= CONFIDENT]
        again = all(any(overlap(one.box, face) >= SAME_FACE for face in sure) for one in self._seen)
        return faces if again and len(sure) == len(self._seen) else None

    def _detect(self, image: UInt8[np.ndarray, "height width 3"], seconds: float) -> tuple[int, list[FaceBox]]:
        """Return the turn in which the picture was searched, and the faces."""
        self._fine_seconds = seconds
        faces = detect_turned(image, self.detector, self.camera)
        missed = not any(face.score >= CONFIDENT for face in faces)
        if not missed or not finds_landmarks(self.detector):
            return self.camera, faces
        if seconds - self._scouted_seconds < SCOUT_SECONDS:
            return self.camera, faces
        self._scouted_seconds = seconds
        self._scout = self._scout % 3 + 1
        turn = (self.camera + 90 * self._scout) % 360
        others = [face for face in detect_turned(image, self.detector, turn) if face.score >= CONFIDENT]
        return (turn, others) if others else (self.camera, faces)

    def _recall(self, faces: Sequence[FaceBox]) -> list[_Seen | None]:
        """Return what is known of each face; a confident face that is new is remembered, a weak one is None."""
        pairs = [
            (overlap(one.box, face), index, number)
            for index, one in enumerate(self._seen)
            for number, face in enumerate(faces)
        ]
        found: dict[int, _Seen] = {}
        taken: set[int] = set()
        for shared, index, number in sorted(pairs, reverse=True):
            if shared >= SAME_FACE and index not in taken and number not in found:
                taken.add(index)
                found[number] = self._seen[index]
                found[number].box, found[number].missed = faces[number], 0
        for index, one in enumerate(self._seen):
            one.missed += index not in taken
        new = {
            number: _Seen(face, TurnVote(wrap_degrees(float(self.camera))))
            for number, face in enumerate(faces)
            if number not in found and face.score >= CONFIDENT
        }
        self._seen = [one for one in self._seen if one.missed <= self.MISSES] + list(new.values())
        return [found.get(number) or new.get(number) for number in range(len(faces))]

    def _vote(self, image: UInt8[np.ndarray, "height width 3"], one: _Seen, seconds: float) -> None:
        evidence = None if one.box.landmarks is None else try_turns(image, one.box, self.detector)
        if evidence is not None:
            one.vote.add(evidence)
        one.tried = True
        one.try_again(seconds)

    def _turn(
        self, image: UInt8[np.ndarray, "height width 3"], face: FaceBox, one: _Seen | None, searched: int
    ) -> FaceBox:
        """Return a face with its turn, which is uncertain for a face that was not tried yet."""
        if one is None or not one.tried:
            return face._replace(certainty=0.0)
        return with_turn(image, face, self.detector, *one.vote.result(), searched=float(searched))

    def _judge_camera(self) -> None:
        """Adopt the turn that most of the faces in sight have for certain."""
        turns: Counter[int] = Counter()
        for one in self._seen:
            angle, certainty = one.vote.result()
            if one.vote.count and certainty >= SURE:
                turns[round(angle / 90) % 4 * 90] += 1
        best = max(turns, key=turns.__getitem__, default=self.camera)
        if turns[best] > sum(turns.values()) / 2:
            self.camera = best
