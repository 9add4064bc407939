"""Opens whatever a path leads to: a folder of images, a single image or a video file."""

from pathlib import Path
from stat import S_ISDIR

from ifdd.errors import InputError
from ifdd.video.decoding.animations import is_animated, open_animation
from ifdd.video.decoding.containers import open_file
from ifdd.video.images import ImageReader, image_files
from ifdd.video.readers import Reader
from ifdd.video.suffixes import ANIMATED_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from ifdd.video.timestamps import DEFAULT_FPS


def is_video_file(path: Path) -> bool:
    """Whether a file in a folder is a video: by its ending, or because it is an animated image.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.video.paths import is_video_file
        >>> is_video_file(Path("party.MP4")), is_video_file(Path("photo.jpg"))
        (True, False)
    """
    name = path.name.lower()
    return name.endswith(VIDEO_SUFFIXES) or (name.endswith(ANIMATED_SUFFIXES) and is_animated(path))


def open_path(
    path: Path, image_fps: float = DEFAULT_FPS, *, start_seconds: float = 0.0, strict: bool = False
) -> Reader:
    """Open the video at a path.

    Args:
        path: a folder of images, an image or a video file of any kind.
        image_fps: frames per second of images.
        start_seconds: skip the frames that begin before this time.
        strict: refuse damage.

    Raises:
        InputError: the path does not exist, may not be read, or contains no video.
    """
    if _is_folder(path):
        return ImageReader(str(path), image_files(path), image_fps, start_seconds, strict)
    if path.suffix.lower() in ANIMATED_SUFFIXES and is_animated(path):
        return open_animation(path, start_seconds, strict) or open_file(
            path, start_seconds=start_seconds, strict=strict
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageReader(str(path), [path], image_fps, start_seconds, strict)
    return open_file(path, start_seconds=start_seconds, strict=strict)


def _is_folder(path: Path) -> bool:
    """Whether a path leads to a folder, not to a file.

    Raises:
        InputError: it leads nowhere, or into a folder that may not be entered.
    """
    try:
        return S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL in it
        raise InputError(f"no such video: {path}; check the path") from error
    except OSError as error:
        reason = f"{error.strerror}; check the path and the permissions of its folders"
        raise InputError(f"cannot read {path}: {reason}") from error
