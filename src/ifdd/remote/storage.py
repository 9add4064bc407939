"""Files in object storage: ``s3://``, ``gs://`` and others that fsspec knows."""

import errno
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import Any

from ifdd.errors import InputError
from ifdd.remote.addresses import PACKAGES, hide_password


def is_stored(source: str) -> bool:
    """Whether a source is an address in a storage.

    Example:
        >>> from ifdd.remote.storage import is_stored
        >>> is_stored("s3://lab/a.mp4"), is_stored("https://lab/a.mp4"), is_stored("a.mp4")
        (True, False, False)
    """
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.lower() in PACKAGES


def stored_files(address: str) -> list[tuple[str, str]]:
    """Return the files at an address: itself, those in a folder at any depth, or those that match a pattern.

    Returns:
        The address of each file, and its path below the folder or, without a folder, its name.

    Raises:
        InputError: nothing is there, or the storage cannot be read.
    """
    system, place = _open(address)
    with _errors(address):
        if has_magic(place) and not system.exists(place):
            names = [path for path in system.glob(place) if not system.isdir(path)]
            found = [(path, PurePosixPath(path).name) for path in sorted(names)]
        elif system.isdir(place):
            folder = place.rstrip("/")
            found = [(path, path.removeprefix(folder).lstrip("/")) for path in sorted(system.find(place))]
        else:
            return [(address, PurePosixPath(place).name)]  # what is missing is refused when it is opened
        scheme = address.partition("://")[0]
        return [(f"{scheme}://{path.lstrip('/')}", name) for path, name in found]


def stored_stamp(address: str) -> str:
    """Return a hash that changes with the file at an address; "" if it cannot be read.

    Raises:
        InputError: the package that reads it is missing.
    """
    system, place = _open(address)
    try:
        system.invalidate_cache()
        details = system.info(place)
    except Exception:  # it is reported when the file is read
        return ""
    names = ("ETag", "etag", "md5Hash", "content_md5", "size", "LastModified", "last_modified", "updated", "created")
    known = {name: str(details[name]) for name in names if name in details}
    return hashlib.sha256(json.dumps([address, known], sort_keys=True).encode()).hexdigest()


def fetch(address: str) -> Path:
    """Copy a file to a private temporary folder, which the caller removes.

    Returns:
        The copy; nothing else is in its folder.

    Raises:
        InputError: the file cannot be read, or the disk of temporary files is full.
    """
    system, place = _open(address)
    folder = Path(tempfile.mkdtemp(prefix="ifdd-"))  # readable by this account only
    copy = folder / (f"video{PurePosixPath(place).suffix}")
    try:
        with _errors(address):
            system.get_file(place, str(copy))
            if not copy.is_file():
                raise IsADirectoryError
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return copy


@contextmanager
def named_by_address(copy: Path, address: str) -> Iterator[None]:
    """Name the file in the storage, not its copy, in errors.

    Raises:
        InputError: one was raised.
    """
    try:
        yield
    except InputError as error:
        raise type(error)(str(error).replace(str(copy), hide_password(address))) from error


def _open(address: str) -> tuple[Any, str]:
    """Return the storage of an address and the path in it.

    Raises:
        InputError: a package is missing, or the settings of the storage are wrong.
    """
    package = PACKAGES[address.partition("://")[0].lower()]
    try:
        from fsspec.core import url_to_fs

        with _errors(address):
            system, place = url_to_fs(address)
    except ImportError as error:
        extra = "ifdd[storage]" if package in ("s3fs", "fsspec") else f"ifdd[storage]' '{package}"
        raise InputError(f"{hide_password(address)} needs {package}; install it with: pip install '{extra}'") from error
    return system, place


@contextmanager
def _errors(address: str) -> Iterator[None]:
    """Turn errors of a storage into one line.

    Their own words are left out: they may hold keys, signed addresses and passwords of proxies.

    Raises:
        InputError: an error occurred.
    """
    shown = hide_password(address)
    try:
        yield
    except (ImportError, InputError):
        raise
    except FileNotFoundError:
        raise InputError(f"no such video: {shown}; check the address") from None
    except PermissionError:
        raise InputError(f"access to {shown} is denied; check the credentials of the storage") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"no space for a copy of {shown} in {tempfile.gettempdir()}; TMPDIR names another folder"
            ) from None
        raise InputError(_unreadable(shown, error)) from None
    except Exception as error:  # each storage has its own
        raise InputError(_unreadable(shown, error)) from None


def _unreadable(shown: str, error: Exception) -> str:
    return f"cannot read {shown}: {type(error).__name__}; check the address, the credentials and the network"
