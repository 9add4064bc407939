"""What the commands wrote, read back: a training run, tests of its checkpoint, a cross-validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from ifdd.evaluation.predictions_file import ClipPredictions
from ifdd.records import CrossvalRecord, EvaluationRecord, GroupsRecord, PairsRecord, StressRecord, TrainingRecord


@dataclass(frozen=True)
class Series:
    """The values of one quantity over the epochs."""

    name: str
    """Name in the log, such as train/total."""
    epochs: tuple[int, ...]
    """Numbers of epochs, from 1."""
    values: tuple[float, ...]


@dataclass(frozen=True)
class Training:
    """A training run."""

    record: TrainingRecord
    series: tuple[Series, ...]
    """What was logged; empty if there is no log."""
    fold: int | None = None
    """Number of the fold; None if the dataset has no folds."""


@dataclass(frozen=True, eq=False)
class Tested:
    """An evaluation."""

    record: EvaluationRecord
    predictions: ClipPredictions | None
    """None if there is no ``predictions.csv``."""
    fold: int | None = None
    """Number of the fold; None if the dataset has no folds."""
    superseded: bool = False
    """Whether the training in the same folder has replaced the tested checkpoint, its best one, since."""


@dataclass(frozen=True, eq=False)
class Run:
    """A model, or the models of a recipe: everything that is known of it."""

    name: str
    """The path, as given."""
    trainings: tuple[Training, ...] = ()
    tests: tuple[Tested, ...] = ()
    crossval: CrossvalRecord | None = None
    """None if there are no folds; otherwise ``tests`` and ``trainings`` are those of the folds that are there."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the model where it is known."""
        if self.crossval is not None:
            return self.crossval.protocol.classes
        return self.tests[0].record.protocol.classes if self.tests else tuple(self.trainings[0].record.clips.draws)

    @property
    def confusion(self) -> Int64[np.ndarray, "targets predictions"] | None:
        """Confusion matrix of the tested clips, of all folds together; None if nothing was tested."""
        if self.crossval is not None:
            return np.array(self.crossval.pooled.confusion, np.int64)
        return np.array(self.tests[0].record.scores.confusion, np.int64) if self.tests else None

    @property
    def description(self) -> str:
        """Model and data in words; empty if they are not recorded."""
        if self.crossval is not None:
            name = self.crossval.protocol.name
            return f"{name.model} on {name.data}, cross-validation"
        if not self.tests:
            return "a training run without a test"
        trained = self.tests[0].record.protocol.checkpoint.description
        return trained.model_name + (f", trained on {trained.data}" if trained.data else "")

    @property
    def groups(self) -> tuple[GroupsRecord, ...]:
        """Results by group of a single test."""
        return () if self._single is None else self._single.groups or ()

    @property
    def stress(self) -> StressRecord | None:
        """Scores of a single test on changed clips, if it has any."""
        return None if self._single is None else self._single.stress

    @property
    def minimal_pairs(self) -> PairsRecord | None:
        """Results of a single test on minimal pairs, if it has any."""
        return None if self._single is None else self._single.pairs

    @property
    def _single(self) -> EvaluationRecord | None:
        return self.tests[0].record if self.tests and self.crossval is None else None

    @property
    def people_unreadable(self) -> bool:
        """Whether neither ``predictions.csv``, of an earlier version, nor the manifest says who is in some clip."""
        return any(test.predictions is not None and test.predictions.subjects is None for test in self.tests)

    @property
    def missing_predictions(self) -> bool:
        """Whether predictions of single clips are lacking for something that was tested."""
        expected = len(self.crossval.folds) if self.crossval is not None else len(self.tests)
        return not expected or sum(test.predictions is not None for test in self.tests) < expected


def outcomes(tests: Sequence[Tested]) -> dict[tuple[int | None, str], bool]:
    """Return (fold, clip) -> whether it was recognised, for all tests with predictions."""
    return {
        (test.fold, clip_id): bool(right)
        for test in tests
        if test.predictions is not None
        for clip_id, right in zip(test.predictions.clip_ids, test.predictions.right, strict=True)
    }


def people(tests: Sequence[Tested]) -> dict[tuple[int | None, str], str]:
    """Return (fold, clip) -> person, for all clips whose person is known."""
    return {
        (test.fold, clip_id): subject
        for test in tests
        if test.predictions is not None
        for clip_id, subject in zip(test.predictions.clip_ids, test.predictions.subjects or (), strict=False)
        if subject
    }
