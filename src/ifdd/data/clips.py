"""Shared by cropping and packing: distinct clips, and hashes that tell whether earlier output is still valid."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ifdd.data.manifest import Sample
from ifdd.errors import InputError


def distinct_clips(samples: Iterable[Sample]) -> dict[str, Sample]:
    """Return clip id -> its first sample, in order; the folds of a dataset repeat clips.

    Raises:
        InputError: one clip id stands for two paths.
    """
    clips: dict[str, Sample] = {}
    for sample in samples:
        first = clips.setdefault(sample.clip_id, sample)
        if first.path != sample.path:
            raise InputError(
                f"clip {sample.clip_id!r} is {first.path}, and also {sample.path}; give different clips different ids"
            )
    return clips


def recipe_hash(recipe: list[Any]) -> str:
    """Return the SHA-256 of everything that determines an output, as JSON; a different hash means: make it again."""
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
