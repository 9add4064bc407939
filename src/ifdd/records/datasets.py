"""What a dataset says of itself: ``prepare.json``, and what results say of their dataset."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ifdd.records.record import FileRecord, Record


@dataclass(frozen=True)
class FacesRecord(Record):
    """How ``ifdd prepare`` cropped the faces of a dataset."""

    folder: str
    """Name of the folder of the crops, beside the manifest."""
    size: int
    """Side of the crops in pixels."""
    detector: str
    """Name of the face detector."""
    clips: int
    """Number of clips that were cropped."""
    without_face: int
    """Number of clips in which no face was found, so that they show the middle of the frames."""
    several_people: int
    """Number of clips with more than one person."""
    frames_left_out: int
    """Number of frames that do not show the face."""


@dataclass(frozen=True)
class PackRecord(Record):
    """How ``ifdd prepare`` packed the frames of a dataset."""

    file: str
    """Name of the pack, beside the manifest."""
    sha256: str
    """Hash of the pack."""
    size: int | None
    """Pixels of the shorter side that larger frames were shrunk to; None keeps them as they are."""
    quality: int | None
    """JPEG quality of frames that had to be encoded, 1 to 100; None for uncompressed frames."""


@dataclass(frozen=True)
class LengthRecord(Record):
    """Frames of the clips of a dataset."""

    least: int
    """Frames of the shortest clip."""
    mean: float
    """Mean, rounded to two decimals."""
    most: int
    """Frames of the longest clip."""
    short: int
    """Number of clips that are shorter than the clip of a model."""


@dataclass(frozen=True)
class FindingRecord(Record):
    """One thing that a check found."""

    severity: str
    """note, wrong or refused."""
    message: str
    """What, where, remedy."""
    clip_id: str
    """Empty where it is not about one clip."""


@dataclass(frozen=True)
class CheckRecord(Record):
    """The outcome of one check of a dataset."""

    name: str
    """Name of the check."""
    question: str
    """What holds when the check passes."""
    verdict: str
    """ok, noted, wrong, refused or not checked."""
    reason: str
    """Why the check was not made; empty if it was."""
    findings: tuple[FindingRecord, ...]
    """Everything that it found."""


@dataclass(frozen=True)
class ExcludedRecord(Record):
    """A line of a dataset's lists that is not in the manifest."""

    clip_id: str
    """Empty for a line that cannot be understood."""
    subset: str
    """train, validation or test; empty for a line that cannot be understood."""
    fold: int
    """Number of the fold; 0 where there are none."""
    where: str
    """List and line."""
    reason: str
    """Why it was left out."""


@dataclass(frozen=True)
class PrepareRecord(FileRecord):
    """``prepare.json``: what ``ifdd prepare`` found in a dataset."""

    FILE: ClassVar[str] = "prepare.json"
    SCHEMA_VERSION: ClassVar[int] = 1

    dataset: str
    """dfew, ferv39k, mafw or folder."""
    synthetic: bool
    """Whether the tree is one that ``ifdd synth`` wrote."""
    root: str
    """Folder that was checked, as it was given."""
    options: dict[str, Any]
    """Options of the command that this dataset has."""
    manifest: str | None
    """Name of the manifest in the same folder; None if none was written."""
    faces: FacesRecord | None
    """None where the frames are as they are in the dataset."""
    pack: PackRecord | None
    """None where the frames are not packed."""
    label_set: str
    """Name of the label set, or "own"."""
    classes: tuple[str, ...]
    """Class names in the order of the label set."""
    frames: str
    """Which of the dataset's kinds of frames."""
    lists: tuple[str, ...]
    """Files that were read, relative to the root."""
    verdict: Literal["complete", "incomplete", "refused"]
    """The worst outcome of the checks: refused lists, wrong clips, or neither."""
    dataset_hash: str
    """Hash of the clips, labels, folds and subsets of the manifest."""
    clips: int
    """Number of different clips."""
    lines: int
    """Number of lines of the manifest."""
    length: LengthRecord
    """Frames of the clips."""
    counts: dict[str, dict[str, dict[str, int]]]
    """Fold -> subset -> class -> number of clips."""
    published: dict[str, dict[str, dict[str, int]]]
    """The published numbers in the same form; empty if there are none."""
    checks: tuple[CheckRecord, ...]
    """The outcome of every check."""
    excluded: tuple[ExcludedRecord, ...]
    """The lines of the lists that are left out."""


@dataclass(frozen=True)
class PreparedRecord(Record):
    """How a dataset was prepared, as the results on it repeat it."""

    dataset: str
    """dfew, ferv39k, mafw or folder."""
    frames: str
    """Which of the dataset's kinds of frames."""
    label_set: str
    """Name of the label set, or "own"."""
    faces: FacesRecord | None
    """How the faces were cropped; None where the frames are as they are in the dataset."""
    pack: PackRecord | None
    """How the frames were packed; None where they are not."""
    verdict: str
    """complete or incomplete."""
    excluded: int
    """Number of lines of the lists that were left out."""
    unchanged: bool
    """Whether the manifest still has the hash that was checked."""


@dataclass(frozen=True)
class DatasetRecord(Record):
    """The clips of a manifest, all folds together."""

    hash: str
    """Hash of clips, labels, folds and subsets."""
    synthetic: bool | None
    """Whether the faces are computer-generated; None where nothing says."""
    prepared: PreparedRecord | None
    """None where ``ifdd prepare`` did not write the manifest."""
