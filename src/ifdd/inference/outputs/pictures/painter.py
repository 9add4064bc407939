"""Draw on the frames of a video: boxes and labels on the faces, a moving timeline below the image."""

import textwrap
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.inference.outputs.style import UNCERTAIN_COLOUR, assign_rows, class_colours, describe, is_abstention, name_of
from ifdd.inference.results import RecognizedTrack, Results, Segment
from ifdd.inference.segments import TimeCourse, time_course
from ifdd.video.fitting import fit_into, has_same_shape, letterbox
from ifdd.video.timestamps import TIME_TOLERANCE

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SMALLEST_WIDTH, LARGEST_SIDE = 640, 1920
"""Frames are enlarged to at least this width, and reduced to at most this longer side (pixels)."""

VIEW_SECONDS = 20.0
"""Length of the visible part of the timeline."""

LARGEST_ROWS = 6
"""Maximum number of rows in the timeline; people beyond it are only marked in the image."""

UPCOMING = 0.45
"""Opacity of the colours after the current time."""

_GROUND = (20, 22, 27)
_LANE = (38, 41, 48)
_INK = (236, 238, 241)
_FAINT = (140, 146, 156)
_WARNING = (255, 176, 112)
_FINER = 2  # the timeline is drawn this many times larger and reduced, for smooth edges

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom


class _Person(NamedTuple):
    """A track, its time course and its row in the timeline."""

    track: RecognizedTrack
    course: TimeCourse
    row: int

    def segment_at(self, seconds: float) -> Segment | None:
        """Return the segment at a time, if any."""
        shifted = seconds + TIME_TOLERANCE
        return next((one for one in self.track.segments if one.start_seconds <= shifted < one.end_seconds), None)

    def probability(self, segment: Segment, classes: Sequence[str], seconds: float) -> float:
        """Return the probability of a segment's class at a time; of the most probable class for an abstention."""
        values = self.course.probabilities
        abstains = is_abstention(segment, classes)
        column = values.max(1) if abstains else values[:, classes.index(segment.label)]
        return float(np.interp(seconds, self.course.middles, column))

    def quality(self, seconds: float) -> float:
        """Return the quality of the face at a time."""
        return float(np.interp(seconds, self.course.middles, self.course.quality))


class Painter:
    """Draws on the frames of one video; sizes scale with the image width.

    Args:
        results: the results for the video.
        width: width of its first frame in pixels.
        height: height of its first frame in pixels.

    Raises:
        InputError: Pillow or matplotlib (for its font) is not installed.
    """

    def __init__(self, results: Results, width: int, height: int) -> None:
        self._results = results
        others = [fit_into((one.width, one.height), (width, height)).scale for one in results.video.sizes]
        detail = 1 / min([1.0, *others])  # of the finest picture, so that none loses resolution
        scale = max(min(detail, LARGEST_SIDE / max(width, height)), SMALLEST_WIDTH / width)
        self._width, self._height = (2 * max(1, round(side * scale / 2)) for side in (width, height))
        self._scale = (self._width / width, self._height / height) * 2
        self._unit = max(1.0, self._width / 800)  # a pixel of the design
        self._colours = class_colours(results.classes)
        self._people = _people(results)
        self._rows = max((person.row for person in self._people if person.row < LARGEST_ROWS), default=0) + 1
        self._lane, self._gap = self._pixels(42), self._pixels(6)
        self._left, self._right = self._pixels(12), self._width - self._pixels(12)
        self._bottom = 2 * self._gap + self._rows * (self._lane + self._gap) - self._gap  # of the rows
        self._notice = wrapped(results.model.notice, load_font(self._pixels(13), False), self._right - self._left)
        foot = (1 + len(self._notice)) * self._pixels(22)
        panel = self._bottom + self._gap + foot
        self._panel = panel + panel % 2
        self._view = min(VIEW_SECONDS, results.video.duration_seconds)
        self._columns = self._right - self._left
        self._part_of_row = lru_cache(maxsize=3 * LARGEST_ROWS)(self._draw_part)

    def draw(
        self, image: UInt8[np.ndarray, "height width 3"], number: int, seconds: float
    ) -> UInt8[np.ndarray, "_ _ 3"]:
        """Return a frame with its annotations and the timeline below it.

        Args:
            image: RGB.
            number: number of the frame, as in ``Boxes.frames``.
            seconds: its time, as in ``Boxes.seconds``.
        """
        from PIL import Image, ImageDraw

        canvas = Image.new("RGB", (self._width, self._height + self._panel), _GROUND)
        canvas.paste(Image.fromarray(self._picture(image)), (0, 0))
        draw = ImageDraw.Draw(canvas)
        found = [(p, index) for p in self._people if (index := p.track.boxes.at(number)) is not None]
        for person, index in found:
            self._draw_box(draw, person, index, seconds)
        taken: list[Box] = []
        for person, index in found:
            taken.append(self._draw_label(draw, person, index, seconds, taken))
        self._draw_timeline(canvas, draw, seconds)
        self._draw_foot(draw, seconds)
        return np.asarray(canvas)

    def _picture(self, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
        """Return the frame in the size of the output, with bars if its shape is not that of the first one."""
        size = self._width, self._height
        if not has_same_shape((image.shape[1], image.shape[0]), size):
            return letterbox(image, size)
        method = cv2.INTER_AREA if self._width < image.shape[1] else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)

    def _pixels(self, units: int) -> int:
        return max(1, round(units * self._unit))

    def _colour(self, person: _Person, segment: Segment | None, seconds: float) -> Colour:
        """Return the colour of a segment at a time: the lower the quality of the face, the greyer."""
        named = segment is not None and not is_abstention(segment, self._results.classes)
        full = self._colours[segment.label] if segment is not None and named else UNCERTAIN_COLOUR
        quality = person.quality(seconds)
        red, green, blue = (grey + (part - grey) * quality for part, grey in zip(full, UNCERTAIN_COLOUR, strict=True))
        return round(red), round(green), round(blue)

    def _place(self, person: _Person, index: int) -> Box:
        """Return the face box in the output image."""
        sides = person.track.boxes.xyxy[index].tolist()
        left, top, right, bottom = (round(side * scale) for side, scale in zip(sides, self._scale, strict=True))
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def _draw_box(self, draw: "ImageDraw", person: _Person, index: int, seconds: float) -> None:
        left, top, right, bottom = self._place(person, index)
        detected = bool(person.track.boxes.detected[index])
        width = self._pixels(5) if detected else self._pixels(2)  # a thin box is predicted
        radius = min(self._pixels(10), (right - left) // 2, (bottom - top) // 2)
        colour = self._colour(person, person.segment_at(seconds), seconds)
        rim = self._pixels(1)
        outer = (left - rim, top - rim, right + rim, bottom + rim)
        draw.rounded_rectangle(outer, radius + rim, outline=(0, 0, 0), width=width + 2 * rim)
        draw.rounded_rectangle((left, top, right, bottom), radius, outline=colour, width=width)

    def _draw_label(self, draw: "ImageDraw", person: _Person, index: int, seconds: float, taken: Sequence[Box]) -> Box:
        """Write id and expression above or below a face, avoiding other labels; return the label's box."""
        left, top, right, bottom = self._place(person, index)
        segment = person.segment_at(seconds)
        words = f"#{person.track.id}"
        if segment is not None:
            now = segment._replace(probability=person.probability(segment, self._results.classes, seconds))
            words += f"  {describe(now, self._results.classes)}"
        small = right - left < self._width // 8
        font, padding, edge = (
            load_font(self._pixels(13 if small else 16), True),
            self._pixels(4 if small else 6),
            self._pixels(3),
        )
        width, height = round(font.getlength(words)) + 1 + 2 * padding, sum(font.getmetrics()) + padding
        x = max(0, min(max(edge, left - edge), self._width - width - edge))
        lowest = self._height - height - edge
        tops = [top - height - self._pixels(5), bottom + self._pixels(5), top + self._pixels(4), bottom - height]
        choices = [(x, y, x + width, y + height) for y in tops if edge <= y <= lowest]
        choices = choices or [(x, max(0, lowest), x + width, max(0, lowest) + height)]
        place = next((choice for choice in choices if not any(_overlap(choice, other) for other in taken)), choices[0])
        colour = self._colour(person, segment, seconds)
        inside = (place[0], place[1], place[2] - 1, place[3] - 1)
        draw.rounded_rectangle(inside, max(1, min(width, height) // 4), fill=colour)
        draw.text((place[0] + padding, place[1] + padding // 2), words, fill=_readable_on(colour), font=font)
        return place

    def _draw_timeline(self, canvas: "Image", draw: "ImageDraw", now: float) -> None:
        duration = self._results.video.duration_seconds
        start = min(max(0.0, now - self._view / 2), duration - self._view)
        playhead = self._x(now, start)
        for row in range(self._rows):
            self._draw_row(canvas, draw, row, start, playhead)
        top, half = self._height + 2 * self._gap, self._pixels(1)
        bottom = self._height + self._bottom
        for boundary in self._results.shot_boundaries_seconds:
            if start < boundary < start + self._view:
                x = self._x(boundary, start)
                for y in range(top, bottom, self._pixels(7)):  # a dashed line
                    draw.rectangle((x - half, y, x + half - 1, min(y + self._pixels(4), bottom) - 1), fill=_FAINT)
        draw.rectangle((playhead - half, top - self._gap, playhead + half - 1, bottom + self._gap // 2), fill=_INK)
        draw.circle((playhead, top - self._gap), self._pixels(4), fill=_INK)

    def _x(self, seconds: float, start: float) -> int:
        """Return the column of a time if the timeline begins at ``start``."""
        return self._left + round((seconds - start) / self._view * self._columns)

    def _draw_row(self, canvas: "Image", draw: "ImageDraw", row: int, start: float, playhead: int) -> None:
        from PIL import Image

        top = self._height + 2 * self._gap + row * (self._lane + self._gap)
        lane = Image.new("RGB", (self._columns, self._lane), _LANE)
        first = int(start // self._view)
        for part in (first, first + 1):
            x = self._x(part * self._view, start) - self._left
            lane.paste(self._part_of_row(row, part), (x, 0))
        coming = (min(max(0, playhead - self._left), self._columns), 0, self._columns, self._lane)
        if coming[0] < coming[2]:
            faded = Image.new("RGB", (coming[2] - coming[0], self._lane), _LANE)
            lane.paste(Image.blend(faded, lane.crop(coming), UPCOMING), coming[:2])
        canvas.paste(lane, (self._left, top))
        for person in self._people:
            if person.row == row:
                self._name_segments(draw, person, top, start)

    def _draw_part(self, row: int, part: int) -> "Image":
        """Draw a row between two multiples of the visible length: height is probability, colour is class."""
        from PIL import Image, ImageDraw

        size = (self._columns * _FINER, self._lane * _FINER)
        picture = Image.new("RGB", size, _LANE)
        draw = ImageDraw.Draw(picture)
        start, end = part * self._view, (part + 1) * self._view
        for person in self._people:
            if person.row == row and person.track.end_seconds > start and person.track.start_seconds < end:
                for segment in person.track.segments:
                    if segment.end_seconds > start and segment.start_seconds < end:
                        self._draw_segment(picture, draw, person, segment, start)
        return picture.reduce(_FINER)

    def _draw_segment(
        self, picture: "Image", draw: "ImageDraw", person: _Person, segment: Segment, start: float
    ) -> None:
        width, height = picture.size
        middles = person.course.middles
        inside = middles[(middles > segment.start_seconds) & (middles < segment.end_seconds)].tolist()
        times = [segment.start_seconds, *inside, segment.end_seconds]
        abstains = is_abstention(segment, self._results.classes)
        target, pattern = (picture, draw) if not abstains else _blank_like(picture)
        least = self._pixels(3) * _FINER
        for before, after in pairwise(times):
            corners = [(round((time - start) / self._view * width), time) for time in (before, after)]
            tops = [
                (x, height - max(least, round(person.probability(segment, self._results.classes, time) * height)))
                for x, time in corners
            ]
            shape = [(tops[0][0], height), *tops, (tops[1][0], height)]
            pattern.polygon(shape, fill=self._colour(person, segment, (before + after) / 2))
        if abstains:
            picture.paste(target, (0, 0), self._hatching(target))
        x = round((segment.start_seconds - start) / self._view * width)
        draw.rectangle((x, 0, x + _FINER - 1, height), fill=_GROUND)

    def _hatching(self, drawn: "Image") -> "Image":
        """Return the opacity of each pixel of an abstention: slanted lines, faint in between."""
        levels = np.asarray(drawn).any(axis=2)
        rows, columns = np.indices(levels.shape)
        period, width = self._pixels(8) * _FINER, self._pixels(3) * _FINER
        strength = np.where((rows.max() - rows + columns) % period < width, 230, 64)
        from PIL import Image

        return Image.fromarray(np.where(levels, strength, 0).astype(np.uint8))

    def _name_segments(self, draw: "ImageDraw", person: _Person, top: int, start: float) -> None:
        """Write the names of the visible segments if they fit, the first with the track's id."""
        font = load_font(self._pixels(13), False)
        middle = top + self._lane // 2
        number = f"#{person.track.id}"
        for place, (segment, first, last) in enumerate(self._in_view(person, start)):
            name = name_of(segment, self._results.classes)
            x = first + self._pixels(5)
            for words in (f"{number}  {name}", number) if place == 0 else (name,):
                if x + font.getlength(words) + 1 <= last:
                    rim = self._pixels(1)
                    draw.text(
                        (x, middle), words, fill=(255, 255, 255), font=font, anchor="lm", stroke_width=rim,
                        stroke_fill=_GROUND,
                    )  # fmt: skip
                    break

    def _in_view(self, person: _Person, start: float) -> Iterator[tuple[Segment, int, int]]:
        """Yield the visible segments with their first and last columns."""
        for segment in person.track.segments:
            if segment.end_seconds > start and segment.start_seconds < start + self._view:
                first, last = self._x(segment.start_seconds, start), self._x(segment.end_seconds, start)
                yield segment, max(first, self._left), min(last, self._right)

    def _draw_foot(self, draw: "ImageDraw", now: float) -> None:
        y = self._height + self._bottom + self._gap + self._pixels(3)
        video, font = self._results.video, load_font(self._pixels(13), False)
        clock = f"{_minutes(now + video.start_seconds)} / {_minutes(video.end_seconds)}"  # in player time
        draw.text((self._right - round(font.getlength(clock)), y), clock, fill=_FAINT, font=font)
        if not self._results.tracks:
            draw.text((self._left, y), "no face found", fill=_FAINT, font=font)
        for line, words in enumerate(self._notice, start=1):
            draw.text((self._left, y + line * self._pixels(22)), words, fill=_WARNING, font=font)


def wrapped(text: str, font: "FreeTypeFont", columns: int) -> list[str]:
    """Return the lines of a text that are at most ``columns`` pixels wide; none for an empty text."""
    width = font.getlength(text)
    lines = textwrap.wrap(text, max(1, int(len(text) * columns / width))) if text else []
    while any(font.getlength(line) > columns for line in lines) and max(map(len, lines)) > 1:
        lines = textwrap.wrap(text, max(map(len, lines)) - 1)
    return lines


def _people(results: Results) -> list[_Person]:
    rows = assign_rows(results.tracks)
    return [
        _Person(track, time_course(track.windows), rows[track.id]) for track in results.tracks if len(track.windows)
    ]


def _blank_like(picture: "Image") -> "tuple[Image, ImageDraw]":
    from PIL import Image, ImageDraw

    blank = Image.new("RGB", picture.size)
    return blank, ImageDraw.Draw(blank)


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


@lru_cache(maxsize=32)
def load_font(size: int, bold: bool) -> "FreeTypeFont":
    """Return DejaVu Sans, which ships with matplotlib and covers more than ASCII.

    Raises:
        InputError: Pillow or matplotlib is not installed.
    """
    try:
        import matplotlib
        from PIL import ImageFont
    except ModuleNotFoundError as error:
        raise InputError(
            "an annotated video needs matplotlib and Pillow, which are not installed: pip install 'ifdd[plot]'"
        ) from error
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _readable_on(colour: Colour) -> Colour:
    """Return black or white, whichever contrasts more."""
    return (12, 12, 14) if np.dot(colour, (0.299, 0.587, 0.114)) > 120 else (255, 255, 255)
