"""Training and validation clips: which samples, which loaders."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from lightning.pytorch import LightningDataModule
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import soft_label
from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError
from ifdd.model import IFDDConfig
from ifdd.training.balance import BalancedSampler, class_draws
from ifdd.training.config import DataConfig

REPEATED = -1
"""Target of a clip that only fills up the last batches of several processes, and counts nowhere."""


def hold_out(samples: Sequence[Sample], fraction: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Divide training samples into training and validation, by subject and with similar class shares.

    Clips whose subject is unknown each count as a subject of their own.

    Args:
        samples: the training subset.
        fraction: share of the clips to hold out, approximately.
        seed: of the shuffle.

    Raises:
        InputError: there are too few subjects for the fraction.
    """
    subjects = [sample.subject or f"clip {sample.clip_id}" for sample in samples]
    parts = max(2, round(1 / fraction))
    if len(set(subjects)) < parts:
        raise InputError(
            f"cannot hold out {fraction:.0%} of the training clips by subject: there are only {len(set(subjects))} "
            "subjects; raise data.validation_fraction or add a validation subset to the manifest"
        )
    # without subjects to keep together the groups would change nothing but the time (16 s for FERV39k)
    alone = len(set(subjects)) == len(subjects)
    splitter = (StratifiedKFold if alone else StratifiedGroupKFold)(parts, shuffle=True, random_state=seed)
    labels = [sample.label for sample in samples]
    try:
        with warnings.catch_warnings():  # of a class of fewer clips than parts: ClipDataModule.absent names it
            warnings.filterwarnings("ignore", message="The least populated class")
            train, validation = next(splitter.split(np.zeros(len(samples)), labels, None if alone else subjects))
    except ValueError as error:
        raise InputError(
            f"cannot hold out {fraction:.0%} of {len(samples)} training clips by subject: every class is too small; "
            "raise data.validation_fraction or add a validation subset to the manifest"
        ) from error
    return (
        [samples[index] for index in train],
        [replace(samples[index], subset="validation") for index in validation],
    )


class ClipDataModule(LightningDataModule):
    """The loaders of a training.

    The clips that choose the checkpoint are the manifest's validation subset or, where it has none, a part of the
    training subset held out by subject; the test subset is then never touched. With the selection "test" they are the
    test subset, and all of the training subset is trained on.

    Args:
        config: how the clips are chosen and loaded.
        manifest: the table of clips, ``config.manifest``.
        model: frames and size of the clips.
        seed: of every random choice.
        selection: clips that choose the checkpoint.

    Raises:
        InputError: the manifest lacks a subset, a label has no class, or soft labels are wanted and there are no votes.
    """

    def __init__(
        self,
        config: DataConfig,
        manifest: Manifest,
        model: IFDDConfig,
        seed: int,
        selection: Literal["validation", "test"] = "validation",
    ) -> None:
        super().__init__()
        self.config = config
        self.selection = selection
        samples = manifest.select(fold=config.fold)
        folds = sorted({sample.fold for sample in samples})
        if len(folds) > 1:
            raise InputError(f"{config.manifest} has the folds {folds}, which share clips; choose one: --data.fold")
        train = _of_subset(samples, "train", config)
        validation = [sample for sample in samples if sample.subset == "validation"]
        self.unused = 0
        """Validation clips that nothing is done with."""
        if selection == "test":
            self.unused, validation = len(validation), _of_subset(samples, "test", config)
        elif not validation:
            train, validation = hold_out(train, config.validation_fraction, seed)
        self.train = self._dataset(train, model, seed, training=True)
        self.validation = self._dataset(validation, model, seed, training=False)
        sizes = np.bincount(self.train.targets, minlength=len(self.train.classes))
        self.draws = class_draws(sizes, config.class_balance, len(train))
        """How often an epoch draws each class."""
        self._batches_of: Dataset[Any] = SoftLabels(self.train) if config.soft_labels else self.train

    @property
    def clip_seconds(self) -> float:
        """The time that a clip spans on average, in seconds."""
        if self.config.train_sampling == "uniform_segments":
            frames = float(np.mean([sample.frames for sample in self.train.samples]))
        else:
            frames = self.train.clip_length * self.config.stride
        return frames / self.config.fps

    @property
    def selection_clips(self) -> str:
        """Which clips choose the checkpoint, for reports."""
        if self.selection == "test":
            return "the TEST clips themselves"
        trained = {sample.subject for sample in self.train.samples}
        validated = {sample.subject for sample in self.validation.samples}
        apart = "people" if "" not in validated and not trained & validated else "clips"
        return f"validation clips, {apart} not in training"

    @property
    def absent(self) -> list[str]:
        """Classes that none of the clips that choose the checkpoint has: they count neither in WAR nor in UAR."""
        found = set(self.validation.targets)
        return [name for index, name in enumerate(self.validation.classes) if index not in found]

    def train_dataloader(self) -> DataLoader[Any]:
        """Return training clips in an order that depends on seed and epoch alone; a short last batch is dropped."""
        assert self.trainer is not None
        self.train.set_epoch(self.trainer.current_epoch)
        replicas, rank = self.trainer.world_size, self.trainer.global_rank
        order: DistributedSampler[Any]
        if self.config.class_balance:
            balance, seed = self.config.class_balance, self.train.seed
            order = BalancedSampler(self.train, self.train.targets, balance, replicas, rank, seed)
        else:
            order = DistributedSampler(self.train, replicas, rank, shuffle=True, seed=self.train.seed)
        return self._loader(self._batches_of, sampler=order, drop_last=len(order) >= self.config.batch_size)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the clips that choose the checkpoint in order, each once, whatever the number of processes."""
        assert self.trainer is not None
        replicas = self.trainer.world_size
        clips = FilledUp(self.validation, replicas)
        order: DistributedSampler[Any] = DistributedSampler(clips, replicas, self.trainer.global_rank, shuffle=False)
        return self._loader(clips, sampler=order)

    def _dataset(self, samples: Sequence[Sample], model: IFDDConfig, seed: int, training: bool) -> ClipDataset:
        config = self.config
        return ClipDataset(
            samples,
            config.classes,
            model.frames,
            model.size,
            sampling=config.train_sampling if training else config.validation_sampling,
            stride=config.stride,
            training=training,
            seed=seed,
            cache=config.cache,
        )

    def _loader(self, dataset: Dataset[Any], **options: Any) -> DataLoader[Any]:
        workers = self.config.workers
        return DataLoader(
            dataset,
            batch_size=self.config.batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            **options,
        )


def _of_subset(samples: Sequence[Sample], subset: str, config: DataConfig) -> list[Sample]:
    chosen = [sample for sample in samples if sample.subset == subset]
    if not chosen:
        fold = "" if config.fold is None else f" in fold {config.fold}"
        raise InputError(f"{config.manifest} has no {subset} clips{fold}; give a manifest that has them")
    return chosen


class SoftLabels(Dataset[tuple[Tensor, Tensor]]):
    """Clips with the shares of the annotators' votes, by name, in place of the class; without votes the class alone.

    Raises:
        InputError: no clip has votes, or one of them is for an emotion that is no class.
    """

    def __init__(self, clips: ClipDataset) -> None:
        self.clips = clips
        if not any(sample.votes for sample in clips.samples):
            raise InputError(
                "data.soft_labels is on, but no training clip of the manifest has votes; switch it off, or prepare "
                "DFEW with its Annotation/annotation.csv"
            )
        rows = torch.eye(len(clips.classes))[clips.targets]
        for index, sample in enumerate(clips.samples):
            if sample.votes:
                rows[index] = torch.tensor(soft_label(sample.votes, clips.classes))
        self.targets: Float[Tensor, "clips classes"] = rows

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "3 time height width"], Float[Tensor, " classes"]]:
        return self.clips[index][0], self.targets[index]


class FilledUp(Dataset[tuple[Tensor, int]]):
    """Clips, and as many repetitions of the first one as several processes need to get equally many.

    Equally many, because processes that train together wait for one another at every batch; the repetitions have the
    target ``REPEATED``, so that no clip counts twice.
    """

    def __init__(self, clips: ClipDataset, processes: int) -> None:
        self.clips = clips
        self.length = -(-len(clips) // processes) * processes

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "3 time height width"], int]:
        return self.clips[index] if index < len(self.clips) else (self.clips[0][0], REPEATED)
