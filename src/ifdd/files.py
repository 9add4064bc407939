"""Output files that appear whole or not at all, JSON, and hashes of files."""

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ifdd.errors import InputError
from ifdd.names import LONGEST_NAME

PARTIAL = ".partial-"
"""Prefix of the names of unfinished files."""

LONGEST_PATH = 4095
"""Bytes of a path that Linux takes."""

RENAME_REFUSED = (errno.EPERM, errno.EACCES, errno.EXDEV, errno.ENOTSUP, errno.EEXIST, errno.EBUSY, errno.ENOSYS)
"""Errors of network disks that do not rename; writing may work nevertheless."""


PRIVATE = 0o007
"""Permissions that are withheld from files with people's faces, or with what was read from them: those of others."""


@contextmanager
def atomic_path(target: str | Path, *, private: bool = False) -> Iterator[Path]:
    """Yield a temporary path next to ``target`` and rename it to ``target`` if the block succeeds.

    The temporary name keeps the target's suffix, for writers that choose a format by suffix. If the block fails, the
    temporary file is removed and an existing target stays unchanged.

    Args:
        target: the file.
        private: for files that show people's faces, or what was read from them: only the owner and the group may read
            the file, as far as the umask allows.

    Raises:
        InputError: the folder is not writable or the disk is full.
    """
    target = expand(target)
    temporary = _unfinished(target, target.suffix)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(0o600, exist_ok=False)
        yield temporary
        _allow(temporary, 0o666, private)  # after writing, because some writers replace the file
        _move_file(temporary, target)
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
def atomic_folder(target: str | Path, *, private: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder next to ``target`` and rename it to ``target`` if the block succeeds.

    If the block fails, the temporary folder is removed and an existing target stays unchanged. An interruption leaves
    the old folder or the new one, whole; the old one perhaps under a temporary name.

    Args:
        target: the folder, or a link to it.
        private: as for ``atomic_path``; it protects everything in the folder.

    Raises:
        InputError: the folder is not writable or the disk is full.
    """
    target = Path(os.path.realpath(expand(target)))
    temporary, old = _unfinished(target), _unfinished(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir(0o700)
        yield temporary
        _allow(temporary, 0o777, private)
        _exchange_folder(temporary, target, old)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, unless they exist, and check that files can be written to it.

    Raises:
        InputError: a file is in the way, or the location is not writable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder {path}: {error.strerror or error}; choose another one") from error
    try:
        try_writing(path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write to the folder {path}: {reason}; free space or choose another one") from error


def check_writable(target: Path) -> None:
    """Check up front that a file can be written, without changing anything: what takes long fails at once.

    Raises:
        InputError: it cannot.
    """
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        try_writing(target.parent)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another folder"
        ) from error


def refuse_replacing(target: Path, what: str, *inputs: Path) -> None:
    """Check up front that a file to be written is none of those that are read, under whatever name.

    Args:
        target: the file to be written.
        what: what the others are, for the message.
        inputs: files that are read.

    Raises:
        InputError: it is one of them.
    """
    if exists(target) and any(exists(path) and target.samefile(path) for path in inputs):
        raise InputError(f"{target} would replace {what}; choose another file")


def try_writing(folder: Path) -> None:
    """Write a file to a folder as ``atomic_path`` does, and remove everything that this made.

    Raises:
        OSError: that failed.
    """
    made: list[Path] = []
    temporary, written = (_unfinished(folder / "trial") for _ in range(2))
    try:
        made = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        temporary.touch(0o600, exist_ok=False)
        temporary.write_bytes(bytes(512))
        _move_file(temporary, written)
    finally:
        for path in (temporary, written):
            with suppress(OSError):
                path.unlink()
        for place in made:
            with suppress(OSError):
                place.rmdir()


def exists(path: Path) -> bool:
    """Whether something is at a path that may be seen; not at one that no disk takes, with a NUL or too long a name."""
    return os.path.exists(path)  # noqa: PTH110 (Path.exists fails for a long name, and in a folder not to be entered)


def is_file(path: Path) -> bool:
    """Whether a file is at a path that may be seen, see ``exists``."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether a folder is at a path that may be seen, see ``exists``."""
    return os.path.isdir(path)  # noqa: PTH112


def expand(path: str | Path) -> Path:
    """Return a path with a leading ``~`` or ``~user`` replaced by the home folder, unless it exists as it is.

    Raises:
        InputError: no disk takes the path: it or a name in it is too long, or has a NUL or half of a surrogate pair.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.files import expand
        >>> expand("~/clips") == Path.home() / "clips"
        True
    """
    path = Path(path)
    if not _is_possible(path):
        raise InputError(f"{str(path)[:80]!r} is not a path: a name is too long, or holds a NUL or half a character")
    if not str(path).startswith("~") or os.path.lexists(path):
        return path
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path.expanduser fails for a file such as ~backup.mp4)


def absolute(path: Path) -> Path:
    """Return an absolute path without ``..``; links before one are resolved, because they decide where it leads.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.files import absolute
        >>> absolute(Path("clips/../a.mp4")) == Path.cwd().resolve() / "a.mp4"
        True
    """
    return Path(os.path.realpath(path.parent)) / path.name if ".." in path.parts else path.absolute()


def _is_possible(path: Path) -> bool:
    """Whether a disk could take a path."""
    try:
        sizes = [len(os.fsencode(part)) for part in path.parts]
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return "\0" not in str(path) and max(sizes, default=0) <= LONGEST_NAME and sum(sizes) + len(sizes) <= LONGEST_PATH


def write_text(target: str | Path, text: str, *, private: bool = False) -> None:
    """Write ``text`` to ``target`` as UTF-8, whole or not at all; ``private`` as for ``atomic_path``.

    Raises:
        InputError: the folder is not writable or the disk is full.
    """
    write_pieces(target, [text], private=private)


def escape_bytes(text: str) -> str:
    """Return JSON text in which bytes of names that are not UTF-8, which are lone surrogates, are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_pieces(target: str | Path, pieces: Iterable[str], *, private: bool = False) -> None:
    """Write pieces of text to ``target`` as UTF-8, one after the other, whole or not at all.

    Names of files that are not UTF-8 keep their bytes. ``private`` as for ``atomic_path``.

    Raises:
        InputError: the folder is not writable or the disk is full.
    """
    with (
        atomic_path(target, private=private) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape") as file,
    ):
        file.writelines(pieces)


def _unfinished(target: Path, suffix: str = "") -> Path:
    """Return the path to write ``target`` at; known before anything is there, so an interruption leaves nothing."""
    return target.parent.absolute() / f"{PARTIAL}{secrets.token_hex(8)}{suffix}"


def _allow(path: Path, mode: int, private: bool) -> None:
    """Give a new file or folder its permissions, where the disk has any: FAT and many servers refuse."""
    with suppress(OSError):
        path.chmod(mode & ~_umask() & ~(PRIVATE if private else 0))


def _move_file(temporary: Path, target: Path) -> None:
    """Rename a file; where the disk refuses that, copy its content."""
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno not in RENAME_REFUSED or target.is_dir():
            raise
        _copy_file(temporary, target)


def _copy_file(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
        with suppress(OSError):
            shutil.copymode(source, target)
    except BaseException:
        if target.exists() and target.stat().st_size != source.stat().st_size:
            target.unlink()  # half a file must not look like a whole one
        raise


def _exchange_folder(temporary: Path, target: Path, old: Path) -> None:
    """Put a folder in the place of another, which is under the name ``old`` meanwhile."""
    if target.exists():
        if not target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
        _move_folder(target, old)
        shutil.rmtree(target, ignore_errors=True)  # where it was copied
    try:
        _move_folder(temporary, target)
    except BaseException:
        if old.exists() and not target.exists():
            _move_folder(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _move_folder(temporary: Path, target: Path) -> None:
    """Rename a folder; where the disk refuses that, copy its files."""
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno not in RENAME_REFUSED:
            raise
        try:
            for path in sorted((temporary, *temporary.rglob("*"))):
                copy = target / path.relative_to(temporary)
                copy.mkdir() if path.is_dir() else shutil.copyfile(path, copy)
                with suppress(OSError):
                    shutil.copymode(path, copy)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)  # half a folder must not look like a whole one
            raise


def _umask() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        return int(status.partition("\nUmask:")[2].split(maxsplit=1)[0], 8)
    except (OSError, IndexError):  # macOS returns it only when it is set
        current = os.umask(0o077)  # files that another thread makes meanwhile are private
        os.umask(current)
        return current


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not JSON, or is nested so deeply that reading it would exhaust the stack.

    Example:
        >>> from ifdd.files import parse_json
        >>> parse_json("[" * 100_000)
        Traceback (most recent call last):
        ...
        ValueError: it is nested too deeply
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 hash of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
