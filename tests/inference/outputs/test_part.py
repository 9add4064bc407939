"""A part of a video: times and boxes match the original file, and the annotated video shows that part."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import webvtt

from ifdd.errors import InputError
from ifdd.inference import Recognition, Recognizer, WindowOptions
from ifdd.inference.outputs.pictures.render import draw_frames
from ifdd.video.frames import iter_frames, read_frames
from ifdd.video.sources import SourceOptions, open_video
from ifdd.video.timestamps import Clock, TimedFrame
from tests.helpers.faces import DiscDetector, disc_frames
from tests.helpers.videos import write_frame_folder, write_video

CENTERS = {index: (20.0 + index, 48.0) for index in range(90)}
"""The face moves one pixel per frame."""


def recognizer(checkpoint: Path) -> Recognizer:
    windows = WindowOptions(minimum_quality=0.0, minimum_segment_seconds=5.0)  # one segment
    return Recognizer.from_checkpoint(checkpoint, DiscDetector(), windows=windows)


def with_sound(video: Path, target: Path) -> Path:
    """Copy the frames and add a tone of the same length."""
    with av.open(str(video)) as source, av.open(str(target), "w") as output:
        picture = output.add_stream_from_template(source.streams.video[0])
        tone = output.add_stream("aac", rate=16000)
        assert isinstance(tone, av.AudioStream)
        tone.layout = "mono"
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = picture
                output.mux(packet)
        wave = np.sin(np.arange(57600) * 0.2, dtype=np.float32)
        for start in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            output.mux(tone.encode(frame))
        output.mux(tone.encode(None))
    return target


@pytest.mark.parametrize("kind", ["a.mp4", "a.mkv", "folder"])
def test_results_for_a_part_match_the_original_video(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    frames = disc_frames(90, CENTERS, [50] * 90)
    for index, frame in enumerate(frames):
        frame[84:, :12] = 2 * index
    if kind == "folder":
        path = write_frame_folder(tmp_path / kind, frames)
        (path / "7.png").write_bytes(b"damaged")
        (path / "60.png").write_bytes(b"damaged")
    else:
        path = with_sound(write_video(tmp_path / "silent.mp4", frames), tmp_path / kind)
    options = SourceOptions(start_seconds=1.99, maximum_seconds=1.2)
    result = recognizer(checkpoint).recognize(path, source=options)
    assert result.video.start_seconds == pytest.approx(2.0)
    assert result.video.duration_seconds == pytest.approx(1.2)
    (track,) = result.tracks
    assert (track.start_seconds, track.boxes.frames[0]) == (0, 0)
    assert track.boxes.xyxy[0, [0, 2]].mean() == pytest.approx(70, abs=2)  # frame 50
    (segment,) = result.segments
    assert (segment.start_seconds, segment.end_seconds) == pytest.approx((0, 1.2))
    result.write(tmp_path / "out.vtt")
    (cue,) = webvtt.read(str(tmp_path / "out.vtt")).captions
    assert (cue.start, cue.end) == ("00:00:02.000", "00:00:03.200")
    drawn = list(draw_frames(result, path))
    expected = [index for index in range(50, 80) if kind != "folder" or index != 59]
    assert [round(frame.seconds * 25) for frame in drawn] == expected
    assert [frame.index for frame in drawn] == list(range(len(expected)))
    result.write(tmp_path / "out.mp4")
    written = list(iter_frames(tmp_path / "out.mp4"))
    assert [round(frame.seconds * 25) for frame in written] == [index - 50 for index in expected]
    greys = [frame.image[430:470, 10:50].mean() for frame in written]
    assert greys == pytest.approx([2 * index for index in expected], abs=4)
    if kind != "folder":
        with av.open(str(tmp_path / "out.mp4")) as container:
            heard = sum(frame.samples for frame in container.decode(audio=0))
        assert heard / 16000 == pytest.approx(1.2, abs=0.2)


@pytest.mark.parametrize("kind", ["a.mkv", "a.ts"])
@pytest.mark.parametrize(("seconds", "heard"), [(1.2, 1.2), (None, 3.6)])
def test_the_sound_ends_with_the_part(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, seconds: float | None, heard: float
) -> None:
    path = with_sound(write_video(tmp_path / "silent.mp4", disc_frames(60)), tmp_path / kind)  # 2.4 of 3.6 s
    result = recognizer(checkpoint).recognize(path, source=SourceOptions(maximum_seconds=seconds))
    decoded: list[TimedFrame] = []
    usual = Clock.time

    def counted(self: Clock, frames: Iterable[av.VideoFrame]) -> Iterator[TimedFrame]:
        for frame in usual(self, frames):
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(Clock, "time", counted)
    result.write(tmp_path / "out.mp4")
    assert len(decoded) <= result.video.frames + 2, "the first one, and the one after the last one"
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) / 16000 == pytest.approx(heard, abs=0.2)


def test_saved_results_draw_the_same_frames(checkpoint: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", disc_frames(30), fps=30.0)
    # from the frame at 0.0667 s, as it is saved, which is 0.06666 s
    found = recognizer(checkpoint).recognize(path, source=SourceOptions(start_seconds=0.05, maximum_seconds=0.5))
    found.write(tmp_path / "a.json")
    saved = Recognition.load(tmp_path / "a.json")
    assert saved.video.start_seconds > found.video.start_seconds
    drawn = [(frame.index, frame.seconds) for frame in draw_frames(found, path)]
    assert len(drawn) == 15
    assert [(frame.index, frame.seconds) for frame in draw_frames(saved, path)] == drawn


@pytest.mark.parametrize(("start", "length", "frames"), [(3.2, 5.0, 125), (0.0, 1.0, 25), (0.12, 0.28, 7)])
def test_a_length_of_whole_frames_is_kept(tmp_path: Path, start: float, length: float, frames: int) -> None:
    path = write_video(tmp_path / "a.mp4", np.full((220, 48, 64, 3), 90, np.uint8))
    assert len(list(open_video(path, SourceOptions(start_seconds=start, maximum_seconds=length)))) == frames


def test_a_part_beyond_the_end_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", disc_frames(10))
    with pytest.raises(InputError, match=r"a\.mp4 ends at 0\.40 s, .*source\.start_seconds 3; choose an earlier start"):
        recognizer(checkpoint).recognize(path, source=SourceOptions(start_seconds=3.0))
    assert len(read_frames(path)) == 10
