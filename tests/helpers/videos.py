"""Writers of tiny videos, folders of frames and manifests."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np

from ifdd.data.manifest import Sample, write_manifest


def moving_frames(count: int, height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """Return (count, height, width, 3) uint8 RGB frames: a bright square moves over a smooth background.

    Frame i's lower left pixels have the red level ``8 * (i % 31)``, so frames can be told apart after
    compression.
    """
    rng = np.random.default_rng(seed)
    background = cv2.resize(rng.integers(40, 160, (3, 4, 3), dtype=np.uint8), (width, height))
    frames = np.repeat(background[None], count, axis=0)
    side = height // 4
    for index, frame in enumerate(frames):
        left = (4 * index) % (width - side)
        frame[side // 2 : side // 2 + side, left : left + side] = (250, 240, 60)
        frame[height // 2 :, : width // 2] = (8 * (index % 31), 100, 100)
    return frames


def frame_number(image: np.ndarray) -> int:
    """Return the number (modulo 31) that ``moving_frames`` drew into an upright frame."""
    height, width = image.shape[:2]
    return round(float(image[height * 5 // 8 : height * 7 // 8, width // 8 : width * 3 // 8, 0].mean()) / 8)


def write_video(
    path: Path,
    frames: np.ndarray,
    fps: float = 25.0,
    times: Sequence[float] | None = None,
    clockwise_turn: int = 0,
    options: dict[str, str] | None = None,
    codec: Literal["libx264", "mpeg2video"] = "libx264",
    pixel_shape: Fraction | None = None,
) -> Path:
    """Encode (N, H, W, 3) uint8 RGB frames with even H and W as mp4, mkv or gif, or another container, by the suffix.

    Args:
        path: the file to write.
        frames: the frames.
        fps: frames a second.
        times: presentation time of each frame in seconds, in steps of 1 ms; 1 / fps apart when None.
        clockwise_turn: 0 or 90: the turn in degrees that an mp4's display matrix asks of players.
        options: of the container format, such as {"movflags": "faststart"}.
        codec: the encoder, except of gif.
        pixel_shape: width of a pixel in multiples of its height, if the file shall tell it.
    """
    gif = path.suffix == ".gif"
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("gif" if gif else codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb8" if gif else "yuv420p"
        base = 1 / rate if times is None else Fraction(1, 1000)
        stream.codec_context.time_base = base
        if pixel_shape is not None:
            stream.codec_context.sample_aspect_ratio = pixel_shape
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index if times is None else round(times[index] * 1000)
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if clockwise_turn:
        set_display_matrix(path, 0, 1, -1, 0)  # as phones do
    return path


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Set the display matrix of an mp4: players show (column, row) at (a column + c row, b column + d row)."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") - 4 + 48
    data[matrix : matrix + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def damage_packets(path: Path, *numbers: int) -> None:
    """Overwrite these video packets of a file, counted from 0, with bytes that no decoder can read."""
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    for number in numbers:
        assert data.count(packets[number]) == 1
        data = data.replace(packets[number], b"\xff" * len(packets[number]))
    path.write_bytes(data)


def write_frame_folder(folder: Path, frames: np.ndarray, suffix: str = ".png") -> Path:
    """Write frames as 1.png, 2.png, ..., without padding, so that alphabetical order differs from numerical order."""
    folder.mkdir(parents=True)
    for index, image in enumerate(frames):
        cv2.imwrite(str(folder / f"{index + 1}{suffix}"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


def write_clip_manifest(folder: Path, labels: Sequence[str], subset: str = "test", count: int = 20) -> Path:
    """Write one tiny folder of frames per label and their manifest; return its path."""
    samples = []
    for index, label in enumerate(labels):
        clip_id = f"{subset}_{index}"
        path = write_frame_folder(folder / "clips" / clip_id, moving_frames(count, 32, 32, seed=index))
        samples.append(Sample(clip_id, path, count, label, subset, subject=f"person{index}"))
    write_manifest(folder / f"{subset}.csv", samples)
    return folder / f"{subset}.csv"
