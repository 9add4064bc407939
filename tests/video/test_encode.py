"""Written images and videos, read back."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from ifdd.errors import InputError
from ifdd.video.encode import VideoWriter, encode_image, write_images, write_video
from ifdd.video.frames import iter_frames, probe, read_frames
from ifdd.video.images import decode_image
from tests.helpers.videos import frame_number, moving_frames


@pytest.mark.parametrize("suffix", [".png", ".ppm", ".jpg"])
def test_images_are_rgb_and_lossless_in_lossless_formats(suffix: str) -> None:
    image = moving_frames(1)[0]
    found = decode_image(encode_image(image, suffix), "the image").astype(int)
    assert np.abs(found - image).mean() <= (2 if suffix == ".jpg" else 0)


def test_a_lower_quality_gives_a_smaller_jpeg() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    sizes = [len(encode_image(image, ".jpg", quality)) for quality in (1, 50, 95, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 5
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    assert encode_image(image, ".jpg") == cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    for quality in (0, 101):
        with pytest.raises(InputError, match=f"the JPEG quality is {quality}; it must be at least 1 and at most 100"):
            encode_image(image, ".jpg", quality)


def test_image_numbers_are_padded_to_the_requested_digits(tmp_path: Path) -> None:
    write_images(tmp_path / "a", moving_frames(2))
    write_images(tmp_path / "b", moving_frames(2), ".jpg", digits=1)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["00001.png", "00002.png"]
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["1.jpg", "2.jpg"]
    assert np.array_equal(read_frames(tmp_path / "a"), moving_frames(2))


def test_a_video_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    frames = moving_frames(20)
    write_video(tmp_path / "a.mp4", frames, 10.0)
    assert [frame_number(image) for image in read_frames(tmp_path / "a.mp4")] == list(range(20))
    assert probe(tmp_path / "a.mp4").fps == pytest.approx(10)

    def failing() -> Iterator[np.ndarray]:
        yield frames[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_video(tmp_path / "b.mp4", failing(), 10.0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("fps", [0.0, 1e-6, -1.0, float("nan"), float("inf")])
def test_a_rate_that_no_file_can_hold_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(InputError, match=r"fps is .*; it must be at least 0\.001"):
        write_video(tmp_path / "a.mp4", moving_frames(3), fps)
    write_video(tmp_path / "slow.mp4", moving_frames(3), 0.001)
    assert probe(tmp_path / "slow.mp4").duration_seconds == pytest.approx(3000)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([], r"there are no frames; give at least one"),
        ([(48, 63)], r"a frame has 63 x 48 pixels, but all need one size, with even"),
        ([(48, 64), (46, 64)], r"a frame has 64 x 46 pixels, .*the first has 64 x 48\); crop or resize them"),
    ],
)
def test_frames_that_no_video_can_hold_leave_an_earlier_file(
    tmp_path: Path, sizes: list[tuple[int, int]], message: str
) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, moving_frames(3), 25.0)
    before = path.read_bytes()
    with pytest.raises(InputError, match=message):
        write_video(path, [np.zeros((*size, 3), np.uint8) for size in sizes], 25.0)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("rate", [192_000, 176_400, 12_345])
@pytest.mark.parametrize("begin", [0.0, 1.0])
def test_sound_at_a_rate_that_aac_lacks_is_resampled(tmp_path: Path, rate: int, begin: float) -> None:
    source, count = tmp_path / "tone.mkv", rate // 25
    with av.open(str(source), "w") as container:
        tone = container.add_stream("pcm_s16le", rate=rate)
        assert isinstance(tone, av.AudioStream)
        tone.layout = "mono"
        for start in range(0, 50 * count, count):
            wave = 20_000 * np.sin(2 * np.pi * 800 * np.arange(start, start + count) / rate)
            frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(tone.encode(frame))
        container.mux(tone.encode(None))
    with VideoWriter(tmp_path / "out.mp4", 25.0, sound_of=source, begin_seconds=begin) as writer:
        for index, image in enumerate(moving_frames(50)):
            if index / 25 >= begin:
                writer.write(image, index / 25)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].rate == 48_000
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(heard) / 48_000 == pytest.approx(2 - begin, abs=0.03)
    middle = heard[12_000:36_000]
    assert np.abs(np.fft.rfft(middle)).argmax() * 48_000 / len(middle) == pytest.approx(800, abs=5)


def write_with_tone(path: Path) -> None:
    """Write 4 s of pictures, and a tone that rises by 200 Hz each second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        tone = container.add_stream("aac", rate=16000)
        assert isinstance(tone, av.AudioStream)
        tone.layout = "mono"
        for image in moving_frames(100):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
        seconds = np.arange(64000) / 16000
        wave = np.sin(2 * np.pi * (400 + 200 * np.floor(seconds)) * seconds).astype(np.float32)
        for start in range(0, 64000, 1000):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1000], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(tone.encode(frame))
        container.mux(tone.encode(None))


def test_part_of_a_video_has_that_part_of_its_sound(tmp_path: Path) -> None:
    write_with_tone(tmp_path / "a.mp4")
    part = [frame for frame in iter_frames(tmp_path / "a.mp4") if 2 <= frame.seconds < 3]
    with VideoWriter(
        tmp_path / "b.mp4", 25.0, sound_of=tmp_path / "a.mp4", begin_seconds=2.0, end_seconds=3.0
    ) as writer:
        for frame in part:
            writer.write(frame.image, frame.seconds)
    found = list(iter_frames(tmp_path / "b.mp4"))
    assert [frame.seconds for frame in found] == pytest.approx(np.arange(25) / 25, abs=1e-4)
    wrong = np.array([frame_number(frame.image) for frame in found]) - np.arange(50, 75) % 31
    assert np.abs(wrong).max() <= 1, "encoded twice, a level may be rounded to the next"
    assert np.abs(wrong).mean() < 0.4, "a shift by a frame would be wrong everywhere"
    with av.open(str(tmp_path / "b.mp4")) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(heard) / 16000 == pytest.approx(1, abs=0.2)
    middle = heard[4000:12000]
    assert np.abs(np.fft.rfft(middle)).argmax() * 16000 / len(middle) == pytest.approx(800, abs=5)
