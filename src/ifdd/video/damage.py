"""What is wrong with a video that can be read all the same: damage that is counted, gaps that are told."""

from collections import Counter, deque

import av
from av.video.stream import VideoStream

ONE_PICTURE_A_PACKET = ("av1", "h264", "hevc", "mjpeg", "mpeg2video", "vp9")
"""Codecs each of whose packets gives one frame, unless it is interlaced."""

LONGEST_DELAY = 64
"""Packets after which a decoder has given the frame of one, or never will."""

GAP_SECONDS = 1.0
"""A video whose pictures come evenly lacks some where it has none for this long."""

EVEN_SHARE = 0.95
"""Share of the steps between pictures that are alike where pictures come evenly."""

ROUNDING_MS = 2
"""Containers round times to milliseconds."""

MOST_GAPS = 3
"""Gaps that are told."""


class DamageCounter:
    """Counts packets and frames that are damaged, each once, and frames that do not come.

    Decoders drop damaged packets without a word. Only what is certain is counted: frames between others that came, of
    codecs that have one picture in a packet; not of interlaced video, which may have half a picture in each.

    Args:
        codec: FFmpeg's name of the codec.
    """

    def __init__(self, codec: str) -> None:
        self._expects = codec in ONE_PICTURE_A_PACKET
        self._waiting: dict[int, None] = {}
        self._corrupt: deque[int | None] = deque(maxlen=LONGEST_DELAY)
        self._first: int | None = None
        self._newest = 0

    def of_packet(self, packet: "av.Packet[VideoStream]") -> int:
        """Expect the frame of a packet, unless the packet is known to be damaged.

        Returns:
            The damage that is known now: this packet, and the frames for which it is too late.
        """
        if packet.is_corrupt:
            self._corrupt.append(packet.pts)
        elif self._expects and packet.size and packet.pts is not None and not packet.is_discard:
            self._waiting[packet.pts] = None
        return packet.is_corrupt + self._give_up(LONGEST_DELAY)

    def of_frame(self, frame: av.VideoFrame) -> int:
        """Take note of a frame that came; return 1 if it is damaged and that is news."""
        if frame.interlaced_frame or frame.pts is None:
            self._expects = False
            self._waiting.clear()
        else:
            self._first = frame.pts if self._first is None else self._first
            self._newest = max(self._newest, frame.pts)
            self._waiting.pop(frame.pts, None)
        return int(frame.is_corrupt and (frame.pts is None or frame.pts not in self._corrupt))

    def at_end(self) -> int:
        """Return the number of frames that have not come, once the video is over."""
        return self._give_up(0)

    def _give_up(self, left: int) -> int:
        """Forget the oldest packets; return how many should have been a frame between others."""
        late = [pts for pts, _ in zip(self._waiting, range(len(self._waiting) - left), strict=False)]
        for pts in late:
            del self._waiting[pts]
        return sum(self._first is not None and self._first < pts < self._newest for pts in late)


class Gaps:
    """Stretches without pictures in a video whose pictures come evenly; what is lost there leaves no other trace."""

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._steps: Counter[int] = Counter()  # milliseconds; shorter than a gap, so there are few
        self._gaps: list[tuple[float, float]] = []
        self._count = 0

    def take(self, seconds: float) -> None:
        """Take note of when a frame begins."""
        before, self._seconds = self._seconds, seconds
        if before is None:
            return
        if seconds - before < GAP_SECONDS:
            self._steps[round(1000 * (seconds - before))] += 1
            return
        self._count += 1
        if len(self._gaps) < MOST_GAPS:
            self._gaps.append((before, seconds))

    def notices(self) -> list[str]:
        """Return a line about the gaps; nothing where pictures come as they please."""
        usual = max(self._steps, key=lambda step: self._steps[step], default=0)
        even = sum(count for step, count in self._steps.items() if abs(step - usual) <= ROUNDING_MS)
        if not self._count or even < EVEN_SHARE * (self._steps.total() + self._count):
            return []
        shown = ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in self._gaps)
        more = f" and {self._count - len(self._gaps)} times more" if self._count > len(self._gaps) else ""
        return [f"there are no pictures from {shown}{more}, though they come evenly elsewhere"]
