"""Files that are dropped on the page: a private folder for each, and limits on their size."""

import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from ifdd.errors import InputError
from ifdd.names import Disk, printable

SPARE_BYTES = 200_000_000
"""Free space that must remain on the disk."""

LONGEST_RESULT = 500_000_000
"""Bytes of a dropped file of results: those of many hours."""


class TooLargeError(InputError):
    """A file is larger than the limit, or than the free space."""


class Uploads:
    """Receives files.

    Args:
        folder: where they go, each into a folder of its own.
        most_bytes: the largest file that is taken.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self.most_bytes = most_bytes
        self._disk = Disk.of(folder)

    async def receive(self, name: str, pieces: AsyncIterator[bytes], expected: int | None) -> Path:
        """Write a file, and return its path; a file that does not arrive whole is deleted.

        Args:
            name: its name according to the browser; folders in it are ignored.
            pieces: its content.
            expected: its size according to the browser, if stated.

        Raises:
            TooLargeError: it is larger than the limit or the disk's free space.
            InputError: it is empty, incomplete, or cannot be written.
        """
        shown = clean_name(name)
        most = min(self.most_bytes, LONGEST_RESULT) if shown.lower().endswith(".json") else self.most_bytes
        self._check_size(shown, expected or 0, most)
        place = self._folder / secrets.token_hex(8)
        place.mkdir(mode=0o700)
        stem, suffix = PurePosixPath(shown).stem, PurePosixPath(shown).suffix
        path = place / (self._disk.fit(stem) + suffix[:16])
        try:
            received = 0
            with path.open("xb") as file:
                async for piece in pieces:
                    received += len(piece)
                    self._check_size(shown, received, most)
                    file.write(piece)
            if not received or (expected is not None and received != expected):
                raise InputError(f"{shown} is empty or did not arrive whole; drop it again")
        except BaseException as error:
            shutil.rmtree(place, ignore_errors=True)
            if isinstance(error, OSError):
                raise InputError(f"cannot store {shown}: {error.strerror or error}; free space on the disk") from error
            raise
        return path

    def _check_size(self, shown: str, size: int, most: int) -> None:
        if size > most:
            raise TooLargeError(
                f"{shown} is larger than {most / 1e6:,.0f} MB; start 'ifdd app' with its folder, or a larger "
                "--max-upload-mb"
            )
        if shutil.disk_usage(self._folder).free < SPARE_BYTES:
            raise TooLargeError(f"the disk is too full for {shown}; start 'ifdd app' with the folder of the video")


def clean_name(name: str) -> str:
    r"""Return the last part of a path that a browser sent, as one printable line.

    Example:
        >>> from ifdd.app.uploads import clean_name
        >>> clean_name("../../etc/party.mp4"), clean_name("C:\\videos\\sea.mp4"), clean_name("..")
        ('party.mp4', 'sea.mp4', 'video')
    """
    last = printable(name.replace("\\", "/").rstrip("/").rpartition("/")[2]).replace("/", "_").strip()
    return last if last.strip(". ") else "video"
