"""What a person says about segments: another label, a comment. Kept beside the results, which stay unchanged."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ifdd.errors import InputError
from ifdd.files import file_sha256
from ifdd.records.record import FileRecord, Record

ENDING = ".corrections.json"
"""End of the names of files with corrections, after the name of the results."""

LONGEST_COMMENT = 10_000
"""Characters of a comment."""


@dataclass(frozen=True)
class Correction(Record):
    """What a person says about one segment."""

    track: int
    """Id of the track."""
    start_seconds: float
    """Start of the segment, as in the results."""
    end_seconds: float
    """End of the segment."""
    label: str
    """Label in the results."""
    corrected: str | None = None
    """Label according to the person; None if the label is right."""
    comment: str | None = None
    """Comment; None if there is none."""

    @property
    def segment(self) -> tuple[int, float, float]:
        """What identifies the segment."""
        return self.track, self.start_seconds, self.end_seconds


@dataclass(frozen=True)
class Corrections(FileRecord):
    """The corrections of the results for one video."""

    FILE: ClassVar[str] = "NAME" + ENDING
    SCHEMA_VERSION: ClassVar[int] = 1

    result: str
    """Name of the file of results."""
    result_sha256: str
    """SHA-256 of that file when the oldest of these corrections was made."""
    corrections: tuple[Correction, ...] = ()
    """One for each segment that was corrected or commented, by track, then by time."""

    def with_correction(self, new: Correction) -> "Corrections":
        """Return the corrections with another one, in place of an earlier one of the segment; an empty one removes it.

        Example:
            >>> from ifdd.app.corrections import Correction, Corrections
            >>> none = Corrections("sea.json", "")
            >>> one = none.with_correction(Correction(1, 0.0, 2.5, "happy", corrected="surprise"))
            >>> one.corrections[0].corrected
            'surprise'
            >>> one.with_correction(Correction(1, 0.0, 2.5, "happy")) == none
            True
        """
        others = [each for each in self.corrections if each.segment != new.segment]
        if new.corrected is not None or new.comment is not None:
            others.append(new)
        return Corrections(self.result, self.result_sha256, tuple(sorted(others, key=lambda each: each.segment)))


def corrections_path(result: Path) -> Path:
    """Return the file with the corrections of results.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.app.corrections import corrections_path
        >>> corrections_path(Path("sea.json")).name
        'sea.corrections.json'
    """
    return result.with_name(result.stem + ENDING)


_saving = threading.Lock()


def load_corrections(result: Path) -> Corrections:
    """Return the corrections of results; empty if there are none.

    Raises:
        InputError: the file is damaged.
    """
    path = corrections_path(result)
    if not path.exists():
        return Corrections(result.name, file_sha256(result))
    return Corrections.load(path, "repair it, or move it away")


def save_correction(result: Path, correction: Correction) -> Corrections:
    """Add a correction to those of results, and save them beside the results.

    Corrections are saved one by one, so those that another tab made in the meantime stay.

    Raises:
        InputError: the comment is too long, the file is damaged, or the folder cannot be written to.
    """
    if len(correction.comment or "") > LONGEST_COMMENT:
        raise InputError(f"the comment is longer than {LONGEST_COMMENT} characters; shorten it")
    with _saving:
        old = load_corrections(result)
        made_for = old.result_sha256 if old.corrections else file_sha256(result)
        new = Corrections(result.name, made_for, old.corrections).with_correction(correction)
        new.write(corrections_path(result), private=True)
    return new
