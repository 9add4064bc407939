"""What a person says about segments: another label, a comment. Kept beside the results, which stay unchanged."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ifdd.errors import InputError
from ifdd.files import file_sha256
from ifdd.inference.batch.search import CORRECTIONS
from ifdd.inference.results import UNCERTAIN, Results, Segment
from ifdd.records.record import FileRecord, Record

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

    FILE: ClassVar[str] = "NAME" + CORRECTIONS
    SCHEMA_VERSION: ClassVar[int] = 1

    result: str
    """Name of the file of results."""
    result_sha256: str
    """SHA-256 of that file when the newest of these corrections was made."""
    corrections: tuple[Correction, ...] = ()
    """One for each segment that was corrected or commented, by track, then by time."""
    earlier: tuple[Correction, ...] | None = None
    """Those of earlier results whose segments no longer exist."""

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
        return replace(self, corrections=tuple(sorted(others, key=lambda each: each.segment)))

    def fitted(self, results: Results) -> "Corrections":
        """Return the corrections for results that may have been written again since: what fits no segment is earlier.

        Example:
            >>> from ifdd.app.corrections import Correction, Corrections
            >>> from ifdd.inference import ModelInfo, Recognition, VideoInfo
            >>> video = VideoInfo("sea.mp4", frames=50, fps=25.0, duration_seconds=2.0, width=640, height=360)
            >>> model = ModelInfo("ifdd_tiny", 16, 96, 1.6, classes=("happy", "sad"), face_detector="haar")
            >>> none = Recognition(video, model, tracks=())
            >>> old = Corrections("sea.json", "", (Correction(1, 0.0, 2.5, "happy", corrected="sad"),)).fitted(none)
            >>> len(old.corrections), len(old.earlier)
            (0, 1)
        """
        labels = {place: segment.label for place, segment in _segments_of(results).items()}
        fitting = tuple(each for each in self.corrections if labels.get(each.segment) == each.label)
        others = tuple(each for each in self.corrections if labels.get(each.segment) != each.label)
        return replace(self, corrections=fitting, earlier=(*(self.earlier or ()), *others) or None)


def corrections_path(result: Path) -> Path:
    """Return the file with the corrections of results.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.app.corrections import corrections_path
        >>> corrections_path(Path("sea.json")).name
        'sea.corrections.json'
    """
    return result.with_name(result.stem + CORRECTIONS)


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


def save_correction(result: Path, load: Callable[[], Results], correction: Correction) -> Corrections:
    """Add a correction to those of results, and save them beside the results.

    Corrections are saved one by one, so those that another tab made in the meantime stay.

    Args:
        result: the file of results.
        load: reads it; called while no other correction is saved, so that its hash is that of what was read.
        correction: what the page sent; its label is replaced by that of its segment.

    Raises:
        InputError: the correction does not fit the results, the file of corrections is damaged, or the folder cannot be
            written to.
    """
    with _saving:
        sha256, results = file_sha256(result), load()
        new = _checked(correction, results)
        fitted = replace(load_corrections(result).fitted(results), result=result.name, result_sha256=sha256)
        saved = fitted.with_correction(new)
        saved.write(corrections_path(result), private=True)
    return saved


def _checked(sent: Correction, results: Results) -> Correction:
    """Return a correction as it is saved.

    Raises:
        InputError: the results lack the segment, the page does not offer the corrected label, or the comment is too
            long or holds half a character.
    """
    segment = _segments_of(results).get(sent.segment)
    if segment is None:
        raise InputError("these results have no such segment; reload the page")
    if sent.corrected is not None and sent.corrected not in {*results.classes, UNCERTAIN} - {segment.label}:
        raise InputError("the corrected label must be another label of these results; reload the page")
    comment = sent.comment or ""
    if len(comment) > LONGEST_COMMENT:
        raise InputError(f"the comment is longer than {LONGEST_COMMENT} characters; shorten it")
    try:
        comment.encode()
    except UnicodeEncodeError as error:
        raise InputError("the comment holds half a character; delete what looks damaged") from error
    return replace(sent, label=segment.label, comment=comment or None)


def _segments_of(results: Results) -> dict[tuple[int, float, float], Segment]:
    """Return track, start and end, which a correction names -> segment."""
    return {(each.track, each.start_seconds, each.end_seconds): each for each in results.segments}
