"""Records of a training run and its checkpoints: ``training.json`` and the metadata of a checkpoint."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

from ifdd.errors import InputError
from ifdd.records.datasets import DatasetRecord
from ifdd.records.licences import LicenceRecord, data_licence
from ifdd.records.record import FileRecord, Record, below, kinds_of, read_typed, read_value

NOT_RECORDED = "not recorded"
"""Text in reports for a value that a checkpoint does not record."""


@dataclass(frozen=True)
class SubsetScores(Record):
    """The scores of a model on one subset, 0 to 1."""

    war: float
    """Accuracy."""
    uar: float
    """Mean of the recalls of the classes that occur."""


@dataclass(frozen=True, kw_only=True)
class BestEpoch(Record):
    """The epoch of a checkpoint, with its scores on the clips that select the best epoch."""

    epoch: int
    """Number of the epoch, from 1."""
    validation: SubsetScores | None = None
    """Scores on the validation clips, if these select the epoch."""
    test: SubsetScores | None = None
    """Scores on the test clips, if these select the epoch."""
    selection: str
    """How the epoch was selected, in words."""
    chosen_on: Literal["validation", "test", "none"]
    """Clips that selected the epoch; none for the last epoch."""

    def __post_init__(self) -> None:
        """Check that the scores of exactly one subset are given."""
        if (self.validation is None) == (self.test is None):
            raise InputError(f"epoch {self.epoch} must have scores of either validation or test")

    @property
    def scores(self) -> SubsetScores:
        """Scores on the clips that select the epoch."""
        found = self.validation or self.test
        assert found is not None
        return found


@dataclass(frozen=True, kw_only=True)
class TrainingClips(Record):
    """Numbers of clips in a training run."""

    train: int
    """Number of training clips."""
    validation: int | None = None
    """Number of validation clips, if these select the epoch."""
    test: int | None = None
    """Number of test clips, if these select the epoch."""
    unused: int
    """Number of unused validation clips."""
    draws: dict[str, int]
    """Class, in the order of the logits -> number of draws per epoch."""
    sha256: str | None = None
    """Hash of the clips in their order, with their times and soft labels; None in files of earlier versions."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return tuple(self.draws)


@dataclass(frozen=True)
class TrainingRecord(FileRecord):
    """``training.json``: the state of a training run."""

    FILE: ClassVar[str] = "training.json"
    SCHEMA_VERSION: ClassVar[int] = 1

    state: Literal["running", "done"]
    """Whether all epochs are finished."""
    epoch: int
    """Number of finished epochs."""
    epochs: int
    """Total number of epochs."""
    best: BestEpoch | None
    """The best epoch so far; None before the first epoch, stored as {}."""
    dataset: DatasetRecord
    """The dataset at the start of the run."""
    software: "SoftwareRecord | None" = field(default=None, kw_only=True)
    """Versions, commit and command line of the newest start of the run; None in files of earlier versions."""
    start: "StartRecord | None" = field(default=None, kw_only=True)
    """What the run began with; None in files of earlier versions."""
    clips: TrainingClips
    """Numbers of clips."""
    extended_after: tuple[int, ...] | None = None
    """Numbers of epochs after which the run was given more epochs, and with them a longer schedule."""
    unreadable: dict[str, str] | None = None
    """Id of a clip that could not be read -> why. In training another clip took its place; in scores it did not
    count."""

    def __post_init__(self) -> None:
        """Check that a finished run has a best epoch."""
        if self.state == "done" and self.best is None:
            raise InputError("the training is done, but its best epoch is missing")

    def plain(self) -> dict[str, Any]:
        """Return the content of the file."""
        found = super().plain()
        return found | {"best": found["best"] or {}}

    @classmethod
    def parse(cls, values: object, path: str) -> "TrainingRecord":
        """Read the record; {} means that there is no best epoch yet."""
        given = read_typed(dict, values, path)
        return super().parse(given | ({"best": None} if given.get("best") == {} else {}), path)


@dataclass(frozen=True, kw_only=True)
class StartRecord(Record):
    """What a training run began with, so that it resumes without the file of its initial weights."""

    config: dict[str, Any]
    """Configuration of the network."""
    licences: tuple[LicenceRecord, ...]
    """Licences of the data that the initial weights were trained on."""
    started_from: str | None
    """The checkpoint that the run started from: its file and the beginning of its SHA-256."""
    earlier: "tuple[PastTraining, ...] | None"
    """Trainings of that checkpoint; None without one."""


@dataclass(frozen=True)
class SoftwareRecord(Record):
    """The software of a training run or an evaluation."""

    versions: dict[str, str]
    """Package -> version; "python" is the interpreter."""
    commit: str | None
    """Commit of ifdd's checkout; None if ifdd does not run from one."""
    command: str | None = None
    """Command line of the process, quoted for a shell; None where it is not recorded."""


@dataclass(frozen=True, kw_only=True)
class TimingRecord(Record):
    """How the clips of a training run were sampled in time."""

    fps: float
    """Ticks a second of the clock that the stride counts; where clips have this frame rate, a tick is a frame."""
    stride: int | None
    """Step between the frames of a clip in ticks; None if they are spread over the whole video."""
    sampling: str
    """Name of the sampling."""
    known: bool
    """Whether the manifest or the recipe states frame rates; otherwise fps is assumed."""


@dataclass(frozen=True, kw_only=True)
class MeasuredRecord(Record):
    """What a checkpoint reached on pictures of real people that it was not trained on."""

    pictures: str
    """What was read, in the plural, such as photographs."""
    count: int
    """Number of pictures."""
    classes: int
    """Number of classes that occur, among which the prediction was chosen."""
    accuracy: float
    """Share recognised."""
    interval: tuple[float, float]
    """Its 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class PastTraining(Record):
    """Clips that shaped a checkpoint's weights."""

    dataset: str
    """Hash of the dataset, all folds together."""
    fold: int | None
    """Fold of the training clips; None if the dataset has no folds, or if not recorded."""
    chosen_on: str | None
    """Clips that selected the epoch: validation, test or none (the last epoch); None if not recorded."""
    benchmark: str | None = None
    """Published benchmark that the dataset comes from; None for other clips, and in files of earlier versions."""
    partition: str | None = None
    """Name of the benchmark's folds, see ``DatasetRecord.partition``; None for other folds, and in files of earlier
    versions."""
    held_out: str | None = None
    """Hash of the training subset's clips that were held out for validation; None if none were, and in files of earlier
    versions."""

    def shares_source(self, dataset: DatasetRecord) -> bool:
        """Whether it was a training on a dataset, or on the same benchmark."""
        same_benchmark = self.benchmark is not None and self.benchmark == dataset.benchmark
        return self.dataset == dataset.hash or same_benchmark

    def may_know(self, dataset: DatasetRecord, fold: int | None) -> bool:
        """Whether a fold of the same benchmark with other labels, clips or folds may test clips of this training.

        Args:
            dataset: the tested dataset.
            fold: number of the tested fold; None if there are no folds.
        """
        if self.dataset == dataset.hash or not self.shares_source(dataset):
            return False
        return self.partition is None or (self.partition, self.fold) != (dataset.partition, fold)


@dataclass(frozen=True, kw_only=True)
class CheckpointRecord(Record):
    """The origin of a checkpoint's weights: the ``description`` in the metadata of its file.

    Every field is optional; null in the file means no value. Checkpoints from other tools may have other descriptions:
    values that fit no field are kept in ``extra`` and written back.
    """

    converted_from: str | None = None
    """Name of the official release's file that the weights were converted from."""
    preset: str | None = None
    """Name of the model."""
    data: str | None = None
    """Name of the training dataset."""
    synthetic: bool | None = None
    """Whether the training faces are computer-generated."""
    dataset: DatasetRecord | None = None
    """The training dataset."""
    licences: tuple[LicenceRecord, ...] | None = None
    """Licences of the training data, and of the data of the checkpoint that the training started from."""
    started_from: str | None = None
    """Checkpoint that the training started from: its file and the beginning of its SHA-256."""
    earlier: tuple[PastTraining, ...] | None = None
    """Trainings of the checkpoint that the training started from, the first one first; None without one, and in
    checkpoints of earlier versions."""
    timing: TimingRecord | None = None
    """How the training clips were sampled in time; None in checkpoints of earlier versions."""
    recipe: dict[str, Any] | None = None
    """Recipe of the training run as in YAML: group -> option -> value; see ``recipe_option``."""
    versions: dict[str, str] | None = None
    """Package -> version in the training run."""
    commit: str | None = None
    """Commit of ifdd's checkout in the training run."""
    extended_after: tuple[int, ...] | None = None
    """Numbers of epochs after which the training was given more epochs than it began with; the recipe has the last."""
    epoch: int | None = None
    """Number of the checkpoint's epoch, from 1."""
    validation: SubsetScores | None = None
    """Scores on the validation clips, if these select the epoch."""
    test: SubsetScores | None = None
    """Scores on the test clips, if these select the epoch."""
    selection: str | None = None
    """How the epoch was selected, in words."""
    chosen_on: str | None = None
    """Clips that selected the epoch: validation, test or none (the last epoch)."""
    held_out: str | None = None
    """Hash of the training subset's clips that were held out for validation; None if none were, and in checkpoints of
    earlier versions."""
    class_weights: dict[str, float] | None = None
    """What the probabilities of classes were multiplied by after the training, in the classifier's bias: class ->
    weight. None if by nothing."""
    measured: MeasuredRecord | None = None
    """What was measured on real people, of a checkpoint that was trained on computer-generated ones."""
    extra: dict[str, Any] = field(default_factory=dict)
    """All other keys of the file with their values."""

    def at(self, epoch: BestEpoch) -> "CheckpointRecord":
        """Return the record of a checkpoint that is saved at an epoch."""
        return replace(self, **{each.name: getattr(epoch, each.name) for each in fields(epoch)})

    def recipe_option(self, group: str, option: str) -> Any:
        """Return an option of the recipe, such as ("run", "seed"); None if it is not recorded."""
        options = (self.recipe or {}).get(group)
        return options.get(option) if isinstance(options, dict) else None

    @property
    def clock_fps(self) -> float | None:
        """Ticks a second that a stride counts; of earlier versions, the frame rate in the recipe. None if unknown."""
        if self.timing is not None:
            return self.timing.fps
        fps = self.recipe_option("data", "fps")
        return float(fps) if isinstance(fps, (int, float)) and fps > 0 else None

    @property
    def seed(self) -> int | None:
        """Seed of the training run; None if not recorded."""
        seed = self.recipe_option("run", "seed")
        return seed if isinstance(seed, int) else None

    @property
    def fold(self) -> int | None:
        """Fold of the training clips; None if the dataset has no folds, or if not recorded."""
        fold = self.recipe_option("data", "fold")
        return fold if isinstance(fold, int) else None

    @property
    def trainings(self) -> tuple[PastTraining, ...]:
        """All trainings that are recorded, each on other clips, this checkpoint's own last."""
        earlier = self.earlier or ()
        if self.dataset is None:
            return earlier
        own = PastTraining(
            dataset=self.dataset.hash,
            fold=self.fold,
            chosen_on=self.chosen_on,
            benchmark=self.dataset.benchmark,
            partition=self.dataset.partition,
            held_out=self.held_out,
        )
        return tuple(dict.fromkeys((*earlier, own)))

    def trainings_on(self, dataset: str) -> tuple[PastTraining, ...]:
        """Return the trainings on the dataset with this hash."""
        return tuple(training for training in self.trainings if training.dataset == dataset)

    @property
    def recipe_of_all_folds(self) -> dict[str, Any]:
        """The recipe with the fold null, which is the same for all folds of a cross-validation."""
        recipe = self.recipe or {}
        data = recipe.get("data")
        return recipe | {"data": (data if isinstance(data, dict) else {}) | {"fold": None}}

    @property
    def model_name(self) -> str:
        """Preset and ablation of the model."""
        preset, ablation = (self.recipe_option("model", name) for name in ("preset", "ablation"))
        return str(preset or self.preset or NOT_RECORDED) + (f" {ablation}" if ablation not in (None, "full") else "")

    @property
    def known_licences(self) -> tuple[LicenceRecord, ...]:
        """Licences of the training data; for older checkpoints, that of their dataset, whose id is "" if unknown."""
        if self.licences is not None:
            return self.licences
        known = None
        if self.dataset is not None:
            prepared = self.dataset.prepared
            known = self.dataset.licence or data_licence(prepared.dataset if prepared else None, self.dataset.synthetic)
        return (known or LicenceRecord(self.data or "training data", "", ""),)

    @property
    def software(self) -> SoftwareRecord:
        """Software of the training run."""
        return SoftwareRecord(self.versions or {}, self.commit)

    def plain(self) -> dict[str, Any]:
        """Return the JSON form, with the extra keys on the same level as the fields."""
        known = super().plain()
        del known["extra"]
        if self.versions is not None:
            known.setdefault("commit", None)  # a training run always records it, also if null
        return known | {name: value for name, value in self.extra.items() if name not in known}

    @classmethod
    def parse(cls, values: object, path: str) -> "CheckpointRecord":
        """Read the record; a value that does not fit its field is kept in ``extra``."""
        given = read_typed(dict, values, path)
        kinds = {name: kind for name, kind in kinds_of(cls).items() if name != "extra"}
        known: dict[str, Any] = {}
        for name in given.keys() & kinds.keys():
            try:
                known[name] = read_value(kinds[name], given[name], below(path, name))
            except InputError:
                continue  # another tool's key with the same name
        if given.get("synthetic"):
            known["synthetic"] = True  # also if it is not a boolean: the warning must not get lost
        extra = {name: value for name, value in given.items() if name not in known}
        return cls(**known, extra=extra)
