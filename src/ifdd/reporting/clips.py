"""The hardest clips of a run as pictures, from the manifest of the test."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError
from ifdd.files import expand
from ifdd.records import Protocol
from ifdd.reporting.results import Run, Tested

FRAMES_SHOWN = 8
"""Most frames of a clip that are shown."""


class Hard(NamedTuple):
    """A clip to which the model gives a low probability of its true class."""

    clip_id: str
    target: str
    prediction: str
    probability: float
    """Of the true class."""
    confidence: float
    """Of the prediction."""
    test: Tested


class Shown(NamedTuple):
    """A clip as the model took it."""

    clip: UInt8[Tensor, "channels time height width"]
    """RGB."""

    @property
    def frames(self) -> UInt8[np.ndarray, "shown height width 3"]:
        """At most ``FRAMES_SHOWN`` frames, evenly spaced."""
        return self.clip[:, self.chosen].permute(1, 2, 3, 0).numpy()

    @property
    def chosen(self) -> list[int]:
        """Numbers of the shown frames, from 0."""
        length = self.clip.shape[1]
        return np.linspace(0, length - 1, min(FRAMES_SHOWN, length)).round().astype(int).tolist()


@dataclass
class Clips:
    """Reads the manifests of tests, each once.

    Args:
        manifest: a manifest to read instead of the one that a test names; None takes that one.
    """

    manifest: Path | None = None
    _known: dict[tuple[Path, str], Manifest | str] = field(default_factory=dict, init=False)

    def of(self, protocol: Protocol) -> Manifest | str:
        """Return the manifest of a test, or why its clips cannot be read."""
        path = expand(self.manifest or protocol.manifest.path)
        key = (path, protocol.dataset.hash)
        if key not in self._known:
            self._known[key] = _read(path, protocol)
        return self._known[key]

    def sample(self, protocol: Protocol, clip_id: str) -> Sample | str:
        """Return a clip of a test, or why it cannot be read."""
        manifest = self.of(protocol)
        if isinstance(manifest, str):
            return manifest
        fits = (sample for sample in manifest.samples if sample.clip_id == clip_id and sample.subset == protocol.subset)
        return next(fits, f"{manifest.path} has no clip {clip_id}")

    def with_people(self, run: Run) -> Run:
        """Return a run with the people of its manifests, where ``predictions.csv``, of an earlier version, has none."""
        return replace(run, tests=tuple(map(self._with_people, run.tests)))

    def _with_people(self, test: Tested) -> Tested:
        found = test.predictions
        if found is None or found.subjects is not None:
            return test
        manifest = self.of(test.record.protocol)
        if isinstance(manifest, str):
            return test
        known = {sample.clip_id: sample.subject for sample in manifest.samples}
        return replace(test, predictions=replace(found, subjects=tuple(known.get(each, "") for each in found.clip_ids)))


def hardest(run: Run, count: int) -> list[Hard]:
    """Return the clips with the lowest probability of their true class, the lowest first.

    Args:
        run: a run with predictions; without any, the list is empty.
        count: how many.
    """
    found = []
    for test in run.tests:
        if test.predictions is None:
            continue
        classes, predictions = test.record.protocol.classes, test.predictions
        shares = predictions.probabilities[np.arange(len(predictions.targets)), predictions.targets]
        for place in np.argsort(shares, kind="stable")[:count]:
            row = predictions.probabilities[place]
            names = (classes[predictions.targets[place]], classes[row.argmax()])
            found.append(Hard(predictions.clip_ids[place], *names, float(shares[place]), float(row.max()), test))
    return sorted(found, key=lambda hard: hard.probability)[:count]


def read_clip(sample: Sample, protocol: Protocol) -> Shown:
    """Read a clip as the test did; if it had several views, the middle one.

    Raises:
        InputError: the clip cannot be read any more.
    """
    how = protocol.sampling
    dataset = ClipDataset(
        [sample],
        [sample.label, f"not {sample.label}"],  # the target is not used, and there must be two classes
        how.frames,
        how.size,
        sampling=how.name,
        stride=how.stride or 1,
        views=how.temporal_views or 1,
        crops=how.crops,
        clock_fps=how.clock_fps,
    )
    clip = torch.as_tensor(dataset[0][0])
    return Shown(clip if clip.ndim == 4 else clip[len(clip) // 2])


def _read(path: Path, protocol: Protocol) -> Manifest | str:
    try:
        manifest = Manifest.read(path)
    except InputError as error:
        return f"their data cannot be read: {error}"
    if manifest.dataset_hash != protocol.dataset.hash:
        return f"{path} has other clips, labels or folds now than when they were tested"
    return manifest
