"""The common interface of all video readers; damage is either refused or skipped."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.video.timestamps import TIME_TOLERANCE


class RawFrame(NamedTuple):
    """A frame that is converted to an image only on demand."""

    seconds: float
    """Start of the frame on the clock of a video player; never decreases."""
    end_seconds: float
    """End of the frame."""
    size: tuple[int, int]
    """Width and height of the image; may change within a video."""
    to_rgb: Callable[[], UInt8[np.ndarray, "height width 3"]]
    """Returns the upright image."""
    file: str = ""
    """Name of its file, in a folder of images."""

    @classmethod
    def of_image(
        cls, image: UInt8[np.ndarray, "height width 3"], seconds: float, end_seconds: float, file: str = ""
    ) -> "RawFrame":
        """Wrap an image that is RGB already."""
        return cls(seconds, end_seconds, (image.shape[1], image.shape[0]), lambda: image, file)


class VideoEndedError(InputError):
    """A video ends before the part that was to be read."""


class Reader(ABC):
    """Reads the frames of one video, once.

    Args:
        name: name of the video in messages.
        start_seconds: skip the frames that begin before this time.
        strict: refuse damage with an ``InputError``; otherwise skip damaged parts, count and report them.

    Attributes:
        damaged: packets, frames and images so far that could not be read properly.
        gaps: start and end of each stretch in which frames are missing, once the reading has ended.
        notices: anything else that was wrong, one line each.
        expected_seconds: approximate duration, if known.
        fps: frames per second where the source has a fixed rate that was chosen for it.
        live: whether the source ends only when it is stopped.
        stopped: set this to end reading; waiting for a silent pipe ends at once.
    """

    def __init__(self, name: str, start_seconds: float = 0.0, strict: bool = False) -> None:
        self.name = name
        self.start_seconds = start_seconds
        self.strict = strict
        self.damaged = 0
        self.gaps: tuple[tuple[float, float], ...] = ()
        self.notices: list[str] = []
        self.expected_seconds: float | None = None
        self.fps: float | None = None
        self.live = False
        self.stopped = False

    @abstractmethod
    def read(self) -> Iterator[RawFrame]:
        """Yield the frames in order, from the first that begins at ``start_seconds`` or later.

        Raises:
            InputError: the video ends before ``start_seconds``, is unreadable or, with ``strict``, damaged.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the file, the connection or the camera; may be called repeatedly."""

    def is_skipped(self, seconds: float) -> bool:
        """Whether a frame that begins at this time comes before the part to be read."""
        return seconds < self.start_seconds - TIME_TOLERANCE

    def pass_over(self, error: InputError) -> None:
        """Count one damaged item or, with ``strict``, raise the error."""
        if self.strict:
            raise error
        self.damaged += 1

    def no_frames(self, end_seconds: float) -> InputError:
        """Return the error for a video without any frame to read.

        Args:
            end_seconds: end of the last frame that was skipped; 0 if there was none.
        """
        if end_seconds > 0:
            return VideoEndedError(
                f"the video {self.name} ends at {end_seconds:.2f} s, so nothing is left from "
                f"source.start_seconds {self.start_seconds:g}; choose an earlier start"
            )
        return InputError(f"the video {self.name} has no frames that can be decoded; replace it")
