"""Known colour patches come out as they went in, whatever matrix, range, depth or dynamic range a video has."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorTrc
from av.video.stream import VideoStream

from ifdd.video.decoding.colour import Encoding, ScreenMapper, to_screen
from ifdd.video.frames import iter_frames
from ifdd.video.sources import open_video

PATCHES = (
    (255, 255, 255), (0, 0, 0), (200, 30, 30), (30, 160, 40), (40, 50, 210), (128, 128, 128), (224, 172, 140),
    (90, 60, 45),
)  # fmt: skip
MATRICES = {"709": (0.2126, 0.0722, 1), "601": (0.299, 0.114, 5), "2020": (0.2627, 0.0593, 9)}
UNTAGGED = 2


def yuv(rgb: np.ndarray, matrix: str, full: bool, bits: int) -> tuple[int, int, int]:
    """Return the code of a colour, 0 to 1: ITU-R BT.601, BT.709 and BT.2020."""
    red, blue, _ = MATRICES[matrix]
    y = red * rgb[0] + (1 - red - blue) * rgb[1] + blue * rgb[2]
    u, v = (rgb[2] - y) / (2 * (1 - blue)), (rgb[0] - y) / (2 * (1 - red))
    step, most = 2 ** (bits - 8), 2**bits - 1
    if full:
        return round(y * most), round(u * most + 128 * step), round(v * most + 128 * step)
    return round((219 * y + 16) * step), round((224 * u + 128) * step), round((224 * v + 128) * step)


def write_patches(
    path: Path, codes: Sequence[tuple[int, ...]], size: tuple[int, int], form: str, codec: str, **tags: int
) -> Path:
    """Write vertical stripes of the codes without loss, with tags such as ``colorspace=1``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"qp": "0"} if codec == "libx264" else {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = form
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame(*size, form)
        for name, value in tags.items():
            setattr(frame, name, value)
        for channel, plane in enumerate(frame.planes):
            kind = np.dtype(np.uint8 if plane.line_size < 2 * plane.width else np.uint16)
            table = np.zeros((plane.height, plane.line_size // kind.itemsize), kind)
            for stripe, code in enumerate(codes):
                table[:, stripe * plane.width // len(codes) : (stripe + 1) * plane.width // len(codes)] = code[channel]
            plane.update(table.tobytes())
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_patches(path: Path, count: int) -> np.ndarray:
    """Return the colours of the stripes."""
    image = next(iter(iter_frames(path))).image
    columns = (2 * np.arange(count) + 1) * image.shape[1] // (2 * count)
    return image[image.shape[0] // 2, columns].astype(int)


@pytest.mark.parametrize(
    ("size", "matrix", "tag", "full", "form", "codec"),
    [
        ((320, 180), "601", UNTAGGED, False, "yuv420p", "libx264"),
        ((720, 480), "601", UNTAGGED, False, "yuv420p", "libx264"),
        ((1280, 720), "709", UNTAGGED, False, "yuv420p", "libx264"),
        ((720, 1280), "709", UNTAGGED, False, "yuv420p", "libx264"),
        ((1280, 720), "709", UNTAGGED, True, "yuv420p", "libx264"),
        ((1280, 720), "709", UNTAGGED, False, "yuv420p10le", "ffv1"),
        ((1280, 720), "601", 5, False, "yuv420p", "libx264"),
        ((320, 180), "709", 1, False, "yuv420p", "libx264"),
        ((320, 180), "709", 1, True, "yuv420p", "libx264"),
        ((320, 180), "601", UNTAGGED, True, "yuvj420p", "libx264"),
        ((320, 180), "601", UNTAGGED, False, "yuv444p", "ffv1"),
        ((320, 180), "709", 1, True, "yuv422p10le", "ffv1"),
        ((320, 180), "2020", 9, False, "yuv420p10le", "ffv1"),
    ],
)
def test_matrix_and_range_are_those_of_the_video(
    tmp_path: Path, size: tuple[int, int], matrix: str, tag: int, full: bool, form: str, codec: str
) -> None:
    bits = 10 if "10" in form else 8
    codes = [yuv(np.array(patch) / 255, matrix, full, bits) for patch in PATCHES]
    tags = {"colorspace": tag, "color_range": 2 if full else (1 if tag != UNTAGGED else 0)}
    path = write_patches(tmp_path / "patches.mkv", codes, size, form, codec, **tags)
    assert np.abs(read_patches(path, len(PATCHES)) - np.array(PATCHES)).max() <= 3


@pytest.mark.parametrize(("limited", "white", "black"), [(True, 235, 16), (False, 255, 0)])
def test_grey_has_two_ranges_too(tmp_path: Path, limited: bool, white: int, black: int) -> None:
    codes = [(white,), (black,)]
    tag = 1 if limited else 2
    path = write_patches(tmp_path / "grey.mkv", codes, (64, 48), "gray", "ffv1", color_range=tag)
    assert read_patches(path, 2).tolist() == [[255] * 3, [0] * 3]


def test_rgb_codecs_keep_their_colours_and_transparency_is_black(tmp_path: Path) -> None:
    planes = [(green << 2, blue << 2, red << 2) for red, green, blue in PATCHES]
    path = write_patches(tmp_path / "rgb.mkv", planes, (320, 180), "gbrp10le", "ffv1")
    assert np.abs(read_patches(path, len(PATCHES)) - np.array(PATCHES)).max() <= 1
    clear = [(235, 128, 128, 255), (235, 128, 128, 0)]
    alpha = write_patches(tmp_path / "alpha.mkv", clear, (64, 48), "yuva420p", "ffv1")
    assert read_patches(alpha, 2).tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize("tag", [0, 3, 8, 10, 14, 17])
def test_matrices_that_no_one_knows_are_no_reason_to_stop(tmp_path: Path, tag: int) -> None:
    path = write_patches(
        tmp_path / "odd.mkv", [(235, 128, 128)], (64, 48), "yuv420p", "libx264", colorspace=tag, color_range=1
    )
    video = open_video(path)
    assert [frame.image[24, 32].tolist() for frame in video] == [[255] * 3]
    assert any("not supported" in line for line in video.info().notices) == (tag in (8, 14))


def hdr_code(light: np.ndarray, transfer: int) -> np.ndarray:
    """Return the PQ or HLG signal, 0 to 1, for linear BT.709 light with white at 203 cd/m2: ITU-R BT.2100, BT.2087."""
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    nits = 203 * light @ to_2020.T
    if transfer == ColorTrc.SMPTE2084:
        power = (nits / 10_000) ** (2610 / 16384)
        return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    luminance = nits @ np.array([0.2627, 0.6780, 0.0593])
    scene = nits / 1000 * (luminance / 1000) ** (-0.2 / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


@pytest.mark.parametrize(("transfer", "name"), [(16, "HDR (PQ)"), (18, "HDR (HLG)")])
def test_hdr_looks_like_the_picture_that_it_was_made_from(tmp_path: Path, transfer: int, name: str) -> None:
    skin = np.array([[224, 172, 140], [90, 60, 45], [200, 60, 60], [128, 128, 128], [60, 90, 120]])
    signals = [hdr_code((patch / 255) ** 2.2, transfer) for patch in skin]
    codes = [yuv(signal, "2020", False, 10) for signal in signals]
    tags = {"colorspace": 9, "color_range": 1, "color_trc": transfer, "color_primaries": 9}
    path = write_patches(tmp_path / "hdr.mkv", codes, (320, 180), "yuv420p10le", "ffv1", **tags)
    assert np.abs(read_patches(path, len(skin)) - skin).max() <= 6
    video = open_video(path)
    list(video)
    assert video.info().notices == (
        f"the video is {name}; its colours were tone-mapped to those of an ordinary screen (BT.709)",
    )


def test_highlights_are_compressed_in_order_and_stay_within_the_screen() -> None:
    nits = np.array([50.0, 100, 203, 400, 700, 1000, 4000])
    signal = np.array([hdr_code(np.full(3, value / 203), ColorTrc.SMPTE2084) for value in nits])
    levels = to_screen(signal, Encoding(ColorTrc.SMPTE2084, wide=True)).mean(axis=1)
    assert np.all(np.diff(levels[:6]) > 0.003)
    assert levels[0] == pytest.approx((50 / 203) ** (1 / 2.2), abs=0.005)  # below the knee nothing changes
    assert 0.9 < levels[2] < 0.96
    assert levels[5] == pytest.approx(1.0, abs=0.002)
    assert levels[-1] == 1.0


def test_the_table_of_ffmpeg_gives_what_the_formula_gives() -> None:
    encoding = Encoding(ColorTrc.ARIB_STD_B67, wide=True)
    rng = np.random.default_rng(0)
    codes = (rng.uniform(0.2, 0.7, (1, 500, 1)) + rng.uniform(-0.06, 0.06, (1, 500, 3))) * 65535  # as of faces
    frame = av.VideoFrame.from_ndarray(codes.astype(np.uint16), format="rgb48le").reformat(format="gbrp16le")
    mapped = ScreenMapper(encoding, 500, 1).map(frame)[0].astype(float)
    assert np.abs(mapped - 255 * to_screen(codes[0] / 65535, encoding)).max() < 4
