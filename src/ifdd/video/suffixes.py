"""The endings of file names that mark images and videos."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".avif", ".tif", ".tiff")
"""Files in a folder with any other ending are not frames and are skipped."""

ANIMATED_SUFFIXES = (".png", ".webp", ".avif")
"""Image files with these endings may be animations, which count as videos: ``decoding.animations.is_animated``."""

# fmt: off
VIDEO_SUFFIXES = (
    ".264", ".265", ".3g2", ".3gp", ".apng", ".asf", ".avi", ".avifs", ".divx", ".dv", ".f4v", ".flv", ".gif",
    ".h264", ".h265", ".hevc", ".ivf", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
)
# fmt: on
"""Files with these endings count as videos when a folder is searched; a file named directly is read whatever its
ending."""
