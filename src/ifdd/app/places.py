"""The folders that the page may read, and the private ones of a session."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ifdd.errors import InputError
from ifdd.files import expand, make_folder


@dataclass(frozen=True)
class Places:
    """Folders; whatever the page reads or writes lies in one of them, links followed."""

    session: Path
    """Private folder of this session, deleted at its end."""
    folder: Path | None = None
    """The user's videos; None if no folder was chosen."""
    kept_results: Path | None = None
    """Where the user wants results to be kept; None for a session whose results are not kept."""

    @property
    def results(self) -> Path:
        """Where results are written."""
        return self.kept_results or self.session / "results"

    @property
    def uploads(self) -> Path:
        """Where videos go that were dropped on the page."""
        return self.session / "uploads"

    @property
    def opened(self) -> Path:
        """Where results go that were dropped on the page, and where their corrections lie."""
        return self.kept_results or self.session / "opened"

    def confine(self, path: str | Path) -> Path | None:
        """Return where a path leads, links followed; None if that is outside of all folders.

        Example:
            >>> from pathlib import Path
            >>> from ifdd.app.places import Places
            >>> places = Places(Path("/tmp/session"))
            >>> places.confine("/tmp/session/../../etc/passwd") is None
            True
        """
        try:
            real = Path(os.path.realpath(expand(path)))
        except (InputError, OSError):
            return None
        roots = (self.session, self.folder, self.kept_results)
        inside = (real.is_relative_to(os.path.realpath(root)) for root in roots if root is not None)
        return real if any(inside) else None


@contextmanager
def open_places(folder: Path | None, results: Path | None) -> Iterator[Places]:
    """Check the chosen folders, and give them with a private folder that is deleted at the end.

    Args:
        folder: the user's videos, or None.
        results: where results are kept, or None.

    Raises:
        InputError: a folder does not exist, cannot be read or cannot be written to.
    """
    if folder is not None:
        _check_readable(folder)
    if results is not None:
        make_folder(results)
    session = Path(tempfile.mkdtemp(prefix="ifdd-app-"))  # readable by its owner only
    try:
        places = Places(session, folder, results)
        for path in (places.results, places.uploads, places.opened):
            path.mkdir(parents=True, exist_ok=True)
        yield places
    finally:
        shutil.rmtree(session, ignore_errors=True)


def _check_readable(folder: Path) -> None:
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except OSError as error:
        raise InputError(
            f"cannot read the folder {folder}: {error.strerror or error}; give a folder with videos"
        ) from error
