"""Damage in a video that can still be read: damaged packets are counted, gaps are reported."""

from collections import Counter, deque
from collections.abc import Sequence

import av
from av.video.stream import VideoStream

ONE_PICTURE_A_PACKET = ("av1", "h264", "hevc", "mjpeg", "mpeg2video", "vp9")
"""Codecs in which each packet yields one frame, unless the video is interlaced."""

REORDERED_FRAMES = 16
"""H.264 and H.265 reorder frames by at most this many."""

LONGEST_DELAY = 64
"""Packets after which a decoder has returned the frame of a packet, or never will."""

GAP_SECONDS = 1.0
"""In a video of even rate, frames are missing where none begins for this long."""

EVEN_SHARE = 0.95
"""Share of equal steps between frames from which a video counts as one of even rate."""

ROUNDING_MS = 2
"""Containers round times to milliseconds, so steps within this are equal."""

MOST_GAPS = 3
"""Number of gaps that are listed; the rest are only counted."""


class DamageCounter:
    """Counts damaged packets and frames, each once, and frames that never arrive.

    Decoders drop damaged packets silently. Only certain losses count: frames between others that arrived, of codecs
    with one frame per packet. Interlaced video is left out, because a packet may hold half a frame, and so are frames
    lost directly after the first keyframe: in a video that was cut out of a longer one, those need frames before it.

    Args:
        codec: FFmpeg's name of the codec.
    """

    def __init__(self, codec: str) -> None:
        self._expects = codec in ONE_PICTURE_A_PACKET
        self._waiting: dict[int, int] = {}  # time stamp -> number of the packet
        self._packets = 0
        self._leading: range | None = None  # numbers of packets that may need what came before the video
        self._corrupt: deque[int | None] = deque(maxlen=LONGEST_DELAY)
        self._first: int | None = None
        self._newest = 0

    def of_packet(self, packet: "av.Packet[VideoStream]") -> int:
        """Expect the frame of a packet, unless the packet is marked as damaged.

        Returns:
            The damage known by now: this packet, and frames that can no longer arrive.
        """
        if packet.is_corrupt:
            self._corrupt.append(packet.pts)
        elif self._expects and packet.size and packet.pts is not None and not packet.is_discard:
            self._packets += 1
            self._waiting[packet.pts] = self._packets
            if packet.is_keyframe:  # the first one begins what may be lost, the second ends it
                following = range(self._packets + 1, self._packets + 1 + REORDERED_FRAMES)
                known = self._leading
                self._leading = following if known is None else range(known.start, min(known.stop, self._packets))
        return packet.is_corrupt + self._give_up(LONGEST_DELAY)

    def of_frame(self, frame: av.VideoFrame) -> int:
        """Note that a frame arrived; return 1 if it is damaged and its packet was not counted."""
        if frame.interlaced_frame or frame.pts is None:
            self._expects = False
            self._waiting.clear()
        else:
            self._first = frame.pts if self._first is None else self._first
            self._newest = max(self._newest, frame.pts)
            self._waiting.pop(frame.pts, None)
        return int(frame.is_corrupt and (frame.pts is None or frame.pts not in self._corrupt))

    def at_end(self) -> int:
        """Return the number of frames that never arrived, once the video has ended."""
        return self._give_up(0)

    def _give_up(self, left: int) -> int:
        """Forget all but the newest packets; return how many of them lack a frame between others."""
        late = [pts for pts, _ in zip(self._waiting, range(len(self._waiting) - left), strict=False)]
        return sum(self._is_loss(pts, self._waiting.pop(pts)) for pts in late)

    def _is_loss(self, pts: int, number: int) -> bool:
        """Whether a frame that never arrived lies between others and was part of the video."""
        if self._leading and number == self._leading.start:
            self._leading = self._leading[1:]
            return False
        return self._first is not None and self._first < pts < self._newest


class Gaps:
    """Finds stretches without frames in a video of even rate; frames lost there leave no other trace."""

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._steps: Counter[int] = Counter()  # milliseconds; shorter than a gap, so there are few
        self._gaps: list[tuple[float, float]] = []

    def add(self, seconds: float) -> None:
        """Add the start of the next frame."""
        before, self._seconds = self._seconds, seconds
        if before is None:
            return
        if seconds - before < GAP_SECONDS:
            self._steps[round(1000 * (seconds - before))] += 1
            return
        self._gaps.append((before, seconds))

    def found(self) -> tuple[tuple[float, float], ...]:
        """Return the start and the end of each gap; none if the rate is uneven."""
        usual = max(self._steps, key=lambda step: self._steps[step], default=0)
        even = sum(count for step, count in self._steps.items() if abs(step - usual) <= ROUNDING_MS)
        is_even = even >= EVEN_SHARE * (self._steps.total() + len(self._gaps))
        return tuple(self._gaps) if is_even else ()


def gap_notices(gaps: Sequence[tuple[float, float]]) -> list[str]:
    """Return one line that lists gaps; none if there are none."""
    if not gaps:
        return []
    shown = ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in gaps[:MOST_GAPS])
    more = f" and {len(gaps) - MOST_GAPS} more times" if len(gaps) > MOST_GAPS else ""
    return [f"there are no frames from {shown}{more}, though the frame rate is even elsewhere"]
