"""From decoded frames to the 8-bit RGB that a screen shows: matrices, ranges, high dynamic range, transparency.

Frames say which matrix and range they use. Where they do not, high definition is BT.709 and anything smaller BT.601, as
in players; FFmpeg alone takes all of it for BT.601. PQ and HLG (HDR) and the wide primaries of BT.2020 are converted to
BT.709 by FFmpeg's filter ``lut3d`` with a table that is computed here: the PyAV wheels lack ``zscale`` and
``libplacebo``, and the conversion in FFmpeg's own scaler takes 5 s to begin with.
"""

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from jaxtyping import Float, UInt8

HD_LONGER_SIDE, HD_SHORTER_SIDE = 1280, 577
"""Frames with a longer or a shorter side of at least this are high definition (pixels)."""

UNSPECIFIED = 2
"""FFmpeg's number for a matrix, primaries or a transfer function that a frame does not state."""

KNOWN_MATRICES = (1, 4, 5, 6, 7, 9)
"""FFmpeg's numbers of the matrices that its scaler converts from: BT.709, FCC, BT.601 (two), SMPTE 240M, BT.2020."""

BT2020_CONSTANT = 10
"""FFmpeg's number of BT.2020 with constant luminance, close to that without."""

UNREADABLE_MATRICES = {
    8: "YCgCo",
    11: "SMPTE 2085",
    12: "chromaticity-derived",
    13: "chromaticity-derived",
    14: "ICtCp",
}
"""FFmpeg's numbers of the matrices that nothing here converts -> their names."""

REFERENCE_WHITE = 203.0
"""Luminance of white in HDR (candela per square metre, ITU-R BT.2408); it becomes the white of the image."""

HDR_PEAK = 1000.0
"""Luminance of the brightest highlights that are kept apart; most HDR is graded for screens of this (cd/m2)."""

KNEE = 0.75
"""Share of the reference white up to which tone mapping changes nothing."""

SCREEN_GAMMA = 2.2
"""Exponent of a screen, for BT.2020 without HDR and for the result."""

TABLE_SIZE = 33
"""Points of the conversion table along each axis."""


FULL_OF_LIMITED = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
"""Level of full range for each level of limited range; FFmpeg's scaler takes all grey frames for full range."""

HDR_NAMES: dict[int, str] = {ColorTrc.SMPTE2084: "HDR (PQ)", ColorTrc.ARIB_STD_B67: "HDR (HLG)"}
"""Transfer function of HDR -> its name."""


class Encoding(NamedTuple):
    """What the RGB values of a frame mean, if it is not what a screen expects."""

    transfer: int
    """FFmpeg's number of the transfer function."""
    wide: bool
    """The primaries are those of BT.2020."""

    @property
    def is_hdr(self) -> bool:
        """Whether it is PQ or HLG."""
        return self.transfer in HDR_NAMES

    @property
    def name(self) -> str:
        """The usual name, for messages."""
        return HDR_NAMES.get(self.transfer, "BT.2020")


class ColourConverter:
    """Converts the frames of one video to RGB."""

    def __init__(self) -> None:
        self._encoding: Encoding | None = None
        self._mapper: ScreenMapper | None = None
        self._unreadable = ""

    def notices(self) -> list[str]:
        """Return a line each if frames were converted from HDR or wide primaries, or have colours that are misread."""
        notices = []
        if self._encoding is not None:
            how = "tone-mapped" if self._encoding.is_hdr else "converted"
            name = self._encoding.name
            notices.append(f"the video is {name}; its colours were {how} to those of an ordinary screen (BT.709)")
        if self._unreadable:
            notices.append(f"the colours of the video are {self._unreadable}, which is not supported; they are wrong")
        return notices

    def to_rgb(self, frame: av.VideoFrame, width: int, height: int) -> UInt8[np.ndarray, "height width 3"]:
        """Return a frame as RGB of a given size."""
        matrix = matrix_of(frame)
        encoding = encoding_of(frame)
        if frame.colorspace in UNREADABLE_MATRICES:
            self._unreadable = UNREADABLE_MATRICES[frame.colorspace]
        if encoding is not None:
            return self._to_screen(encoding, frame, width, height, matrix)
        if frame.color_range == ColorRange.MPEG and frame.format.name.startswith("gray"):
            grey = frame.to_ndarray(format="gray", width=width, height=height, threads=1)
            return cv2.cvtColor(cv2.LUT(grey, FULL_OF_LIMITED), cv2.COLOR_GRAY2RGB)
        if has_alpha(frame):
            rgba = frame.to_ndarray(format="rgba", width=width, height=height, src_colorspace=matrix, threads=1)
            return over_black(rgba)
        return frame.to_ndarray(format="rgb24", width=width, height=height, src_colorspace=matrix, threads=1)

    def _to_screen(
        self, encoding: Encoding, frame: av.VideoFrame, width: int, height: int, matrix: Colorspace | None
    ) -> UInt8[np.ndarray, "height width 3"]:
        self._encoding = encoding
        planes = frame.reformat(width, height, "gbrp16le", src_colorspace=matrix, threads=1)
        if self._mapper is None or not self._mapper.fits(encoding, width, height):
            self._mapper = ScreenMapper(encoding, width, height)
        return self._mapper.map(planes)


class ScreenMapper:
    """Applies the table of one encoding to frames of one size.

    Args:
        encoding: of the frames.
        width: of the frames.
        height: of the frames.
    """

    def __init__(self, encoding: Encoding, width: int, height: int) -> None:
        self._key = encoding, width, height
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add(
            "buffer", video_size=f"{width}x{height}", pix_fmt="gbrp16le", time_base="1/1000", pixel_aspect="1/1"
        )
        with tempfile.TemporaryDirectory(prefix="ifdd-") as folder:  # FFmpeg reads the table when it is set up
            table = Path(folder) / "screen.cube"
            table.write_text(table_text(encoding), encoding="ascii")
            mapper = self._graph.add("lut3d", file=str(table), interp="tetrahedral")
        sink = self._graph.add("buffersink")
        source.link_to(mapper)
        mapper.link_to(sink)
        self._graph.configure()

    def fits(self, encoding: Encoding, width: int, height: int) -> bool:
        """Whether this is for such frames."""
        return self._key == (encoding, width, height)

    def map(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
        """Convert one frame of planar RGB with 16 bits."""
        self._graph.push(frame)
        mapped = self._graph.pull()
        assert isinstance(mapped, av.VideoFrame)
        return mapped.to_ndarray(format="rgb24", threads=1)


def matrix_of(frame: av.VideoFrame) -> Colorspace | None:
    """Return the matrix to state for a frame that names none that FFmpeg's scaler knows; None for all others."""
    if frame.colorspace in KNOWN_MATRICES or frame.format.is_rgb:
        return None
    if frame.colorspace == BT2020_CONSTANT:
        return Colorspace.BT2020
    return Colorspace.ITU709 if is_high_definition(frame.width, frame.height) else Colorspace.ITU601


def is_high_definition(width: int, height: int) -> bool:
    """Whether frames of this size that name no matrix are BT.709."""
    return max(width, height) >= HD_LONGER_SIDE or min(width, height) >= HD_SHORTER_SIDE


def encoding_of(frame: av.VideoFrame) -> Encoding | None:
    """Return what a frame must be converted from to be shown on a screen; None for most."""
    is_hdr = frame.color_trc in HDR_NAMES
    primaries = frame.color_primaries
    wide = primaries == ColorPrimaries.BT2020 or (is_hdr and primaries == UNSPECIFIED)
    return Encoding(frame.color_trc if is_hdr else UNSPECIFIED, wide) if is_hdr or wide else None


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether a frame may be transparent."""
    return _has_alpha(frame.format.name)


@lru_cache(maxsize=64)
def _has_alpha(name: str) -> bool:
    return any(component.is_alpha for component in av.VideoFormat(name).components)


def over_black(rgba: UInt8[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "height width 3"]:
    """Return an image over black: transparent pixels hold leftovers that no viewer shows."""
    alpha = rgba[..., 3]
    rgb = np.ascontiguousarray(rgba[..., :3])
    if cv2.minMaxLoc(alpha)[0] == 255:
        return rgb
    return cv2.multiply(rgb, cv2.merge([alpha] * 3), scale=1 / 255)


@lru_cache(maxsize=4)
def table_text(encoding: Encoding) -> str:
    """Return the conversion table as a .cube file: one line for each point of the RGB cube, red fastest."""
    axis = np.linspace(0.0, 1.0, TABLE_SIZE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    points = to_screen(np.stack([red, green, blue], axis=-1).reshape(-1, 3), encoding)
    lines = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in points.tolist())
    return f"LUT_3D_SIZE {TABLE_SIZE}\n{lines}\n"


def to_screen(rgb: Float[np.ndarray, "points 3"], encoding: Encoding) -> Float[np.ndarray, "points 3"]:
    """Convert RGB values, 0 to 1, to those of a screen with the primaries of BT.709.

    >>> import numpy as np
    >>> from av.video.reformatter import ColorTrc
    >>> from ifdd.video.decoding.colour import Encoding, to_screen
    >>> white = np.full((1, 3), 0.5807)  # 203 cd/m2 in PQ
    >>> to_screen(white, Encoding(ColorTrc.SMPTE2084, wide=True)).round(2).tolist()
    [[0.94, 0.94, 0.94]]
    """
    light = _hdr_light(rgb, encoding) / REFERENCE_WHITE if encoding.is_hdr else rgb**SCREEN_GAMMA
    if encoding.wide:
        light = np.maximum(light @ _BT709_OF_BT2020.T, 0.0)
    if encoding.is_hdr:
        brightest = np.maximum(light.max(axis=1, keepdims=True), 1e-6)
        light = light * (tone_map(brightest) / brightest)  # one factor for the three, so that hues stay
    return np.clip(light, 0.0, 1.0) ** (1 / SCREEN_GAMMA)


def tone_map(light: Float[np.ndarray, "*values"]) -> Float[np.ndarray, "*values"]:
    """Compress highlights: the curve "mobius" of FFmpeg's filter ``tonemap``, from the peak of HDR to white.

    Args:
        light: linear, 1 is the reference white.
    """
    peak = HDR_PEAK / REFERENCE_WHITE
    a = -(KNEE**2) * (peak - 1) / (KNEE**2 - 2 * KNEE + peak)
    b = (KNEE**2 - 2 * KNEE * peak + peak) / (peak - 1)
    scale = (b**2 + 2 * b * KNEE + KNEE**2) / (b - a)
    return np.where(light <= KNEE, light, scale * (light + a) / (np.maximum(light, KNEE) + b))


def _hdr_light(rgb: Float[np.ndarray, "points 3"], encoding: Encoding) -> Float[np.ndarray, "points 3"]:
    """Return the light that an HDR screen emits, in cd/m2: ITU-R BT.2100, tables 4 and 5."""
    if encoding.transfer == ColorTrc.SMPTE2084:
        power = rgb ** (32 / 2523)
        return 10_000.0 * (np.maximum(power - 107 / 128, 0.0) / (2413 / 128 - 2392 / 128 * power)) ** (8192 / 1305)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(rgb <= 0.5, rgb**2 / 3, (np.exp((rgb - c) / a) + b) / 12)
    luminance = scene @ (_LUMA_BT2020 if encoding.wide else _LUMA_BT709)
    return HDR_PEAK * scene * np.maximum(luminance, 1e-9)[:, None] ** 0.2


_LUMA_BT2020 = np.array([0.2627, 0.6780, 0.0593])
_LUMA_BT709 = np.array([0.2126, 0.7152, 0.0722])
_BT709_OF_BT2020 = np.array(  # ITU-R BT.2087
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)
