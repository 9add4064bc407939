"""Videos that FFmpeg decodes: files, standard input and addresses."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from io import BufferedIOBase
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import av
from av.video.stream import VideoStream

from ifdd.errors import InputError
from ifdd.limits import VARIABLE, check_size
from ifdd.video.decoding.colour import ColourConverter
from ifdd.video.decoding.damage import REORDERED_FRAMES, DamageCounter, Gaps
from ifdd.video.decoding.opening import open_input
from ifdd.video.decoding.orientation import Orientations
from ifdd.video.decoding.pipes import stoppable
from ifdd.video.decoding.streams import choose_stream
from ifdd.video.readers import RawFrame, Reader
from ifdd.video.timestamps import DEFAULT_FPS, Clock, TimedFrame, declared_end, start_seconds

MISSING_SECONDS = 0.5
"""Containers round their durations; if more than this is missing at the end, the video is truncated."""

MOST_FAILURES = 100
"""Unreadable packets in a row after which the rest of a video is given up."""

_UNKNOWN_SIZE = f" (damaged, or a picture of more megapixels than {VARIABLE} allows)"

SEEKING_FORMATS = ("matroska", "mov")
"""Containers whose index leads to the right frame; in others, skipped frames are decoded and dropped."""


class ContainerReader(Reader):
    """Reads what FFmpeg reads.

    Args:
        name: name of the video in messages.
        place: the path of a file, an address, or an opened file such as standard input.
        start_seconds: skip the frames that begin before this time: files with a reliable index from the keyframe
            before it, everything else by decoding.
        strict: raise at the first damaged packet, repaired frame or frame that never arrives, and at the end of a
            truncated video. Wrong time stamps, which change no picture, and damage of the last packets only, which are
            left out, are notices.
        timeout_seconds: longest silence of an address; None marks a file.
        settings: options of FFmpeg for opening.

    Raises:
        InputError: the video cannot be opened, or contains no video stream that can be decoded.
    """

    def __init__(
        self,
        name: str,
        place: str | BufferedIOBase,
        *,
        start_seconds: float = 0.0,
        strict: bool = False,
        timeout_seconds: float | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:
        super().__init__(name, start_seconds, strict)
        self._place = place
        self._timeout_seconds = timeout_seconds
        self._settings = settings or {}
        self._is_file = isinstance(place, str) and timeout_seconds is None
        self._newest: TimedFrame | None = None
        self._count = 0
        self._last_stamp: int | None = None  # of the packets
        self._is_cut = False
        self._beyond_cut = 0  # sound packets after that
        self._open()
        self.notices += self._stream_notices
        self._declared_end = declared_end(self._container, self._stream)
        self._expect()

    def close(self) -> None:
        """Close the file or the connection."""
        self._container.close()

    def read(self) -> Iterator[RawFrame]:
        """Yield the frames that can be decoded, including repaired ones."""
        frames = self._timed_frames()  # may open the file again, which frees the stream that was open before
        orientations, colours = Orientations(self._stream), ColourConverter()
        gaps, false_timestamps, left = Gaps(), 0, 0
        try:
            for timed in frames:
                orientation = orientations.of(timed.frame)
                self._newest = timed
                false_timestamps += timed.jumped
                if not self.is_skipped(timed.seconds):
                    check_size(self.name, *orientation.size)
                    self.damaged += timed.jumped and not self.strict
                    gaps.add(timed.seconds)
                    left += 1
                    to_rgb = partial(orientation.to_image, timed.frame, colours)
                    yield RawFrame(timed.seconds, timed.end_seconds, orientation.size, to_rgb)
                self._count += 1
        finally:  # also where reading stops early
            self.notices += colours.notices()
            self.notices += self._clock_notices(false_timestamps)
            self.gaps = gaps.found()
        if not left:
            if self._newest is None and not self._has_size():
                raise InputError(f"the video {self.name} has no frames that can be decoded{_UNKNOWN_SIZE}; replace it")
            raise self.no_frames(0.0 if self._newest is None else self._newest.end_seconds)
        if self._is_cut:
            self.notices.append("the last pictures are damaged, as in a file that was cut; they were left out")
        if not self._clock.is_stuck:  # nor does the declared duration count then
            self._check_end()

    def _open(self) -> None:
        self._asked = time.monotonic()
        place = self._place if isinstance(self._place, str) else stoppable(self._place, lambda: self.stopped)
        try:
            self._container = open_input(place, options=self._settings, timeout=self._timeout_seconds)
        except av.error.FFmpegError as error:
            self._refuse(error)
        try:
            file = place if isinstance(place, str) and self._is_file else None
            self._stream, self._stream_notices = choose_stream(self.name, self._container, file)
        except InputError:
            self._container.close()
            raise

    def _expect(self) -> None:
        """Take the duration from the header, as an estimate."""
        duration = self._container.duration
        if duration is not None and duration > 0:
            self.expected_seconds = max(0.0, duration / av.time_base - self.start_seconds)

    def _timed_frames(self) -> Iterator[TimedFrame]:
        """Yield frames from at least one before ``start_seconds`` on, unless they all come later."""
        if self._seek():
            self._clock = Clock(self._container, self._stream, self.start_seconds)
            frames = self._clock.time(self._decode())
            first = next(frames, None)
            if first is not None and self._is_sound_start(first):
                return chain([first], frames)
            self._container.close()  # the index is wrong: decode from the beginning
            self.damaged = 0
            self._open()
        self._clock = Clock(self._container, self._stream)
        return self._clock.time(self._decode())

    def _seek(self) -> bool:
        """Go to a keyframe before ``start_seconds``; return whether that was possible.

        Indices hold the order of decoding, so the keyframe is sought earlier by as much as frames are reordered.
        """
        margin = 1.0 + REORDERED_FRAMES / float(self._stream.average_rate or DEFAULT_FPS)
        time_base = self._stream.time_base
        if not self._is_file or self.start_seconds <= margin or time_base is None:
            return False
        if not any(name in self._container.format.name for name in SEEKING_FORMATS):
            return False
        target = start_seconds(self._container) + self.start_seconds - margin
        try:
            self._container.seek(int(target / time_base), stream=self._stream)
        except av.error.FFmpegError:
            self._container.close()
            self._open()
            return False
        return True

    def _is_sound_start(self, first: TimedFrame) -> bool:
        """Whether decoding that began with this frame gives every frame from ``start_seconds`` on, unharmed."""
        is_certain = first.frame.pts is not None and first.frame.key_frame and not first.jumped
        return is_certain and not self._clock.is_stuck and first.seconds <= self.start_seconds

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Yield all frames that can be decoded, including those that the decoder had to repair."""
        failures, self._is_cut, self._beyond_cut = 0, False, 0
        counter = DamageCounter(self._stream.codec_context.name)
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    if not self._is_held_back(packet):
                        yield from self._decode_packet(packet, counter)
                self._count_damage(counter.at_end())
                return
            except av.error.InvalidDataError as error:
                self.pass_over(self._error(error))
                failures += 1
                if failures >= MOST_FAILURES:
                    yield from self._break_off(error, counter)
                    return
            except av.error.FFmpegError as error:
                yield from self._break_off(error, counter)
                return

    def _is_held_back(self, packet: "av.Packet[VideoStream]") -> bool:
        """Whether, with ``strict``, a packet is left out because the file may have been cut there.

        Files that were cut end with corrupt packets, and with the rest of a picture, which passes for a sound one.
        What follows that shows damage.
        """
        if not self.strict or not packet.size or self._is_skipped_stamp(packet.pts):
            return False
        self._last_stamp = packet.pts
        if packet.is_corrupt:
            self._is_cut = True
        elif self._is_cut:
            self._beyond_cut += 1
            self._count_damage(self._beyond_cut > 1)
        return self._is_cut

    def _decode_packet(self, packet: "av.Packet[VideoStream]", counter: DamageCounter) -> Iterator[av.VideoFrame]:
        """Yield the frames of a packet; count damage unless it belongs to the skipped part."""
        is_read = not self._is_skipped_stamp(packet.pts)
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if is_read or self.strict:
                self.pass_over(self._error(error))
            return
        if is_read:
            self._count_damage(counter.of_packet(packet))
        yield from self._counted(frames, counter)

    def _counted(self, frames: Iterable[av.VideoFrame], counter: DamageCounter) -> Iterator[av.VideoFrame]:
        """Yield frames; count the damaged ones unless they belong to the skipped part."""
        for frame in frames:
            damage = counter.of_frame(frame)
            if self._is_skipped_stamp(frame.pts):
                damage = 0
            if damage and self.strict and frame.pts == self._last_stamp:  # of the last packet, up to now
                self._is_cut = True
                continue
            self._count_damage(damage)
            yield frame

    def _count_damage(self, damage: int) -> None:
        """Count damaged packets, repaired frames and frames that never arrive or, with ``strict``, refuse them."""
        if damage and self.strict:
            raise InputError(
                f"the video {self.name} is damaged, as found{self._place_of_newest()}: packets are corrupt or frames "
                "missing; replace it, or convert it to mp4 again to keep what can be decoded"
            )
        self.damaged += damage

    def _is_skipped_stamp(self, stamp: int | None) -> bool:
        """Whether a time stamp lies before the part to be read, as far as stamps can be trusted."""
        if stamp is None or self._stream.time_base is None or not self.start_seconds:
            return False
        return self.is_skipped(float(stamp * self._stream.time_base) - start_seconds(self._container))

    def _break_off(self, error: av.error.FFmpegError, counter: DamageCounter) -> Iterator[av.VideoFrame]:
        """Yield the frames that the decoder still holds, unless nothing was read or the video must be perfect."""
        if not self.strict:
            flush: Any = av.Packet()  # PyAV's stubs let none be attached to a stream
            flush.stream, flush.time_base = self._stream, self._stream.time_base
            with suppress(av.error.FFmpegError):
                yield from self._counted(flush.decode(), counter)
            self._count_damage(counter.at_end())
        if self.strict or self._newest is None:
            self._refuse(error)
        is_silent = isinstance(error, av.error.ExitError)  # FFmpeg's name for a timeout
        why = f"nothing came for {self._timeout_seconds:g} s" if is_silent else error.strerror
        declared = "" if self._declared_end is None else f" of {self._declared_end:.2f}"
        end = self._newest.end_seconds
        self.notices.append(f"the video broke off at {end:.2f}{declared} s ({why}); what came before was read")
        self._declared_end = None  # reported

    def _check_end(self) -> None:
        """Report a video that ends before the declared end."""
        declared = self._declared_end
        assert self._newest is not None  # a video without frames is refused
        end = self._newest.end_seconds
        latest = max(end, self._clock.latest_stamp)  # false time stamps count in the declared duration too
        if declared is None or latest >= declared - max(MISSING_SECONDS, 0.05 * declared):
            return
        if self.strict:
            raise InputError(
                f"the video {self.name} is truncated: it ends at {end:.2f} of {declared:.2f} s; "
                "replace it, or convert it to mp4 again to keep the part that is left"
            )
        self.notices.append(f"the video is truncated: it ends at {end:.2f} of {declared:.2f} s; what is left was read")

    def _clock_notices(self, false_timestamps: int) -> list[str]:
        """Return what was wrong with the time stamps and is not counted as damage."""
        notices = []
        if self._clock.is_stuck:
            notices.append(f"the time stamps stand still; the frames were read at {self._clock.fps:g} per second")
        if self.strict and false_timestamps:
            what = "1 time stamp was" if false_timestamps == 1 else f"{false_timestamps} time stamps were"
            notices.append(f"{what} wrong and corrected")
        return notices

    def _has_size(self) -> bool:
        """Whether FFmpeg knows the size of the picture; it forgets one that is too large."""
        stream = getattr(self, "_stream", None)  # missing until the file is open
        return stream is None or bool(stream.codec_context.width)

    def _refuse(self, error: av.error.FFmpegError) -> NoReturn:
        raise self._error(error) from error

    def _error(self, error: av.error.FFmpegError) -> InputError:
        """Return what stopped FFmpeg, where, and what to do about it."""
        newest = self._newest
        why = error.strerror if newest is not None or self._has_size() else f"{error.strerror}{_UNKNOWN_SIZE}"
        if isinstance(error, PermissionError):
            remedy = "check its permissions"
        elif isinstance(error, av.error.ProtocolNotFoundError):
            remedy = "the FFmpeg that PyAV brings along does not support this protocol; use another one"
        elif self._is_file and _is_empty(str(self._place)):
            remedy = "the file is empty: copy the video again"
        elif self._is_file:
            remedy = "it is damaged, truncated or not a video: replace it or convert it to mp4 again"
        elif not isinstance(self._place, str):
            remedy = "pipe a whole video; an mp4 must begin with its index (movflags faststart), mkv always works"
        else:
            if time.monotonic() - self._asked >= (self._timeout_seconds or 0):  # FFmpeg gives other reasons
                why = f"no answer within {self._timeout_seconds:g} s"
            remedy = "check the address and the connection"
        return InputError(f"cannot read the video {self.name}{self._place_of_newest()}: {why}; {remedy}")

    def _place_of_newest(self) -> str:
        return "" if self._newest is None else f" after frame {self._count - 1} ({self._newest.seconds:.2f} s)"


def _is_empty(path: str) -> bool:
    """Return whether a file has no content; not if it cannot be asked."""
    try:
        return Path(path).stat().st_size == 0
    except OSError:
        return False


def open_file(path: Path, *, start_seconds: float = 0.0, strict: bool = False) -> ContainerReader:
    """Open a video file.

    Raises:
        InputError: as ``ContainerReader``.
    """
    # The path is absolute, so that no file name is mistaken for a protocol.
    return ContainerReader(str(path), str(path.absolute()), start_seconds=start_seconds, strict=strict)
