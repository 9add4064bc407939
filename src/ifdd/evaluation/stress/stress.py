"""Scores of a classifier on changed clips: one curve for each change, over its strengths."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.evaluation.bootstrap import CONFIDENCE, draw_weights, units_of
from ifdd.evaluation.groups.scores import RESAMPLES
from ifdd.evaluation.prediction import Classifier, Predictions, predict
from ifdd.evaluation.stress.paired import compare
from ifdd.evaluation.stress.transforms import SEED, STRESSES, Condition, apply_stress, conditions_of
from ifdd.records import ChangeRecord, StressCurve, StressPoint, StressRecord


class StressedClips(Dataset[tuple[Tensor, int]]):
    """Every clip of a dataset under every condition: all versions of the first clip, then those of the second.

    Args:
        clips: the clips, with training mode off.
        conditions: changes and strengths.
        seed: seed of the random changes.
    """

    def __init__(self, clips: ClipDataset, conditions: Sequence[Condition], seed: int = SEED) -> None:
        self.clips, self.conditions, self.seed = clips, tuple(conditions), seed
        self.clip_ids = tuple(sample.clip_id for sample in clips.samples for _ in self.conditions)
        """Name of the clip of each item."""
        self._last: tuple[int, tuple[Tensor, int]] | None = None  # consecutive items share a clip

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "views 3 time height width"], int]:
        """Return the views of a clip under a condition, and the index of its class."""
        place, number = divmod(index, len(self.conditions))
        if self._last is None or self._last[0] != place:
            self._last = place, self.clips[place]
        clip, target = self._last[1]
        views = clip if clip.ndim == 5 else clip[None]
        condition, clip_id = self.conditions[number], self.clip_ids[index]
        changed = [apply_stress(view.numpy(), condition, clip_id, which, self.seed) for which, view in enumerate(views)]
        return torch.from_numpy(np.stack(changed)), target


def check_stresses(names: Sequence[str], samples: Sequence[Sample]) -> None:
    """Check that clips can be changed: one without at least two frames has no order.

    Raises:
        InputError: a clip has one frame, and a change of the order is among the names.
    """
    temporal = [name for name in names if STRESSES[name].temporal]
    short = [sample.clip_id for sample in samples if sample.frames < 2]
    if temporal and short:
        others = ",".join(name for name, stress in STRESSES.items() if not stress.temporal)
        more = f" and {len(short) - 1} other clips have" if len(short) > 1 else " has"
        raise InputError(
            f"clip {short[0]!r}{more} one frame, whose order --stress {','.join(temporal)} cannot change; "
            f"remove such clips or give --stress {others}"
        )


def predict_stressed(
    classify: Classifier,
    clips: ClipDataset,
    names: Sequence[str],
    batch_size: int = 16,
    workers: int = 0,
    advance: Callable[[int], object] = lambda count: None,
    seed: int = SEED,
) -> Float32[np.ndarray, "conditions clips classes"]:
    """Return the probabilities of the clips under every condition of ``conditions_of``.

    Args:
        classify: the classifier, such as that of ``classifier_of``.
        clips: the clips, with training mode off.
        names: changes, each a name in ``STRESSES``.
        batch_size: clips per batch, and the maximum number of views in one call of the classifier.
        workers: worker processes that load and change clips.
        advance: called with the number of changed clips done, for a progress bar.
        seed: seed of the random changes.

    Raises:
        InputError: a clip is too short for a change or cannot be read, or a probability is not finite.
    """
    check_stresses(names, clips.samples)
    conditions = tuple(conditions_of(names))
    stressed = StressedClips(clips, conditions, seed)
    found = predict(classify, stressed, stressed.clip_ids, batch_size, workers, advance)
    return found.probabilities.reshape(len(clips), len(conditions), -1).swapaxes(0, 1)


def score_stressed(
    unchanged: Predictions,
    changed: Float32[np.ndarray, "conditions clips classes"],
    names: Sequence[str],
    samples: Sequence[Sample],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> StressRecord:
    """Return the scores of changed clips, and how they differ from those of the unchanged ones.

    Args:
        unchanged: predictions for the clips as they are.
        changed: probabilities of the changed clips from ``predict_stressed``.
        names: the changes.
        samples: the clips.
        resamples: number of resamples of the intervals.
        seed: seed of the resamples.
    """
    units = units_of([sample.clip_id for sample in samples], [sample.subject for sample in samples])
    weights = list(draw_weights(units.number, resamples, seed))

    def result(probabilities: np.ndarray) -> ChangeRecord:
        return compare(unchanged.probabilities, probabilities, unchanged.targets, units, weights)

    results = {condition: result(each) for condition, each in zip(conditions_of(names), changed, strict=True)}
    as_they_are = result(unchanged.probabilities)
    return StressRecord(
        war=as_they_are.war,
        uar=as_they_are.uar,
        curves=tuple(_curve(name, results) for name in names),
        clips=len(samples),
        seed=seed,
        level=CONFIDENCE,
        resampled=units.kind,
        resamples=resamples,
    )


def _curve(name: str, results: dict[Condition, ChangeRecord]) -> StressCurve:
    stress = STRESSES[name]
    points = tuple(StressPoint(strength, results[Condition(name, strength)]) for strength in stress.strengths)
    return StressCurve(name, stress.meaning, stress.unit, stress.neutral, points)
