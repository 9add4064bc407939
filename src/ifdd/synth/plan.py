"""Person, label and subset of each clip, which depend only on the seed and the clip's number."""

from typing import NamedTuple

import numpy as np

from ifdd.synth.config import SynthConfig
from ifdd.synth.identity import Identity, sample_identity

DFEW_COUNTS = {"happy": 489, "sad": 379, "neutral": 534, "angry": 435, "surprise": 294, "disgust": 29, "fear": 181}
"""Clips per class in DFEW's first test set."""

PLASTIC = 1.32471795724474602596
"""p: steps of 1/p and 1/p^2 fill the unit square evenly (M. Roberts, "The R2 sequence", 2018)."""


class ClipPlan(NamedTuple):
    """What is decided about a clip before it is rendered."""

    number: int
    clip_id: str
    label: str
    """Class name in the label set's spelling."""
    subset: str
    subject: str
    person: int
    """Number of the person, which determines the identity."""


def plan_clip(config: SynthConfig, seed: int, index: int) -> ClipPlan:
    """Return the plan of clip ``index``; consecutive clips cover classes and subsets evenly."""
    offset_label, offset_subset = np.random.default_rng([seed, 11]).random(2)
    classes = len(config.classes)
    if config.balance == "uniform":
        block, place = divmod(index, classes)
        target = int(np.random.default_rng([seed, 12, block]).permutation(classes)[place])
        quota = (offset_subset + block / PLASTIC + target / classes) % 1.0
    else:
        counts = np.array([DFEW_COUNTS[name] for name in config.emotions])
        share = (offset_label + index / PLASTIC) % 1.0
        target = int(np.searchsorted(np.cumsum(counts) / counts.sum(), share, side="right"))
        quota = (offset_subset + index / PLASTIC**2) % 1.0
    subset = _subset(config, quota)
    rng = np.random.default_rng([seed, 13, index])
    people = config.subset_people()
    first = {"train": 0, "validation": people["train"], "test": people["train"] + people.get("validation", 0)}[subset]
    person = first + int(rng.integers(people[subset]))
    return ClipPlan(index, f"{index:06d}", config.classes[target], subset, f"s{person:04d}", person)


def person_identity(seed: int, person: int, even_skin_tones: bool = False) -> Identity:
    """Return the identity of a person in the set with this seed."""
    return sample_identity(np.random.default_rng([seed, 14, person]), even_skin_tones)


def _subset(config: SynthConfig, quota: float) -> str:
    if quota < config.test:
        return "test"
    return "validation" if quota < config.test + config.validation else "train"
