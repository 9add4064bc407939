"""The sound of a video, carried over to another one."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from ifdd.video.decoding.opening import open_input
from ifdd.video.timestamps import start_seconds

COPIED_CODECS = ("aac", "mp3", "ac3", "eac3", "alac", "opus")
"""Codecs that an mp4 can hold; any other sound is converted to AAC."""

OTHER_RATE = 48_000
"""Samples per second that sound is resampled to if AAC lacks its rate, such as 192 000 or 12 345."""

AHEAD_SECONDS = 0.5
"""Players read sound ahead of the picture, so it is written ahead by this much."""


class SoundCopier:
    """Copies the first audio stream of a video; does nothing where there is none.

    Args:
        source: the video; a folder has no sound.
        output: the file that is written, before any packet is.
        begin_seconds: time in the source, as players count it, at which the output begins.
    """

    def __init__(self, source: Path, output: OutputContainer, begin_seconds: float = 0.0) -> None:
        self._output = output
        self._target: AudioStream | None = None
        self._input: InputContainer | None = None
        if source.is_dir():
            return
        container = open_input(str(source.absolute()))
        if not container.streams.audio or container.streams.audio[0].codec_context is None:
            container.close()
            return
        self._input, origin = container, container.streams.audio[0]
        self._start = start_seconds(container) + begin_seconds
        self._skips = begin_seconds > 0
        if self._skips:
            with suppress(av.error.FFmpegError):  # without an index, all sound is read and what comes before skipped
                container.seek(int(self._start * av.time_base))
        self._copied = origin.codec_context.name in COPIED_CODECS
        if self._copied:
            self._target = output.add_stream_from_template(origin)
        else:
            stream = output.add_stream("aac", rate=origin.rate if origin.rate in _aac_rates() else OTHER_RATE)
            assert isinstance(stream, AudioStream)
            stream.layout = "mono" if origin.channels == 1 else "stereo"  # a source may leave its layout open
            self._target = stream
        self._packets = container.demux(origin)
        self._reached = -1.0
        self._newest: int | None = None  # decoding time of the newest copied packet
        self._encoded: int | None = None  # time of the newest converted frame

    def copy_until(self, seconds: float) -> None:
        """Copy what sounds before a time of the output."""
        while self._target is not None and self._reached < seconds:
            try:
                packet = next(self._packets)
            except (StopIteration, av.error.FFmpegError):  # the end, or damage that hides everything after it
                self.close()
                return
            self._copy(packet)

    def close(self) -> None:
        """Finish the sound; may be called repeatedly."""
        if self._target is not None and not self._copied:
            self._output.mux(self._target.encode(None))
        if self._input is not None:
            self._input.close()
        self._target = None

    def _copy(self, packet: "av.Packet[AudioStream]") -> None:
        if packet.dts is None or packet.time_base is None:
            return
        assert self._target is not None
        shift = round(self._start / packet.time_base)
        self._reached = float((packet.dts - shift) * packet.time_base)
        if self._skips and self._reached < 0:
            return
        if self._copied:
            later = 0 if self._newest is None else max(0, self._newest + 1 - (packet.dts - shift))
            packet.dts += later - shift  # times that repeat or go back would end the output
            packet.pts = None if packet.pts is None else max(packet.pts - shift, packet.dts)
            self._newest = packet.dts
            packet.stream = self._target
            self._output.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:  # a damaged stretch is left out
            return
        for frame in frames:
            if frame.pts is not None:
                frame.pts = frame.pts - shift if self._encoded is None else max(frame.pts - shift, self._encoded + 1)
                self._encoded = frame.pts
            self._output.mux(self._target.encode(frame))


def _aac_rates() -> Sequence[int]:
    return av.Codec("aac", "w").audio_rates or ()
