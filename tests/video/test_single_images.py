"""A single image is a video of one frame, upright as its EXIF says; data that PyAV has no name for is passed over."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image

from ifdd.errors import InputError
from ifdd.video.frames import iter_frames, probe, read_frames
from ifdd.video.sources import open_video

BLUE, GREEN, RED, GREY = (0, 0, 255), (0, 255, 0), (255, 0, 0), (128, 128, 128)


def quarters(image: UInt8[np.ndarray, "height width 3"]) -> list[list[int]]:
    """Return the colours at the centres of the four quadrants, by rows."""
    height, width = image.shape[:2]
    return [image[y, x].tolist() for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


def write(path: Path, orientation: int) -> None:
    """Write an image of 40 x 20 pixels in four colours, with an EXIF orientation."""
    picture = Image.new("RGB", (40, 20), GREY)
    for corner, colour in (((0, 0), BLUE), ((20, 0), GREEN), ((0, 10), RED)):
        picture.paste(colour, (*corner, corner[0] + 20, corner[1] + 10))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif, quality=95, subsampling="4:4:4")


# EXIF 2.32, tag 0x0112: which side of the picture the first row and the first column are.
UPRIGHT = {
    1: [BLUE, GREEN, RED, GREY],
    2: [GREEN, BLUE, GREY, RED],
    3: [GREY, RED, GREEN, BLUE],
    4: [RED, GREY, BLUE, GREEN],
    5: [BLUE, RED, GREEN, GREY],
    6: [RED, BLUE, GREY, GREEN],
    7: [GREY, GREEN, RED, BLUE],
    8: [GREEN, GREY, BLUE, RED],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_photograph_is_upright(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "photo.JPG"
    write(path, orientation)
    frames = list(open_video(path))
    assert len(frames) == 1
    np.testing.assert_allclose(quarters(frames[0].image), UPRIGHT[orientation], atol=12)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_avif_is_upright(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "photo.avif"
    write(path, orientation)
    for picture in (next(iter(open_video(path))).image, read_frames(path)[0]):
        np.testing.assert_allclose(quarters(picture), UPRIGHT[orientation], atol=12)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif", ".tif"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_transparent_parts_are_black(tmp_path: Path, suffix: str, orientation: int) -> None:
    picture = Image.new("RGBA", (40, 20), (*GREY, 255))
    for corner, colour in (((0, 0), (*BLUE, 128)), ((20, 0), (*GREEN, 0)), ((0, 10), (*RED, 255))):
        picture.paste(colour, (*corner, corner[0] + 20, corner[1] + 10))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    picture.save(path, exif=exif, quality=100, lossless=True)
    rows = [(0, 0, 128), (0, 0, 0), RED, GREY]
    expected = rows if orientation == 1 else [RED, (0, 0, 128), GREY, (0, 0, 0)]
    np.testing.assert_allclose(quarters(next(iter(open_video(path))).image), expected, atol=6)


@pytest.mark.parametrize("kind", ["grey", "palette", "16 bits"])
def test_transparent_parts_of_any_png_are_black(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo.png"
    if kind == "16 bits":
        image = np.full((20, 40, 4), 200 << 8, np.uint16)
        image[:, :20, 3] = 0
        image[:, 20:, 3] = 0xFFFF
        cv2.imwrite(str(path), image)
    elif kind == "grey":
        picture = Image.new("LA", (40, 20), (200, 255))
        picture.paste((200, 0), (0, 0, 20, 20))
        picture.save(path)
    else:
        picture = Image.new("P", (40, 20), 1)
        picture.putpalette([200] * 6)
        picture.paste(0, (0, 0, 20, 20))
        picture.save(path, transparency=0)
    found = quarters(next(iter(open_video(path))).image)
    np.testing.assert_allclose(found, [[0] * 3, [200] * 3] * 2, atol=1)


def test_pages_that_are_not_read_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    cv2.imwritemulti(str(path), [np.full((20, 40, 3), 40 * page, np.uint8) for page in range(5)])
    video = open_video(path)
    assert len(list(video)) == 1
    notice = "the file holds 5 pages, and only the first was read; save each as a file of a folder"
    assert video.info().notices == probe(path).notices == (notice,)
    cv2.imwrite(str(path), np.zeros((20, 40, 3), np.uint8))
    assert probe(path).notices == ()


def test_other_files_with_an_image_suffix_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_text("no image")
    with pytest.raises(InputError, match=r"photo\.jpg is not a readable image"):
        list(open_video(path))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_frames_with_unknown_side_data_are_read_and_rotated(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "motion.mjpeg"  # FFmpeg attaches the EXIF data to each frame; PyAV has no name for it
    write(tmp_path / "photo.jpg", orientation)
    path.write_bytes(2 * (tmp_path / "photo.jpg").read_bytes())
    with av.open(str(path)) as container, pytest.raises(ValueError, match="is not a valid Type"):
        _ = next(container.decode(video=0)).side_data
    for frame in iter_frames(path):
        np.testing.assert_allclose(quarters(frame.image), UPRIGHT[orientation], atol=12)
