"""What OpenCV leaves undone in still pictures: transparency, and the rotation of AVIF."""

from io import BytesIO

import av
import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.video.decoding.colour import over_black
from ifdd.video.decoding.opening import open_input
from ifdd.video.decoding.orientation import orientation_of

RGB = UInt8[np.ndarray, "height width 3"]

_PNG, _PNG_ALPHA = b"\x89PNG\r\n\x1a\n", (b"\x04", b"\x06")  # types of colour with transparency; others may have tRNS


def finish_picture(image: RGB, data: bytes) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return a decoded picture over black, and upright if it is an AVIF.

    Args:
        image: as OpenCV decodes it in colour: without transparency, upright unless it is an AVIF.
        data: the content of its file.
    """
    is_avif = data[4:8] == b"ftyp"
    if is_avif or _may_be_transparent(data):
        image = _without_transparency(image, data)
    return _turned(image, data) if is_avif else image


def _may_be_transparent(data: bytes) -> bool:
    """Whether a PNG or WebP may be transparent; OpenCV sees to TIFF itself, and other kinds of files never are."""
    if data.startswith(_PNG):
        return data[25:26] in _PNG_ALPHA or b"tRNS" in data[: data.find(b"IDAT")]
    return data[:4] == b"RIFF" and data[12:16] != b"VP8 "


def _without_transparency(image: RGB, data: bytes) -> RGB:
    """Return a picture over black. With transparency, OpenCV does not turn it upright: the turn is found again."""
    buffer = np.frombuffer(data, np.uint8)
    whole = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if whole is None or whole.ndim < 3 or whole.shape[2] < 4:
        return image
    alpha = np.asarray(whole[..., 3] // (257 if whole.dtype == np.uint16 else 1), np.uint8)
    if alpha.min() == 255:
        return image
    stored = cv2.imdecode(buffer, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert stored is not None  # it was decoded before
    rgba = np.dstack([cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), alpha])
    turned = (np.rot90(flipped, turns) for flipped in (rgba, rgba[:, ::-1]) for turns in range(4))
    upright = next((one for one in turned if np.array_equal(one[..., :3], image)), None)
    return image if upright is None else over_black(np.ascontiguousarray(upright))


def _turned(image: RGB, data: bytes) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return an AVIF upright, as FFmpeg reads its orientation; unchanged if FFmpeg cannot decode it."""
    if b"irot" not in data and b"imir" not in data:
        return image
    try:
        with open_input(BytesIO(data)) as container:
            for stream in container.streams.video[:1]:
                stream.codec_context.thread_count = 1  # as in choose_stream
                for frame in container.decode(stream):
                    return orientation_of(frame, None).apply(image)
    except av.error.FFmpegError:
        pass
    return image
