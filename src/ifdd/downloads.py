"""Downloads of public model files into torch's cache, whose folder the environment variable TORCH_HOME sets.

torch downloads the file with a progress bar and moves it into place when it is complete. This module adds a timeout, a
hash check at every use, and one-line errors.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

import torch

from ifdd.errors import InputError
from ifdd.files import file_sha256

TIMEOUT_SECONDS = 15.0
"""Longest silence of the server before a download fails."""


def fetch_file(
    url: str,
    sha256: str,
    notify: Callable[[str], object],
    remedy: str = "try again, or fetch the file in another way and give its path",
) -> Path:
    """Return a public file from torch's cache; download it first if it is missing or damaged.

    Args:
        url: address of the file; its last part becomes the file name.
        sha256: SHA-256 of the file in hexadecimal digits, all 64 or the first ones.
        notify: called with a line to show before a download.
        remedy: advice for the error message if the file cannot be downloaded.

    Returns:
        The path of the file in the cache.

    Raises:
        InputError: the file cannot be downloaded, has another hash, or cannot be stored.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if _is_intact(path, sha256):
        return path
    notify(f"{f'{path} is damaged; ' if path.exists() else ''}downloading {url} to {path.parent}")
    download(url, path, remedy, sha256)
    return path


def download(url: str, path: Path, remedy: str, sha256: str | None = None, *, progress: bool = True) -> None:
    """Download a file; it appears whole or not at all.

    Args:
        url: address of the file.
        path: where it is stored.
        remedy: advice for the error message if the file cannot be downloaded.
        sha256: SHA-256 of the file in hexadecimal digits, all 64 or the first ones; None checks nothing.
        progress: show a progress bar.

    Raises:
        InputError: the file cannot be downloaded, has another hash, or cannot be stored.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _timeout(TIMEOUT_SECONDS):
            torch.hub.download_url_to_file(url, str(path), sha256, progress=progress)
    except (URLError, HTTPException, ConnectionError, TimeoutError, RuntimeError) as error:  # RuntimeError: wrong hash
        raise InputError(f"cannot download {url}: {error}; {remedy}") from error
    except OSError as error:
        raise InputError(
            f"cannot store {path.name} in {path.parent}: {error.strerror or error}; "
            "free space, or set the environment variable TORCH_HOME to another folder"
        ) from error


def _is_intact(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path).startswith(sha256)
    except OSError:
        return False


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Set the default timeout of new connections, because torch's download function has no timeout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
