"""Training and validation clips: which samples, which loaders."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Sample, read_manifest
from ifdd.errors import InputError
from ifdd.model import IFDDConfig
from ifdd.training.config import DataConfig


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
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    labels = [sample.label for sample in samples]
    try:
        train, validation = next(splitter.split(np.zeros(len(samples)), labels, subjects))
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

    The validation clips are the manifest's validation subset or, where it has none, a part of the training
    subset held out by subject. The test subset is never touched.

    Raises:
        InputError: the manifest is damaged, or a label has no class.
    """

    def __init__(self, config: DataConfig, model: IFDDConfig, seed: int) -> None:
        super().__init__()
        self.config = config
        samples = read_manifest(config.manifest, fold=config.fold)
        folds = sorted({sample.fold for sample in samples})
        if len(folds) > 1:
            raise InputError(f"{config.manifest} has the folds {folds}, which share clips; choose one: --data.fold")
        train = [sample for sample in samples if sample.subset == "train"]
        validation = [sample for sample in samples if sample.subset == "validation"]
        if not validation:
            train, validation = hold_out(train, config.validation_fraction, seed)
        self.train = self._dataset(train, model, seed, training=True)
        self.validation = self._dataset(validation, model, seed, training=False)

    @property
    def clip_seconds(self) -> float:
        """The time that a clip spans on average, in seconds."""
        if self.config.train_sampling == "uniform_segments":
            frames = float(np.mean([sample.frames for sample in self.train.samples]))
        else:
            frames = self.train.clip_length * self.config.stride
        return frames / self.config.fps

    @property
    def validation_people(self) -> str:
        """What is known about the people of the validation clips, for reports."""
        trained = {sample.subject for sample in self.train.samples}
        validated = {sample.subject for sample in self.validation.samples}
        return "people not in training" if "" not in validated and not trained & validated else "clips not in training"

    def train_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Return training clips in an order that depends on seed and epoch alone; a short last batch is dropped."""
        assert self.trainer is not None
        self.train.set_epoch(self.trainer.current_epoch)
        order: DistributedSampler[tuple[Tensor, int]] = DistributedSampler(
            self.train, self.trainer.world_size, self.trainer.global_rank, shuffle=True, seed=self.train.seed
        )
        return self._loader(self.train, sampler=order, drop_last=len(order) >= self.config.batch_size)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Return the validation clips in order."""
        return self._loader(self.validation)

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

    def _loader(self, dataset: ClipDataset, **options: Any) -> DataLoader[tuple[Tensor, int]]:
        workers = self.config.workers
        return DataLoader(
            dataset,
            batch_size=self.config.batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            **options,
        )
