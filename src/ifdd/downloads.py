"""Public files of models, downloaded once and kept in torch's cache, see the environment variable TORCH_HOME.

torch downloads, with a progress bar, and moves the complete file into place. This module adds what torch lacks: a
timeout, a check of the hash at every use, and one-line errors.
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
"""The download fails when the server stays silent for longer than this."""


def fetch_file(
    url: str,
    sha256: str,
    notify: Callable[[str], object],
    remedy: str = "try again, or fetch the file in another way and give its path",
) -> Path:
    """Return a public file from torch's cache; download it first if it is missing or damaged.

    Args:
        url: where the file is; its last part becomes the file's name.
        sha256: the file's SHA-256 in hexadecimal digits, all 64 or the first ones.
        notify: called with a line to show before a download.
        remedy: what to do when the file cannot be downloaded, for the error.

    Raises:
        InputError: the file cannot be downloaded, has another hash, or cannot be stored.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if _is_intact(path, sha256):
        return path
    notify(f"{f'{path} is damaged; ' if path.exists() else ''}downloading {url} to {path.parent}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _timeout(TIMEOUT_SECONDS):
            torch.hub.download_url_to_file(url, str(path), sha256)
    except (URLError, HTTPException, ConnectionError, TimeoutError, RuntimeError) as error:  # the last: a wrong hash
        raise InputError(f"cannot download {url}: {error}; {remedy}") from error
    except OSError as error:
        raise InputError(
            f"cannot store {path.name} in {path.parent}: {error.strerror or error}; "
            "free space, or set the environment variable TORCH_HOME to another folder"
        ) from error
    return path


def _is_intact(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path).startswith(sha256)
    except OSError:
        return False


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Limit the silence of new connections; torch's download takes no timeout, so the default is changed meanwhile."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
