"""Results on minimal pairs: clips of one person and scene that differ in one known way.

A manifest of minimal pairs has the columns ``pair`` and ``condition``; ``ifdd synth --pairs`` writes one. The condition
of its first clip is the reference, which the other clips of a pair are compared with.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.evaluation.bootstrap import CONFIDENCE
from ifdd.evaluation.groups.scores import RESAMPLES, draw_weights
from ifdd.evaluation.prediction import Predictions
from ifdd.evaluation.stress.paired import compare
from ifdd.evaluation.stress.transforms import SEED
from ifdd.records import PairCondition, PairsRecord
from ifdd.records.dynamics import Resampled

PAIR, CONDITION = "pair", "condition"
"""Columns of a manifest of minimal pairs."""

Members = dict[str, dict[str, int]]
"""Condition -> pair -> index of the clip; the reference first."""


def pair_members(samples: Sequence[Sample], manifest: Path) -> Members:
    """Return which clip is which condition of which pair.

    Args:
        samples: the clips.
        manifest: path of their manifest, for messages.

    Raises:
        InputError: the columns are missing or empty, a pair has a condition twice, or no pair has two clips, one of
            them of the reference.
    """
    members: Members = {}
    for place, sample in enumerate(samples):
        pair, condition = (sample.attributes.get(name, "").strip() for name in (PAIR, CONDITION))
        if not pair or not condition:
            raise InputError(
                f"{manifest}: clip {sample.clip_id!r} has no {CONDITION if pair else PAIR}; --pairs needs a manifest "
                "with the columns pair and condition, such as that of 'ifdd synth --pairs'"
            )
        if pair in members.setdefault(condition, {}):
            first = samples[members[condition][pair]].clip_id
            raise InputError(
                f"{manifest}: the clips {first!r} and {sample.clip_id!r} are both {condition!r} of pair {pair!r}; "
                "keep one"
            )
        members[condition][pair] = place
    reference, *others = members
    alone = [condition for condition in others if not members[condition].keys() & members[reference].keys()]
    if alone or not others:
        which = f"no pair has clips of {reference!r} and {alone[0]!r}" if alone else f"all clips are {reference!r}"
        raise InputError(f"{manifest}: {which}; the first condition is compared with the others, pair by pair")
    return members


def evaluate_pairs(
    predictions: Predictions,
    samples: Sequence[Sample],
    manifest: Path,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> PairsRecord:
    """Return how the predictions differ between the clips of each pair.

    Args:
        predictions: the predictions for the clips.
        samples: the clips in the same order.
        manifest: path of their manifest, for messages.
        resamples: number of resamples of the intervals.
        seed: seed of the resamples.

    Raises:
        InputError: as ``pair_members``.
    """
    members = pair_members(samples, manifest)
    reference, *_ = members
    kind, unit_of = _units(samples)
    weights = draw_weights(len(set(unit_of.values())), resamples, seed)
    conditions = []
    for condition, places in members.items():
        shared = [pair for pair in places if pair in members[reference]]
        before, after = (np.array([members[name][pair] for pair in shared]) for name in (reference, condition))
        result = compare(
            predictions.probabilities[before],
            predictions.probabilities[after],
            predictions.targets[after],
            np.array([unit_of[pair] for pair in shared]),
            weights,
        )
        conditions.append(PairCondition(condition, len(shared), result))
    return PairsRecord(
        reference=reference,
        pairs=len(unit_of),
        conditions=tuple(conditions),
        seed=seed,
        level=CONFIDENCE,
        resampled=kind,
        resamples=resamples,
    )


def _units(samples: Sequence[Sample]) -> tuple[Resampled, dict[str, int]]:
    """Return what is resampled, and pair -> index of its unit: the subject where it is known."""
    known = any(sample.subject for sample in samples)
    owners = {sample.attributes[PAIR].strip(): (sample.subject, "") for sample in samples}
    names = {pair: owner if owner[0] else ("", pair) for pair, owner in owners.items()}
    places = {name: place for place, name in enumerate(dict.fromkeys(names.values()))}
    return "subjects" if known else "pairs", {pair: places[name] for pair, name in names.items()}
