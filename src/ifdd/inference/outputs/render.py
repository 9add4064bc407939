"""The annotated video: boxes, numbers and expressions on the faces, and a moving timeline under the picture.

Frames stream through, one at a time; times and sound stay those of the source.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av
import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.inference.outputs.style import UNCERTAIN_COLOR, assign_rows, class_colors, describe, is_abstention, name_of
from ifdd.inference.recognition import Recognition, RecognizedTrack
from ifdd.inference.segments import Segment, time_course
from ifdd.video.encode import VideoWriter
from ifdd.video.frames import Frame
from ifdd.video.sources import SourceOptions, open_video
from ifdd.video.timestamps import TIME_TOLERANCE

if TYPE_CHECKING:
    import PIL.ImageFont

SMALLEST_WIDTH, LARGEST_SIDE = 640, 1920
"""Pictures are enlarged to at least this width, and reduced to at most this longer side (pixels)."""

VIEW_SECONDS = 20.0
"""Length of the part of the timeline that is in view."""

LARGEST_ROWS = 6
"""Rows of the timeline; who is in none is still marked in the picture."""

_GROUND = (20, 22, 27)
_LANE = (38, 41, 48)
_INK = (236, 238, 241)
_FAINT = (140, 146, 156)
_WARNING = (255, 176, 112)

Color = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom
Picture = UInt8[np.ndarray, "_ _ 3"]


def render_video(recognition: Recognition, path: Path) -> None:
    """Write the video with what was found drawn into it, whole or not at all.

    H.264 where this FFmpeg has it, else MPEG-4; the sound is copied, or made AAC where an mp4 cannot hold it.

    Raises:
        InputError: the video cannot be read again, the path is the video itself or cannot be written to, or Pillow
            or matplotlib (for the font) is not installed.
    """
    _font(12, False)  # says at once if it is missing
    source = Path(recognition.video.path)
    if not source.exists():
        raise InputError(f"an annotated video needs the video itself, and {source} is not a file; give a file")
    if path.exists() and path.samefile(source):
        raise InputError(f"the annotated video would replace the video itself, {source}; choose another folder")
    with atomic_path(path) as temporary:
        _encode(recognition, source, temporary)


def draw_frames(recognition: Recognition, source: Path) -> Iterator[Frame]:
    """Yield the frames that were read, annotated, with the timeline under them; times are those of the source.

    Raises:
        InputError: the video cannot be read again.
    """
    painter: _Painter | None = None
    zero = 0.0
    video = recognition.video
    options = SourceOptions(
        image_fps=video.fps, start_seconds=video.start_seconds, maximum_seconds=video.duration_seconds
    )
    for frame in open_video(source, options):
        if painter is None:
            height, width = frame.image.shape[:2]
            painter, zero = _Painter(recognition, width, height), frame.seconds
        yield frame._replace(image=painter.draw(frame.image, frame.index, frame.seconds - zero))


def _encode(recognition: Recognition, source: Path, target: Path) -> None:
    """Write the annotated frames and the sound; of a part that begins later, nothing before it."""
    video = recognition.video
    with closing(iter(open_video(source, SourceOptions(image_fps=video.fps)))) as frames:
        is_later = next(frames).seconds < video.start_seconds - TIME_TOLERANCE
    part = (video.start_seconds, video.end_seconds) if is_later else (0.0, inf)
    try:
        with VideoWriter(
            target, video.fps, quality="good", sound_of=source, begin_seconds=part[0], end_seconds=part[1]
        ) as writer:
            for frame in draw_frames(recognition, source):
                writer.write(frame.image, frame.seconds)
    except av.error.FFmpegError as error:
        raise InputError(
            f"cannot write an annotated video of {source}: {error.strerror}; free space or choose another folder"
        ) from error


class _Person(NamedTuple):
    """A track, with what is drawn of it."""

    track: RecognizedTrack
    segments: list[Segment]
    middles: Float[np.ndarray, " parts"]
    means: Float[np.ndarray, "parts classes"]
    quality: Float[np.ndarray, " parts"]
    row: int

    def segment_at(self, seconds: float) -> Segment | None:
        """Return the segment of a time."""
        found = [
            s for s in self.segments if s.start_seconds - TIME_TOLERANCE <= seconds < s.end_seconds - TIME_TOLERANCE
        ]
        return found[0] if found else None


class _Painter:
    """Draws on the frames of one video; sizes follow the width of the picture."""

    def __init__(self, recognition: Recognition, width: int, height: int) -> None:
        self._recognition = recognition
        scale = max(min(1.0, LARGEST_SIDE / max(width, height)), SMALLEST_WIDTH / width)
        self._width, self._height = (2 * max(1, round(side * scale / 2)) for side in (width, height))
        self._scale_x, self._scale_y = self._width / width, self._height / height
        self._unit = max(1.0, self._width / 800)  # a pixel of the design
        self._colors = class_colors(recognition.classes)
        self._people = _people(recognition)
        rows = [person.row for person in self._people if person.row < LARGEST_ROWS]
        self._rows = max(rows, default=0) + 1
        lines = 2 if "notice" in recognition.model else 1
        self._lane, self._gap, self._foot = self._pixels(42), self._pixels(6), lines * self._pixels(22)
        self._left, self._right = self._pixels(12), self._width - self._pixels(12)
        panel = self._gap * 2 + self._rows * (self._lane + self._gap) + self._foot
        self._panel = panel + panel % 2

    def draw(self, image: Picture, number: int, seconds: float) -> Picture:
        """Return the frame with its annotations, and the timeline under it."""
        canvas = np.empty((self._height + self._panel, self._width, 3), np.uint8)
        canvas[:] = _GROUND
        picture = canvas[: self._height]
        method = cv2.INTER_AREA if self._scale_x < 1 else cv2.INTER_CUBIC
        cv2.resize(image, (self._width, self._height), dst=picture, interpolation=method)
        found = [(person, number - person.track.boxes[0].frame) for person in self._people]
        found = [(person, index) for person, index in found if 0 <= index < len(person.track.boxes)]
        for person, index in found:
            self._draw_box(picture, person, index, seconds)
        taken: list[Box] = []
        for person, index in found:
            taken.append(self._draw_label(picture, person, index, seconds, taken))
        self._draw_panel(canvas[self._height :], seconds)
        return canvas

    def _pixels(self, units: int) -> int:
        return max(1, round(units * self._unit))

    def _color_at(self, person: _Person, seconds: float) -> Color:
        """Return the colour of what is said of a face at a time."""
        quality = np.interp([seconds], person.middles, person.quality)
        red, green, blue = _greyed(self._color(person.segment_at(seconds)), quality)[0].tolist()
        return round(red), round(green), round(blue)

    def _color(self, segment: Segment | None) -> Color:
        if segment is None or is_abstention(segment, self._recognition.classes):
            return UNCERTAIN_COLOR
        return self._colors[segment.label]

    def _place(self, person: _Person, index: int) -> Box:
        """Return where a face is in the picture."""
        box = person.track.boxes[index].box
        left, top = round(box.x * self._scale_x), round(box.y * self._scale_y)
        right = round((box.x + box.width) * self._scale_x)
        return left, top, right, round((box.y + box.height) * self._scale_y)

    def _draw_box(self, picture: Picture, person: _Person, index: int, seconds: float) -> None:
        place = self._place(person, index)
        seen = person.track.boxes[index].box.score > 0
        thick = self._pixels(3) if seen else 1  # a thin box is a guess
        _rounded(picture, place, self._pixels(10), (0, 0, 0), thick + self._pixels(2))
        _rounded(picture, place, self._pixels(10), self._color_at(person, seconds), thick)

    def _draw_label(self, picture: Picture, person: _Person, index: int, seconds: float, taken: Sequence[Box]) -> Box:
        """Write number and expression above or below a face, where no other label is; return that place."""
        segment = person.segment_at(seconds)
        left, top, right, bottom = self._place(person, index)
        words = f"#{person.track.id}"
        if segment is not None:
            words += f"  {self._words(person, segment, seconds)}"
        small = right - left < self._width // 8
        text = _text(words, self._pixels(13 if small else 16), True)
        padding = self._pixels(4 if small else 6)
        height, width = text.shape[0] + padding, text.shape[1] + 2 * padding
        edge = self._pixels(3)
        x = max(0, min(max(edge, left - edge), self._width - width - edge))
        lowest = self._height - height - edge
        tops = [top - height - self._pixels(5), bottom + self._pixels(5), top + self._pixels(4), bottom - height]
        choices = [(x, y, x + width, y + height) for y in tops if edge <= y <= lowest]
        choices = choices or [(x, max(0, lowest), x + width, max(0, lowest) + height)]
        place = next((choice for choice in choices if not any(_overlap(choice, other) for other in taken)), choices[0])
        color = self._color_at(person, seconds)
        _fill(picture, place, color)
        _blend(picture, text, place[0] + padding, place[1] + padding // 2, _readable_on(color))
        return place

    def _words(self, person: _Person, segment: Segment, seconds: float) -> str:
        """Return the class and how probable it is at this very time."""
        classes = self._recognition.classes
        if not is_abstention(segment, classes):
            course = person.means[:, classes.index(segment.label)]
            segment = segment._replace(probability=float(np.interp(seconds, person.middles, course)))
        return describe(segment, classes)

    def _draw_panel(self, panel: Picture, now: float) -> None:
        duration = self._recognition.video.duration_seconds
        view = min(VIEW_SECONDS, duration)
        start = min(max(0.0, now - view / 2), duration - view)
        columns = self._right - self._left
        times = start + (np.arange(columns) + 0.5) / columns * view
        for row in range(self._rows):
            top = 2 * self._gap + row * (self._lane + self._gap)
            lane = panel[top : top + self._lane, self._left : self._right]
            lane[:] = _LANE
            for person in self._people:
                track = person.track
                if person.row == row and track.end_seconds > start and track.start_seconds < start + view:
                    self._draw_lane(lane, person, times, now)
        bottom = 2 * self._gap + self._rows * (self._lane + self._gap) - self._gap
        half = self._pixels(1)
        for cut in self._recognition.cuts_seconds:
            if start < cut < start + view:  # a dashed line
                x = self._left + round((cut - start) / view * columns)
                dashes = np.arange(2 * self._gap, bottom) % self._pixels(7) < self._pixels(4)
                panel[2 * self._gap : bottom, x - half : x + half][dashes] = _FAINT
        x = self._left + round((now - start) / view * columns)
        panel[self._gap : bottom + self._gap // 2, max(0, x - half) : x + half] = _INK
        cv2.circle(panel, (x, self._gap), self._pixels(4), _INK, -1, cv2.LINE_AA)
        self._draw_foot(panel, now, bottom)

    def _draw_lane(self, lane: Picture, person: _Person, times: Float[np.ndarray, " columns"], now: float) -> None:
        """Draw one person's part of a row: height is probability, colour is class.

        What is to come is dimmer, and the less well the face can be read, the greyer the colour.
        """
        height = lane.shape[0]
        levels = np.arange(height, 0, -1)[:, None]
        classes = self._recognition.classes
        tags: list[tuple[int, int, str]] = []
        for segment in person.segments:
            first, last = np.searchsorted(times, [segment.start_seconds, segment.end_seconds])
            if last <= first:  # out of view
                continue
            part = lane[:, first:last]
            abstained = is_abstention(segment, classes)
            course = person.means.max(1) if abstained else person.means[:, classes.index(segment.label)]
            heights = np.interp(times[first:last], person.middles, course) * height
            cover = np.clip(heights - levels + 1, 0, 1)  # soft along the upper edge
            cover = np.maximum(cover, levels <= self._pixels(3))
            if abstained:
                slant = (np.arange(first, last) + levels) % self._pixels(8) < self._pixels(3)
                cover = cover * np.where(slant, 0.9, 0.25)
            cover = cover * np.where(times[first:last] <= now, 1.0, 0.45)
            quality = np.interp(times[first:last], person.middles, person.quality)
            part[:] = part + (_greyed(self._color(segment), quality) - part) * cover[..., None]
            part[:, :1] = _GROUND
            tags.append((int(first), int(last), name_of(segment, classes)))
        for place, (first, last, words) in enumerate(tags):
            number = f"#{person.track.id}"
            for choice in (f"{number}  {words}", number) if place == 0 else (words,):
                text = _text(choice, self._pixels(13), False)
                x = first + self._pixels(5)
                if x + text.shape[1] <= last:
                    _blend_outlined(lane, text, x, (height - text.shape[0]) // 2)
                    break

    def _draw_foot(self, panel: Picture, now: float, top: int) -> None:
        y = top + self._gap + self._pixels(3)
        video = self._recognition.video
        now = now + video.start_seconds  # as players count
        clock = _text(f"{_minutes(now)} / {_minutes(video.end_seconds)}", self._pixels(13), False)
        _blend(panel, clock, self._right - clock.shape[1], y, _FAINT)
        if not self._recognition.tracks:
            _blend(panel, _text("no face found", self._pixels(13), False), self._left, y, _FAINT)
        if "notice" in self._recognition.model:
            size = self._pixels(13)
            notice = self._recognition.model["notice"]
            while size > 6 and _text(notice, size, False).shape[1] > self._right - self._left:
                size -= 1
            _blend(panel, _text(notice, size, False), self._left, y + self._pixels(22), _WARNING)


def _people(recognition: Recognition) -> list[_Person]:
    rows = assign_rows(recognition.tracks)
    people = []
    for track in recognition.tracks:
        entries = [entry for entry in recognition.timeline if entry.track == track.id]
        if entries:
            course = time_course(entries)
            segments = [segment for segment in recognition.segments if segment.track == track.id]
            people.append(
                _Person(track, segments, course.middles, course.probabilities, course.quality, rows[track.id])
            )
    return people


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


@lru_cache(maxsize=16)
def _font(size: int, bold: bool) -> "PIL.ImageFont.FreeTypeFont":
    """Load DejaVu Sans, which comes with matplotlib and writes more than ASCII."""
    try:
        import matplotlib
        from PIL import ImageFont
    except ModuleNotFoundError as error:
        raise InputError(
            "an annotated video needs matplotlib and Pillow, which are not here: pip install 'ifdd[plot]'"
        ) from error
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


@lru_cache(maxsize=512)
def _text(words: str, size: int, bold: bool) -> UInt8[np.ndarray, "height width"]:
    """Return how much of each pixel a line of text covers, 0 to 255."""
    from PIL import Image, ImageDraw

    font = _font(size, bold)
    ascent, descent = font.getmetrics()
    image = Image.new("L", (max(1, round(font.getlength(words)) + 1), ascent + descent))
    ImageDraw.Draw(image).text((0, 0), words, fill=255, font=font)
    return np.array(image)


def _blend(image: Picture, text: UInt8[np.ndarray, "_ _"], x: int, y: int, color: Color) -> None:
    """Write a text with its upper left corner at (x, y); what does not fit is cut off."""
    part = image[max(0, y) : y + text.shape[0], max(0, x) : x + text.shape[1]]
    cover = text[max(0, -y) :, max(0, -x) :][: part.shape[0], : part.shape[1], None] / 255
    part[:] = part + (np.array(color) - part) * cover


def _blend_outlined(image: Picture, text: UInt8[np.ndarray, "_ _"], x: int, y: int) -> None:
    """Write white text with a dark rim, readable on any colour."""
    edge = max(2, text.shape[0] // 8)
    rim = cv2.dilate(np.pad(text, edge), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (edge + 1, edge + 1)))
    _blend(image, cv2.GaussianBlur(rim, (0, 0), edge / 3), x - edge, y - edge, _GROUND)
    _blend(image, text, x, y, (255, 255, 255))


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _fill(image: Picture, box: Box, color: Color) -> None:
    """Fill a box with round corners."""
    left, top, right, bottom = box
    radius = max(1, min(right - left, bottom - top) // 4)
    cv2.rectangle(image, (left + radius, top), (right - radius, bottom), color, -1)
    cv2.rectangle(image, (left, top + radius), (right, bottom - radius), color, -1)
    for x in (left + radius, right - radius):
        for y in (top + radius, bottom - radius):
            cv2.circle(image, (x, y), radius, color, -1, cv2.LINE_AA)


def _rounded(image: Picture, box: Box, radius: int, color: Color, thick: int) -> None:
    """Draw the outline of a box with round corners."""
    left, top, right, bottom = box
    radius = max(1, min(radius, (right - left) // 2, (bottom - top) // 2))
    corners = [(left + radius, top + radius, 180), (right - radius, top + radius, 270)]
    corners += [(right - radius, bottom - radius, 0), (left + radius, bottom - radius, 90)]
    outline = np.concatenate([cv2.ellipse2Poly((x, y), (radius, radius), 0, a, a + 90, 10) for x, y, a in corners])
    cv2.polylines(image, [outline], True, color, thick, cv2.LINE_AA)


def _greyed(color: Color, quality: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 3"]:
    """Return a colour that is the greyer, the lower the quality."""
    grey = np.array(UNCERTAIN_COLOR, float)
    return grey + (np.array(color) - grey) * quality[:, None]


def _readable_on(color: Color) -> Color:
    """Return black or white, whichever stands out."""
    return (12, 12, 14) if np.dot(color, (0.299, 0.587, 0.114)) > 120 else (255, 255, 255)
