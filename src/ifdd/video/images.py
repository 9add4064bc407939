"""Image files, and folders of numbered images as videos."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.limits import check_size, too_large
from ifdd.video.decoding.stills import finish_picture
from ifdd.video.readers import RawFrame, Reader
from ifdd.video.suffixes import IMAGE_SUFFIXES
from ifdd.video.timestamps import DEFAULT_FPS

LONGEST_GAP = 500
"""Images that may be missing at one place, or as many as there are; where more are, the numbers may be dates."""

_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


class ImageReader(Reader):
    """Reads image files one after the other, as frames of a fixed rate.

    Args:
        name: name of the video in messages.
        files: the images, in order; several are named in the frames.
        fps: frames per second.
        start_seconds: skip the images before this time.
        strict: refuse unreadable images; otherwise they leave a gap in time.

    Attributes:
        positions: place in time of each file, from 0: missing numbers leave gaps.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        fps: float = DEFAULT_FPS,
        start_seconds: float = 0.0,
        strict: bool = False,
    ) -> None:
        super().__init__(name, start_seconds, strict)
        self.fps = fps
        self.files = files
        self.positions, notices = number_positions(files)
        self.notices += notices + _page_notices(files)
        self.expected_seconds = max(0.0, (self.positions[-1] + 1) / fps - start_seconds)

    def read(self) -> Iterator[RawFrame]:
        """Yield the images as frames; unreadable ones leave a gap in time."""
        assert self.fps is not None
        found, failed = False, None
        for position, file in zip(self.positions, self.files, strict=True):
            seconds, end_seconds = position / self.fps, (position + 1) / self.fps
            if self.is_skipped(seconds):
                continue
            try:
                image = decode_image(read_image_bytes(file), str(file))
            except InputError as error:
                self.pass_over(error)
                failed = error
                continue
            found = True
            yield RawFrame.of_image(image, seconds, end_seconds, file.name if len(self.files) > 1 else "")
        if failed is not None and len(self.files) == 1:
            raise failed
        if not found:
            is_over = self.is_skipped(self.positions[-1] / self.fps)
            raise self.no_frames((self.positions[-1] + 1) / self.fps if is_over else 0.0)

    def choose(self, indices: Sequence[int]) -> None:
        """Read only the files at these places in the list, in this order."""
        self.files = [self.files[index] for index in indices]
        self.positions = [self.positions[index] for index in indices]

    def close(self) -> None:
        """Do nothing: no file stays open."""


def is_frame(entry: "os.DirEntry[str]") -> bool:
    """Whether what lies in a folder of images is one of its frames, by its name."""
    name = entry.name.lower()
    if not name.endswith(IMAGE_SUFFIXES) or name.startswith("."):
        return False
    try:
        return not entry.is_dir()
    except OSError:  # a link that leads nowhere: reading it shows why
        return True


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder in the order of the numbers in their names ("2.jpg" before "10.jpg").

    Raises:
        InputError: the folder contains no images, or the same ones in several formats, or cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            files = [folder / entry.name for entry in entries if is_frame(entry)]
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror}; check its permissions") from error
    if not files:
        endings = ", ".join(IMAGE_SUFFIXES)
        raise InputError(f"the folder {folder} holds no frames; put images in it ({endings}), or name one with videos")
    files.sort(key=lambda file: (_natural_key(file.stem), file.name))
    twice = next(((one.name, other.name) for one, other in pairwise(files) if one.stem == other.stem), None)
    if twice:
        raise InputError(
            f"the folder {folder} holds images twice, with different endings ({twice[0]}, {twice[1]}); "
            "move those of one kind to another folder"
        )
    return files


def number_positions(files: Sequence[Path]) -> tuple[list[int], list[str]]:
    """Return the place in time of each file of a folder, and what was noticed, one line each.

    The files follow the last number in their names, if only that differs: a missing number leaves a gap. Most steps
    must be equal, all a multiple of that one, and none more than ``LONGEST_GAP`` times as long, or as many times as
    there are files; otherwise the numbers are no frame numbers, and there are no gaps.

    >>> from pathlib import Path
    >>> from ifdd.video.images import number_positions
    >>> number_positions([Path("img_1.png"), Path("img_2.png"), Path("img_4.png")])
    ([0, 1, 3], ['1 image is missing in the numbering (after img_2.png); it leaves a gap in time'])
    """
    even = list(range(len(files)))
    parts = [_LAST_NUMBER.fullmatch(file.stem) for file in files]
    found = [part for part in parts if part is not None]
    if len(found) < len(files) or len({(part[1], part[3]) for part in found}) > 1 or len(files) < 2:
        return even, []
    numbers = [int(part[2]) for part in found]
    steps = [after - before for before, after in pairwise(numbers)]
    step, count = Counter(steps).most_common(1)[0]
    if step <= 0 or 2 * count < len(steps) or any(one <= 0 or one % step for one in steps):
        return even, ["the numbers in the names of the images are not evenly spaced; they were read at an even rate"]
    longest = max(range(len(steps)), key=steps.__getitem__)
    if steps[longest] > max(LONGEST_GAP, len(files)) * step:
        return even, [
            f"the numbers in the names of the images jump by {steps[longest]} after {files[longest].name}; "
            "all were read at an even rate"
        ]
    positions = [(number - numbers[0]) // step for number in numbers]
    missing = positions[-1] + 1 - len(files)
    if not missing:
        return even, []
    place = next(index for index, one in enumerate(steps) if one != step)
    what = "1 image is missing" if missing == 1 else f"{missing} images are missing"
    gap = "it leaves a gap" if missing == 1 else "they leave gaps"
    return positions, [f"{what} in the numbering (after {files[place].name}); {gap} in time"]


def _page_notices(files: Sequence[Path]) -> list[str]:
    """Return a line if a file that is read alone has several pages; none otherwise."""
    if len(files) > 1 or files[0].suffix.lower() not in (".tif", ".tiff"):
        return []
    with quiet_opencv(), suppress(cv2.error):
        pages = cv2.imcount(str(files[0]))
        if pages > 1:
            return [f"the file holds {pages} pages, and only the first was read; save each as a file of a folder"]
    return []


def read_image_bytes(file: Path) -> bytes:
    """Read an image file without decoding it.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the image {file}: {error.strerror}; check the file") from error


def decode_image(data: bytes, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Decode the bytes of an image file to RGB, upright, with transparent parts black.

    From memory, OpenCV refuses truncated files; from disk, it would fill the missing part with grey.

    Args:
        data: the whole file.
        name: name of the image in messages.

    Raises:
        InputError: the data is not an image, is damaged, truncated or empty, or too large: see ``ifdd.limits``.
    """
    image = _decode(data, name)
    check_size(name, image.shape[1], image.shape[0])
    with quiet_opencv():
        return finish_picture(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), data)


def _decode(data: bytes, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Decode the bytes of an image file to BGR, as OpenCV does.

    Raises:
        InputError: as ``decode_image``.
    """
    try:
        with quiet_opencv():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except (cv2.error, MemoryError) as error:
        if isinstance(error, MemoryError) or "validateInputImageSize" in str(error) or error.code == cv2.Error.StsNoMem:
            raise too_large(name) from error
        image = None
    if image is None:
        raise InputError(f"{name} is not a readable image (damaged, truncated or empty); replace or remove it")
    return np.asarray(image, np.uint8)


def resize_shorter_side(image: UInt8[np.ndarray, "height width 3"], size: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Resize an image so that its shorter side has ``size`` pixels, keeping the aspect ratio.

    Shrinking averages over areas; enlarging is bilinear.

    >>> import numpy as np
    >>> from ifdd.video.images import resize_shorter_side
    >>> resize_shorter_side(np.zeros((480, 640, 3), np.uint8), 240).shape
    (240, 320, 3)
    """
    height, width = image.shape[:2]
    scale = size / min(height, width)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, (max(size, round(width * scale)), max(size, round(height * scale))), interpolation=method)


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's log: ifdd reports a faulty image. Libraries behind OpenCV, such as libpng, still write lines."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _natural_key(name: str) -> list[str | int]:
    """Split a name into text and numbers, so that numbers compare by value."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"([0-9]+)", name))]
