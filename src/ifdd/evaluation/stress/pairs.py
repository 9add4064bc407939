"""Results on minimal pairs: clips of one person and scene that differ in one known way.

A manifest of minimal pairs has the columns ``pair`` and ``condition``; ``ifdd synth --pairs`` writes one. The condition
of its first clip is the reference, which the other clips of a pair are compared with.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.evaluation.bootstrap import CONFIDENCE, draw_weights, units_of
from ifdd.evaluation.groups.scores import RESAMPLES
from ifdd.evaluation.prediction import Predictions
from ifdd.evaluation.stress.paired import compare
from ifdd.evaluation.stress.transforms import SEED
from ifdd.records import PairCondition, PairsRecord

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
    owners = {sample.attributes[PAIR].strip(): sample.subject for sample in samples}
    places_of = {pair: place for place, pair in enumerate(owners)}
    units = units_of(list(owners), list(owners.values()))
    weights = list(draw_weights(units.number, resamples, seed))
    conditions = []
    for condition, places in members.items():
        shared = [pair for pair in places if pair in members[reference]]
        before, after = (np.array([members[name][pair] for pair in shared]) for name in (reference, condition))
        result = compare(
            predictions.probabilities[before],
            predictions.probabilities[after],
            predictions.targets[after],
            units._replace(of_clip=units.of_clip[[places_of[pair] for pair in shared]]),
            weights,
        )
        conditions.append(PairCondition(condition, len(shared), result))
    return PairsRecord(
        reference=reference,
        pairs=len(owners),
        conditions=tuple(conditions),
        seed=seed,
        level=CONFIDENCE,
        resampled="subjects" if units.kind == "subjects" else "pairs",
        resamples=resamples,
    )
