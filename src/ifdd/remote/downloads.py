"""Downloads of public model files into torch's cache, whose folder the environment variable TORCH_HOME sets.

torch downloads the file with a progress bar and moves it into place when it is complete. This module adds timeouts, a
hash check at every use, and one-line errors. Without a network, nothing waits for long: see ``fetch_file``. Proxies are
those of the environment variables http_proxy, https_proxy and no_proxy.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import torch

from ifdd.errors import InputError
from ifdd.files import file_sha256

ANSWER_SECONDS = 5.0
"""Longest time in which a server must begin to answer: for its name, all of its addresses and the proxy together."""

TIMEOUT_SECONDS = 15.0
"""Longest silence of the server during a download."""

OFFLINE = "IFDD_OFFLINE"
"""Environment variable: 1 downloads nothing, 0 tries every time."""

REMEMBERED_SECONDS = 24 * 3600.0
"""How long a server that did not answer is not asked again by those who can do without."""

WORTH_REMEMBERING_SECONDS = 1.0
"""An attempt that failed faster, as without any network, is simply repeated."""

_answering: set[str] = set()
"""Servers that answered this process."""


def fetch_file(
    url: str,
    sha256: str,
    notify: Callable[[str], object],
    remedy: str = "try again, or fetch the file in another way and give its path",
    *,
    optional: bool = False,
) -> Path:
    """Return a public file from torch's cache; download it first if it is missing or damaged.

    A server that does not begin to answer within ``ANSWER_SECONDS`` counts as unreachable. That is remembered in the
    cache for a day, so that only the first command waits. If the environment variable IFDD_OFFLINE is 1, nothing is
    downloaded; if it is 0, nothing is remembered.

    Args:
        url: address of the file; its last part becomes the file name.
        sha256: SHA-256 of the file in hexadecimal digits, all 64 or the first ones.
        notify: called with a line to show before a download.
        remedy: advice for the error message if the file cannot be downloaded.
        optional: do not ask a server again that was unreachable within the last day.

    Returns:
        The path of the file in the cache.

    Raises:
        InputError: the file cannot be downloaded, has another hash, or cannot be stored.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if _is_intact(path, sha256):
        return path
    _refuse_offline(url, remedy)
    note = _note(url)
    if optional and _is_recent(note):
        raise InputError(
            f"cannot download {url}: the server did not answer within the last day; {OFFLINE}=0 tries again at once"
        )
    notify(f"{f'{path} is damaged; ' if path.exists() else ''}downloading {url} to {path.parent}")
    began = time.monotonic()
    try:
        download(url, path, remedy, sha256)
    except InputError as error:
        if _is_silence(error.__cause__) and time.monotonic() - began > WORTH_REMEMBERING_SECONDS:
            with suppress(OSError):
                note.touch()
        raise
    with suppress(OSError):
        note.unlink()
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
    _refuse_offline(url, remedy)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if urlsplit(url).netloc not in _answering:
            wait_for_answer(url)
        with _timeout(TIMEOUT_SECONDS):
            torch.hub.download_url_to_file(url, str(path), sha256, progress=progress)
    except (URLError, HTTPException, ConnectionError, TimeoutError, RuntimeError) as error:  # RuntimeError: wrong hash
        raise InputError(f"cannot download {url}: {error}; {remedy}") from error
    except UnicodeError as error:  # the name of a host with an empty part, or one of over 63 letters
        raise InputError(
            f"cannot download {url}: the name of its server, or of the proxy in https_proxy or http_proxy, is "
            f"malformed; correct it, or {remedy}"
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot store {path.name} in {path.parent}: {error.strerror or error}; "
            "free space, or set the environment variable TORCH_HOME to another folder"
        ) from error


def wait_for_answer(url: str) -> None:
    """Ask a server once and wait for the beginning of its answer.

    A thread asks, because neither the search for a name nor the attempts at one address after the other have a limit
    in common. It ends with the process.

    Raises:
        OSError: the server refuses, or does not answer in time.
    """
    limit = min(ANSWER_SECONDS, TIMEOUT_SECONDS)
    outcome: list[BaseException | None] = []

    def ask() -> None:
        try:
            urlopen(Request(url, method="HEAD"), timeout=TIMEOUT_SECONDS).close()
        except HTTPError as error:  # an answer, too: what it says counts when the file itself is asked for
            error.close()
            outcome.append(None)
        except Exception as error:
            outcome.append(error)
        else:
            outcome.append(None)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(limit)
    if not outcome:
        raise TimeoutError(f"no answer within {limit:g} seconds, timed out")
    if outcome[0] is not None:
        raise outcome[0]
    _answering.add(urlsplit(url).netloc)


def is_set(variable: str) -> bool:
    """Return whether an environment variable says yes."""
    return os.environ.get(variable, "0").strip().lower() not in ("", "0", "false", "no", "off")


def _refuse_offline(url: str, remedy: str) -> None:
    """Refuse to download if the environment forbids it."""
    if is_set(OFFLINE):
        raise InputError(f"cannot download {url}: {OFFLINE} forbids it; {remedy}")


def _is_silence(error: BaseException | None) -> bool:
    """Whether a download failed because nobody answered, not because of what the server said."""
    return isinstance(error, (URLError, ConnectionError, TimeoutError)) and not isinstance(error, HTTPError)


def _note(url: str) -> Path:
    """Return the path of the empty file whose time says when a server did not answer."""
    return Path(torch.hub.get_dir()) / "checkpoints" / f"{urlsplit(url).netloc.replace(':', '_')}.unreachable"


def _is_recent(note: Path) -> bool:
    if OFFLINE in os.environ:  # it says 0, or nothing would be downloaded
        return False
    try:
        return 0 <= time.time() - note.stat().st_mtime < REMEMBERED_SECONDS
    except OSError:
        return False


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
