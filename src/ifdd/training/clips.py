"""Training and validation clips: their selection and their data loaders."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from lightning.pytorch import LightningDataModule
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import Tensor
from torch.utils.data import Dataset

from ifdd.data.action_units import action_unit_targets, check_action_units
from ifdd.data.clips import recipe_hash
from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import soft_label
from ifdd.data.manifest import Manifest, Sample
from ifdd.data.timing import clock_rate
from ifdd.errors import InputError
from ifdd.model import IFDDConfig, weight_of_each
from ifdd.training.action_units import WithActionUnits
from ifdd.training.balance import class_draws, drawn_order, plain_order
from ifdd.training.classes import check_trained, training_classes
from ifdd.training.config import DataConfig
from ifdd.training.engine.batches import Batches, ClipLoader, ForReading, Share, same_class
from ifdd.training.engine.unreadable import UnreadableClips

REPEATED = -1
"""Target of a clip that is never counted: it pads the last batches of several processes, or cannot be read."""


def hold_out(samples: Sequence[Sample], fraction: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Divide training samples into training and validation samples, by subject and with similar class shares.

    Each clip of an unknown subject counts as a separate subject.

    Args:
        samples: the training subset.
        fraction: share of the clips to hold out, to the nearest 1 / n, where n is at least 2.
        seed: seed of the shuffle.

    Returns:
        The training and the validation samples. A class is never held out as a whole.

    Raises:
        InputError: there are too few subjects, or too few clips in every class.
    """
    subjects = [sample.subject or f"clip {sample.clip_id}" for sample in samples]
    parts = max(2, round(1 / fraction))
    if len(set(subjects)) < parts:
        raise InputError(
            f"cannot hold out 1/{parts} of the training clips by subject: there are only {len(set(subjects))} "
            "subjects; raise data.validation_fraction or add a validation subset to the manifest"
        )
    # without shared subjects, groups would give the same result but take longer (16 s for FERV39k)
    alone = len(set(subjects)) == len(subjects)
    splitter = (StratifiedKFold if alone else StratifiedGroupKFold)(parts, shuffle=True, random_state=seed)
    labels = [sample.label for sample in samples]
    try:
        with warnings.catch_warnings():  # about a class with fewer clips than parts, which ClipDataModule.absent names
            warnings.filterwarnings("ignore", message="The least populated class")
            train, validation = next(splitter.split(np.zeros(len(samples)), labels, None if alone else subjects))
    except ValueError as error:
        raise InputError(
            f"cannot hold out 1/{parts} of {len(samples)} training clips by subject: every class is too small; "
            "raise data.validation_fraction or add a validation subset to the manifest"
        ) from error
    trained = {labels[index] for index in train}
    kept = [index for index in validation if labels[index] in trained]
    alone_in_class = [index for index in validation if labels[index] not in trained]
    if not kept:
        raise InputError(
            "cannot hold out training clips by subject: every class is that of one subject alone; add a validation "
            "subset to the manifest"
        )
    return (
        [samples[index] for index in sorted([*train, *alone_in_class])],
        [replace(samples[index], subset="validation") for index in kept],
    )


class ClipDataModule(LightningDataModule):
    """The data loaders of a training run.

    With the selection "validation", the manifest's validation subset selects the checkpoint or, if there is none, a
    part of the training subset held out by subject; the test subset is not read. With the selection "test", the test
    subset selects the checkpoint, and the whole training subset is used for training.

    For a model with action units, batches have their intensities as a third value. Clips that select the checkpoint
    need none.

    Args:
        config: selection and loading of the clips.
        manifest: the table of clips, ``config.manifest``.
        model: configuration with frames and size of the clips.
        seed: seed of every random choice.
        selection: subset that selects the checkpoint.
        share: how batches are divided among processes. Default: there is one process.

    Raises:
        InputError: the manifest lacks a subset, a label has no class, soft labels are on and no clip has votes, or the
            manifest lacks intensities of the model's action units.
    """

    def __init__(
        self,
        config: DataConfig,
        manifest: Manifest,
        model: IFDDConfig,
        seed: int,
        selection: Literal["validation", "test"] = "validation",
        share: Share | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.selection = selection
        self.share = share or Share(config.batch_size)
        self._first_epoch = self._batches_done = 0
        self._train_batches: Batches | None = None
        self._train_loader: ClipLoader | None = None
        self.classes = training_classes(config, manifest)
        """Class names in the order of the targets."""
        self.clock_fps = clock_rate((sample.fps for sample in manifest.samples), config.fps)
        """Ticks a second of the clock through which clips are sampled; clips of unknown rates count as clips of it."""
        samples = manifest.select(fold=config.fold)
        folds = sorted({sample.fold for sample in samples})
        if len(folds) > 1:
            raise InputError(
                f"{config.manifest} has the folds {', '.join(map(str, folds))}, which share clips; choose one with "
                "--data.fold"
            )
        self.fold = folds[0] or None
        """Number of the fold; None if the manifest has none."""
        train = _of_subset(samples, "train", config, manifest)
        validation = [sample for sample in samples if sample.subset == "validation"]
        self.unused = 0
        """Number of validation clips that are not used."""
        self.held_out: str | None = None
        """Hash of the ids of the clips held out of the training subset; None if none are."""
        if selection == "test":
            self.unused, validation = len(validation), _of_subset(samples, "test", config, manifest)
        elif not validation:
            train, validation = hold_out(train, config.validation_fraction, seed)
            self.held_out = recipe_hash(sorted(sample.clip_id for sample in validation))
        train = _where(train, config, manifest)
        check_trained(train, validation, manifest, config)
        self.train = self._dataset(train, model, seed, training=True)
        self.validation = self._dataset(validation, model, seed, training=False)
        self.unreadable = UnreadableClips({"train": train, selection: validation})
        """Clips that could not be read so far."""
        self.share.batches(len(train))  # refuses too few clips before the training begins
        sizes = np.bincount(self.train.targets, minlength=len(self.train.classes))
        weights = weight_of_each(config.class_weights or {}, self.train.classes, "data.class_weights")
        self.draws = class_draws(sizes, config.class_balance, len(train), weights)
        """Number of draws of each class in an epoch."""
        self._batches_of: Dataset[Any] = SoftLabels(self.train) if config.soft_labels else self.train
        self._intensities: Tensor | None = None
        if model.action_units:
            check_action_units(train, model.action_units, config.manifest)
            rows, self._intensities = (
                torch.from_numpy(action_unit_targets(clips, model.action_units, config.manifest))
                for clips in (train, validation)
            )
            self._batches_of = WithActionUnits(self._batches_of, rows)

    @property
    def clip_seconds(self) -> float:
        """The mean duration of a training clip in seconds."""
        if self.config.train_sampling == "uniform_segments":
            return float(np.mean([sample.seconds(self.clock_fps) for sample in self.train.samples]))
        return self.train.clip_length * self.config.stride / self.clock_fps

    @property
    def selection_clips(self) -> str:
        """The clips that select the checkpoint, in words for reports."""
        if self.selection == "test":
            return "the TEST clips themselves"
        trained = {sample.subject for sample in self.train.samples}
        validated = {sample.subject for sample in self.validation.samples}
        apart = "people" if "" not in validated and not trained & validated else "clips"
        return f"validation clips, {apart} not in training"

    @property
    def sha256(self) -> str:
        """Hash of the clips in their order, with their times and, if these are trained on, votes: what batches hold."""
        votes = self.config.soft_labels
        rows = [
            [[clip.clip_id, clip.fps, clip.durations, clip.votes if votes else ""] for clip in clips.samples]
            for clips in (self.train, self.validation)
        ]
        return recipe_hash(rows)

    @property
    def absent(self) -> list[str]:
        """Names of the classes without validation clips; they count neither in WAR nor in UAR."""
        found = set(self.validation.targets)
        return [name for index, name in enumerate(self.validation.classes) if index not in found]

    def begin_at(self, epoch: int, batches: int) -> None:
        """Let a resumed training begin in an epoch after so many batches of this process."""
        self._first_epoch, self._batches_done = epoch, batches

    def set_epoch(self, epoch: int) -> None:
        """Select the order of the clips and the random draws of an epoch, also in the loaders' workers."""
        self.train.set_epoch(epoch)
        if self._train_batches is not None:
            self._train_batches.epoch = epoch

    @property
    def seconds_waited(self) -> float:
        """Seconds that the training has waited for batches."""
        return 0.0 if self._train_loader is None else self._train_loader.waited

    def train_dataloader(self) -> ClipLoader:
        """Return the loader of training clips; their order depends only on seed and epoch.

        Every clip of the order is loaded once, by one of the processes. The engine calls this once.
        """
        self._train_batches = Batches(lambda epoch: self.share.of_order(self._order(epoch)))
        self.set_epoch(self._first_epoch)
        self._train_batches.first = self._batches_done
        targets = self.train.targets
        items = ForReading(self._batches_of, lambda index: same_class(targets, index))
        self._train_loader = self._loader(items, self._train_batches, "train")
        return self._train_loader

    def val_dataloader(self) -> ClipLoader:
        """Return the loader of the clips that select the checkpoint; each counts once for any number of processes.

        A clip that cannot be read does not count.
        """
        clips = self._with_intensities(FilledUp(self.validation, self.share.processes))
        mine = list(range(self.share.rank, len(clips), self.share.processes))  # type: ignore[arg-type]
        size = self.config.batch_size
        batches = Batches(lambda _: [mine[first : first + size] for first in range(0, len(mine), size)])
        return self._loader(ForReading(clips, lambda _: self._nothing), batches, self.selection)

    def _order(self, epoch: int) -> list[int]:
        """Return the indices of the clips of an epoch in order."""
        if self.config.class_balance or self.config.class_weights:
            order = drawn_order(self.train.targets, self.draws, self.train.seed, epoch)
        else:
            order = plain_order(len(self.train), self.train.seed, epoch)
        return [int(index) for index in order]

    @property
    def _nothing(self) -> tuple[Any, ...]:
        """What stands in for a clip that does not count."""
        clips = self.validation
        clip = torch.zeros(3, clips.clip_length, clips.size, clips.size, dtype=torch.uint8)
        unknown = [] if self._intensities is None else [torch.full_like(self._intensities[0], torch.nan)]
        return (clip, REPEATED, *unknown)

    def _dataset(self, samples: Sequence[Sample], model: IFDDConfig, seed: int, training: bool) -> ClipDataset:
        config = self.config
        return ClipDataset(
            samples,
            self.classes,
            model.frames,
            model.size,
            sampling=config.train_sampling if training else config.validation_sampling,
            stride=config.stride,
            training=training,
            seed=seed,
            clock_fps=self.clock_fps,
            synonyms=config.synonyms,
            cache=config.cache,
        )

    def _with_intensities(self, clips: "FilledUp") -> Dataset[Any]:
        """Add the intensities of action units, if the model has any, to the clips that select the checkpoint."""
        return clips if self._intensities is None else WithActionUnits(clips, self._intensities)

    def _loader(self, items: ForReading, batches: Batches, subset: str) -> ClipLoader:
        return ClipLoader(
            items,
            batches,
            self.config.workers,
            partial(self.unreadable.report, subset),
        )


def _of_subset(samples: Sequence[Sample], subset: str, config: DataConfig, manifest: Manifest) -> list[Sample]:
    chosen = [sample for sample in samples if sample.subset == subset]
    if not chosen:
        folds = sorted({sample.fold for sample in manifest.samples if sample.subset == subset})
        if folds:
            raise InputError(
                f"{config.manifest} has no {subset} clips in fold {config.fold}; choose a data.fold that has them: "
                f"{', '.join(map(str, folds))}"
            )
        raise InputError(
            f"{config.manifest} has no {subset} clips; give a manifest that has them: of your own clips, in "
            f"folders {subset}/happy, {subset}/sad, ... or with a column subset"
        )
    return chosen


def _where(samples: list[Sample], config: DataConfig, manifest: Manifest) -> list[Sample]:
    """Return the training clips that have the wanted values.

    Raises:
        InputError: the manifest has no such column, or no clip has the value.
    """
    for column, wanted in (config.train_where or {}).items():
        if column not in manifest.attributes:
            known = ", ".join(manifest.attributes) or "none"
            raise InputError(
                f"data.train_where names the column {column!r}; the further columns of {config.manifest} are {known}"
            )
        chosen = [sample for sample in samples if sample.attributes.get(column, "") == str(wanted)]
        if not chosen:
            values = sorted({sample.attributes.get(column, "") or "empty" for sample in samples})
            listed = ", ".join(values[:10]) + (", ..." if len(values) > 10 else "")
            raise InputError(
                f"data.train_where leaves no training clip of {config.manifest}: the column {column} has no "
                f"{wanted!r}, but {listed}; write values such as yes and 010 in quotes"
            )
        samples = chosen
    return samples


class SoftLabels(Dataset[tuple[Tensor, Tensor]]):
    """Clips with the distribution of the annotators' votes as target; without votes, the label's one-hot vector.

    Raises:
        InputError: no clip has votes, or a vote is for an emotion that is not a class.
    """

    def __init__(self, clips: ClipDataset) -> None:
        self.clips = clips
        if not any(sample.votes for sample in clips.samples):
            raise InputError(
                "data.soft_labels is on, but no training clip of the manifest has votes; switch it off, or prepare "
                "DFEW with its Annotation/annotation.csv, or CREMA-D"
            )
        rows = torch.eye(len(clips.classes))[clips.targets]
        for index, sample in enumerate(clips.samples):
            if sample.votes:
                rows[index] = torch.tensor(_soft_label(sample, clips))
        self.targets: Float[Tensor, "clips classes"] = rows

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "3 time height width"], Float[Tensor, " classes"]]:
        return self.clips[index][0], self.targets[index]


def _soft_label(sample: Sample, clips: ClipDataset) -> list[float]:
    try:
        return soft_label(sample.votes, clips.classes, clips.synonyms)
    except InputError as error:
        where = f"data.soft_labels: clip {sample.clip_id}, votes {sample.votes!r}"
        raise InputError(f"{where}: {error}; or switch data.soft_labels off") from error


class FilledUp(Dataset[tuple[Tensor, int]]):
    """Clips, padded with repetitions of the first clip until their number divides evenly by the number of processes.

    Data-parallel processes wait for one another at every batch and so need equally many clips. The repetitions have
    the target ``REPEATED``, so that no clip counts twice.
    """

    def __init__(self, clips: ClipDataset, processes: int) -> None:
        self.clips = clips
        self.length = -(-len(clips) // processes) * processes

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "3 time height width"], int]:
        return self.clips[index] if index < len(self.clips) else (self.clips[0][0], REPEATED)
