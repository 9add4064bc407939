"""What a training and its checkpoints say of themselves: ``training.json`` and the metadata of a checkpoint."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

from ifdd.errors import InputError
from ifdd.records.datasets import DatasetRecord
from ifdd.records.record import FileRecord, Record, below, kinds_of, read_typed, read_value

NOT_RECORDED = "not recorded"
"""What reports say where a checkpoint is silent."""


@dataclass(frozen=True)
class SubsetScores(Record):
    """The scores of a model on one subset, 0 to 1."""

    war: float
    """Accuracy."""
    uar: float
    """Mean of the recalls of the classes that occur."""


@dataclass(frozen=True, kw_only=True)
class BestEpoch(Record):
    """The epoch that a checkpoint was saved at. The scores are those of the clips that choose."""

    epoch: int
    """Number of the epoch, from 1."""
    validation: SubsetScores | None = None
    """Scores on the validation clips, if these choose."""
    test: SubsetScores | None = None
    """Scores on the test clips, if these choose."""
    selection: str
    """How the epoch was chosen, in words."""
    chosen_on: Literal["validation", "test", "none"]
    """Clips that chose the epoch; none for the last epoch."""

    def __post_init__(self) -> None:
        """Check that there are scores."""
        if (self.validation is None) == (self.test is None):
            raise InputError(f"epoch {self.epoch} must have the scores of either validation or test")

    @property
    def scores(self) -> SubsetScores:
        """Scores on the clips that choose."""
        found = self.validation or self.test
        assert found is not None
        return found


@dataclass(frozen=True, kw_only=True)
class TrainingClips(Record):
    """How many clips a training uses."""

    train: int
    """Clips that are trained on."""
    validation: int | None = None
    """Validation clips, if these choose the epoch."""
    test: int | None = None
    """Test clips, if these choose the epoch."""
    unused: int
    """Validation clips that are not used."""
    draws: dict[str, int]
    """Class -> how often an epoch draws it."""


@dataclass(frozen=True)
class TrainingRecord(FileRecord):
    """``training.json``: the state of a training."""

    FILE: ClassVar[str] = "training.json"
    SCHEMA_VERSION: ClassVar[int] = 1

    state: Literal["running", "done"]
    """Whether all epochs are done."""
    epoch: int
    """Number of epochs that are done."""
    epochs: int
    """Number of epochs in all."""
    best: BestEpoch | None
    """The best epoch yet; None, which the file writes as {}, before the first one."""
    dataset: DatasetRecord
    """The dataset when the training began."""
    clips: TrainingClips
    """How many clips it uses."""

    def __post_init__(self) -> None:
        """Check that a training that is done has a best epoch."""
        if self.state == "done" and self.best is None:
            raise InputError("the training is done, but its best epoch is missing")

    def plain(self) -> dict[str, Any]:
        """Return what the file holds."""
        found = super().plain()
        return found | {"best": found["best"] or {}}

    @classmethod
    def parse(cls, values: object, path: str) -> "TrainingRecord":
        """Read the record; {} stands for no best epoch."""
        given = read_typed(dict, values, path)
        return super().parse(given | ({"best": None} if given.get("best") == {} else {}), path)


@dataclass(frozen=True)
class SoftwareRecord(Record):
    """The software that a training or an evaluation ran with."""

    versions: dict[str, str]
    """Package -> version; "python" is the interpreter's."""
    commit: str | None
    """Commit of ifdd's checkout; None where ifdd is installed without one."""


@dataclass(frozen=True, kw_only=True)
class CheckpointRecord(Record):
    """Where the weights of a checkpoint come from: the ``description`` in the metadata of its file.

    Every field is optional, and a field that is null in the file has no value. Others may have described their
    checkpoints in their own way: whatever fits no field is kept in ``extra`` and written back.
    """

    converted_from: str | None = None
    """Name of the official release's file that the weights were converted from."""
    preset: str | None = None
    """Name of the model."""
    data: str | None = None
    """Name of the dataset that it was trained on."""
    synthetic: bool | None = None
    """Whether it was trained on computer-generated faces."""
    dataset: DatasetRecord | None = None
    """The dataset that it was trained on."""
    recipe: dict[str, Any] | None = None
    """The recipe of the training as YAML holds it: group -> option -> value. ``recipe_option`` looks into it."""
    versions: dict[str, str] | None = None
    """Versions of the packages that the training ran with."""
    commit: str | None = None
    """Commit of ifdd's checkout that the training ran with."""
    epoch: int | None = None
    """Number of the epoch that it was saved at, from 1."""
    validation: SubsetScores | None = None
    """Scores on the validation clips, if these choose the epoch."""
    test: SubsetScores | None = None
    """Scores on the test clips, if these choose the epoch."""
    selection: str | None = None
    """How the epoch was chosen, in words."""
    chosen_on: str | None = None
    """Clips that chose the epoch: validation, test or none (the last epoch)."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Key -> value of everything else that the file says."""

    def at(self, epoch: BestEpoch) -> "CheckpointRecord":
        """Return the record of the checkpoint that is saved at an epoch."""
        return replace(self, **{each.name: getattr(epoch, each.name) for each in fields(epoch)})

    def recipe_option(self, group: str, option: str) -> Any:
        """Return an option of the training's recipe, such as ("run", "seed"); None where it is not recorded."""
        options = (self.recipe or {}).get(group)
        return options.get(option) if isinstance(options, dict) else None

    @property
    def seed(self) -> int | None:
        """Seed of the training; None if not recorded."""
        seed = self.recipe_option("run", "seed")
        return seed if isinstance(seed, int) else None

    @property
    def fold(self) -> int | None:
        """Fold that it was trained on; None where the dataset has no folds, or if not recorded."""
        fold = self.recipe_option("data", "fold")
        return fold if isinstance(fold, int) else None

    @property
    def recipe_of_all_folds(self) -> dict[str, Any]:
        """The recipe with the fold null: what the trainings of a cross-validation have in common."""
        recipe = self.recipe or {}
        data = recipe.get("data")
        return recipe | {"data": (data if isinstance(data, dict) else {}) | {"fold": None}}

    @property
    def model_name(self) -> str:
        """Preset and ablation of the model."""
        preset, ablation = (self.recipe_option("model", name) for name in ("preset", "ablation"))
        return str(preset or self.preset or NOT_RECORDED) + (f" {ablation}" if ablation not in (None, "full") else "")

    @property
    def software(self) -> SoftwareRecord:
        """Versions and commit of the training."""
        return SoftwareRecord(self.versions or {}, self.commit)

    def plain(self) -> dict[str, Any]:
        """Return the record in the form of JSON, with the extra keys at the level of the others."""
        known = super().plain()
        del known["extra"]
        if self.versions is not None:
            known.setdefault("commit", None)  # a training says so where there is none
        return known | {name: value for name, value in self.extra.items() if name not in known}

    @classmethod
    def parse(cls, values: object, path: str) -> "CheckpointRecord":
        """Read the record; a value that does not fit its field is kept in ``extra``, for it may mean something else."""
        given = read_typed(dict, values, path)
        kinds = {name: kind for name, kind in kinds_of(cls).items() if name != "extra"}
        known: dict[str, Any] = {}
        for name in given.keys() & kinds.keys():
            try:
                known[name] = read_value(kinds[name], given[name], below(path, name))
            except InputError:
                continue  # somebody else's key of the same name
        if given.get("synthetic"):
            known["synthetic"] = True  # written in another way, but the warning must not get lost
        extra = {name: value for name, value in given.items() if name not in known}
        return cls(**known, extra=extra)
