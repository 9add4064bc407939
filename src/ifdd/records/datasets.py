"""Records of a dataset: ``prepare.json``, and the description of the dataset in results."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ifdd.records.licences import LicenceRecord, data_licence
from ifdd.records.record import FileRecord, Record

BENCHMARKS = ("dfew", "ferv39k", "mafw", "cremad", "ravdess")
"""The published benchmarks."""


@dataclass(frozen=True)
class FacesRecord(Record):
    """How ``ifdd prepare`` cropped the faces of a dataset."""

    folder: str
    """Folder of the crops, relative to that of prepare.json; in results, its name."""
    size: int
    """Side of the crops in pixels."""
    detector: str
    """Name of the face detector."""
    clips: int
    """Number of cropped clips."""
    without_face: int
    """Number of clips without a detected face; their crops show the centre of the frames."""
    several_people: int
    """Number of clips with more than one person."""
    frames_left_out: int
    """Number of frames that do not show the face."""
    alignment: str | None = None
    """landmarks if the faces were aligned by landmarks; None if they were cropped around their box."""
    interval_seconds: float | None = None
    """Time from one search for faces to the next, if it was chosen."""
    without_landmarks: int | None = None
    """Number of clips whose face should be aligned by landmarks, but has none; the crops follow its box."""
    detector_sha256: str | None = None
    """SHA-256 of the detector's model file, if it is not the public one."""


@dataclass(frozen=True)
class PackRecord(Record):
    """How ``ifdd prepare`` packed the frames of a dataset."""

    file: str
    """Name of the pack, next to the manifest."""
    sha256: str
    """SHA-256 of the pack."""
    size: int | None
    """Shorter side, in pixels, that larger frames were shrunk to; None if frames keep their size."""
    quality: int | None
    """JPEG quality of newly encoded frames, 1 to 100; None for uncompressed frames."""


@dataclass(frozen=True)
class RatesRecord(Record):
    """Frame rates of the clips of a dataset, in frames a second."""

    least: float
    median: float
    most: float
    uneven: int
    """Number of clips whose frames are not evenly spaced in time."""
    from_files: int
    """Number of clips with the times of their video files."""
    stated: int
    """Number of clips whose rate the user or the dataset states."""
    assumed: int
    """Number of clips whose rate is assumed."""
    unknown: int = 0
    """Number of clips without a rate in the manifest."""

    @property
    def clips(self) -> int:
        """Number of clips."""
        return self.from_files + self.stated + self.assumed + self.unknown

    @property
    def words(self) -> str:
        """The rates and their origin on one line."""
        each = f"{self.least:g}" if self.least == self.most else f"{self.least:g} to {self.most:g}"
        origins = {
            "from the files": self.from_files,
            "stated": self.stated,
            "ASSUMED": self.assumed,
            "ASSUMED, because the manifest has none": self.unknown,
        }
        named = [(words, count) for words, count in origins.items() if count]
        parts = [words if len(named) == 1 else f"{words} for {count}" for words, count in named]
        uneven = f"; {self.uneven} clips of uneven times" if self.uneven else ""
        return f"{each} frames a second, {', '.join(parts)}{uneven}"


@dataclass(frozen=True)
class LengthRecord(Record):
    """Lengths of the clips of a dataset."""

    least: int
    """Frames of the shortest clip."""
    mean: float
    """Mean number of frames, rounded to two decimals."""
    most: int
    """Frames of the longest clip."""
    short: int
    """Number of clips shorter than the input of a model."""


@dataclass(frozen=True)
class FindingRecord(Record):
    """One finding of a check."""

    severity: str
    """note, wrong or refused."""
    message: str
    """Problem, place and remedy."""
    clip_id: str
    """ID of the clip; empty if the finding does not concern a single clip."""


@dataclass(frozen=True)
class CheckRecord(Record):
    """The outcome of one check of a dataset."""

    name: str
    """Name of the check."""
    question: str
    """Condition under which the check passes."""
    verdict: str
    """ok, noted, wrong, refused or not checked."""
    reason: str
    """Why the dataset was not checked; empty if it was."""
    findings: tuple[FindingRecord, ...]
    """All findings."""


@dataclass(frozen=True)
class ExcludedRecord(Record):
    """A line of a dataset's lists that was left out of the manifest."""

    clip_id: str
    """ID of the clip; empty for a line that cannot be parsed."""
    subset: str
    """train, validation or test; empty for a line that cannot be parsed."""
    fold: int
    """Number of the fold; 0 if the dataset has no folds."""
    where: str
    """List and line."""
    reason: str
    """Why it was left out."""


@dataclass(frozen=True)
class PrepareRecord(FileRecord):
    """``prepare.json``: the result of ``ifdd prepare``."""

    FILE: ClassVar[str] = "prepare.json"
    SCHEMA_VERSION: ClassVar[int] = 1

    dataset: str
    """dfew, ferv39k, mafw, cremad, ravdess, folder or manifest."""
    synthetic: bool
    """Whether ``ifdd synth`` wrote the folder."""
    root: str
    """Checked folder, as given."""
    options: dict[str, Any]
    """Options of the command that apply to this dataset."""
    manifest: str | None
    """Name of the manifest in the same folder; None if none was written."""
    faces: FacesRecord | None
    """How the faces were cropped; None if they were not."""
    pack: PackRecord | None
    """How the frames were packed; None if they were not."""
    label_set: str
    """Name of the label set, or "own"."""
    classes: tuple[str, ...]
    """Class names in the order of the label set."""
    frames: str
    """Kind of frames that were used, such as clip_224x224."""
    lists: tuple[str, ...]
    """Files that were read, relative to the root."""
    verdict: Literal["complete", "incomplete", "refused"]
    """The worst outcome of the checks: no problems, wrong clips, or refused lists."""
    dataset_hash: str
    """Hash of the clips, labels, folds and subsets of the manifest."""
    clips: int
    """Number of distinct clips."""
    lines: int
    """Number of lines of the manifest."""
    length: LengthRecord
    """Lengths of the clips."""
    counts: dict[str, dict[str, dict[str, int]]]
    """Fold -> subset -> class -> number of clips."""
    published: dict[str, dict[str, dict[str, int]]]
    """Published counts in the same form; empty if there are none."""
    checks: tuple[CheckRecord, ...]
    """Outcomes of all checks."""
    excluded: tuple[ExcludedRecord, ...]
    """Lines of the lists that were left out."""
    licence: LicenceRecord | None = None
    """Licence of the dataset; None if unknown, as for your own clips."""
    rates: RatesRecord | None = None
    """Frame rates of the clips; None without clips, and in files of earlier versions."""
    source: str | None = None
    """Dataset that the clips of a manifest were first prepared as; None for other datasets, and in files of earlier
    versions."""
    relative_root: str | None = None
    """The root, relative to the folder of this file; None in files of earlier versions."""
    manifest_sha256: str | None = None
    """SHA-256 of the manifest as it was written; None without one, and in files of earlier versions."""

    @property
    def known_licence(self) -> LicenceRecord | None:
        """Licence of the dataset, also where the file is older than the field."""
        return self.licence or data_licence(self.dataset, self.synthetic)


@dataclass(frozen=True)
class PreparedRecord(Record):
    """How a dataset was prepared: the summary of ``prepare.json`` in results."""

    dataset: str
    """dfew, ferv39k, mafw, cremad, ravdess, folder or manifest."""
    frames: str
    """Kind of frames that were used, such as clip_224x224."""
    label_set: str
    """Name of the label set, or "own"."""
    faces: FacesRecord | None
    """How the faces were cropped; None if they were not."""
    pack: PackRecord | None
    """How the frames were packed; None if they were not."""
    verdict: str
    """complete or incomplete."""
    excluded: int
    """Number of lines of the lists that were left out."""
    unchanged: bool
    """Whether the manifest still has the hash in ``prepare.json``."""
    labels: str | None = None
    """CREMA-D: intended or votes; None for datasets with one kind of label."""
    source: str | None = None
    """As in ``prepare.json``: dataset that the clips of a manifest were first prepared as; its folds may be others."""


@dataclass(frozen=True)
class DatasetRecord(Record):
    """The clips of a manifest, all folds together."""

    hash: str
    """Hash of clips, labels, folds and subsets."""
    synthetic: bool | None
    """Whether the faces are computer-generated; None if unknown."""
    prepared: PreparedRecord | None
    """How the dataset was prepared; None if ``ifdd prepare`` did not write the manifest."""
    licence: LicenceRecord | None = None
    """Licence of the dataset; None if unknown."""
    rates: RatesRecord | None = None
    """Frame rates of the clips; None in files of earlier versions."""

    @property
    def benchmark(self) -> str | None:
        """The published benchmark that the clips come from; None for others, and for SynthDFER's in its layout."""
        name = None if self.prepared is None or self.synthetic else self.prepared.source or self.prepared.dataset
        return name if name in BENCHMARKS else None

    @property
    def partition(self) -> str | None:
        """Name of a benchmark's folds, where these still are its own; None for other folds.

        Two datasets with one partition have the same test clips, or people, in folds of the same number. Only MAFW's
        label sets have separate folds.
        """
        prepared = self.prepared
        if prepared is None or self.benchmark != prepared.dataset or not prepared.unchanged:
            return None
        return prepared.label_set if self.benchmark == "mafw" else self.benchmark

    @property
    def alignment(self) -> str:
        """How the faces are cropped, box or landmarks; without a record of ``ifdd prepare``, they count as box."""
        return (self.prepared and self.prepared.faces and self.prepared.faces.alignment) or "box"
