"""Output files that appear whole or not at all, and hashes of files."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ifdd.errors import InputError

PARTIAL = ".partial-"
"""Prefix of the names of unfinished files."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path next to ``target`` and rename it to ``target`` if the block succeeds.

    The temporary name keeps the target's suffix, for writers that choose a format by suffix. If the block fails, the
    temporary file is removed and an existing target stays unchanged.

    Raises:
        InputError: the folder is not writable or the disk is full.
    """
    temporary = _unfinished(target, target.suffix)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(0o600, exist_ok=False)
        yield temporary
        # after writing, because some writers replace the file
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        about = None if error.filename is None else Path(error.filename)
        if about not in (None, temporary, target, *target.parents):
            raise  # about another file
        raise InputError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty temporary folder next to ``target`` and rename it to ``target`` if the block succeeds.

    If the block fails, the temporary folder is removed and an existing target stays unchanged.

    Raises:
        InputError: the folder is not writable or the disk is full.
    """
    temporary = _unfinished(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir(0o700)
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, unless they exist.

    Raises:
        InputError: a file is in the way, or the location is not writable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder {path}: {error.strerror or error}; choose another one") from error


def write_text(target: Path, text: str) -> None:
    """Write ``text`` to ``target`` as UTF-8, whole or not at all.

    Raises:
        InputError: the folder is not writable or the disk is full.
    """
    write_pieces(target, [text])


def write_pieces(target: Path, pieces: Iterable[str]) -> None:
    """Write pieces of text to ``target`` as UTF-8, one after the other, whole or not at all.

    Raises:
        InputError: the folder is not writable or the disk is full.
    """
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(pieces)


def _unfinished(target: Path, suffix: str = "") -> Path:
    """Return the path to write ``target`` at; known before anything is there, so an interruption leaves nothing."""
    return target.parent.absolute() / f"{PARTIAL}{secrets.token_hex(8)}{suffix}"


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def file_sha256(path: Path) -> str:
    """Return the SHA-256 hash of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
