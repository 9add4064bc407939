"""``ifdd train``: a recipe becomes checkpoints."""

import errno
import logging
import os
import pickle
import signal
import warnings
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from ifdd.console import console
from ifdd.data.dataset import plain_input_error
from ifdd.data.labels import class_names
from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.files import write_text
from ifdd.model import IFDD, create_model, save_checkpoint
from ifdd.training.callbacks import TrainingProgress, ValidationCheckpoints
from ifdd.training.checkpoint_io import WholeCheckpointIO
from ifdd.training.clips import ClipDataModule
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig
from ifdd.training.module import ClipClassifier

RESUME_FILE = "resume.ckpt"
RECIPE_FILE = "recipe.yaml"
NOISE = (
    ".*does not have many workers.*",  # the recipe has settled it
    ".*exists and is not empty.*",  # a resumed training, checked already
    ".*treespec.*is deprecated.*",  # Lightning's own use of torch
    ".*persistent_workers.*",
)
"""Warnings of the engine that tell its user nothing."""


def train(
    *,
    data: DataConfig,
    model: ModelConfig = ModelConfig(),  # noqa: B008 (frozen)
    optimization: OptimizationConfig = OptimizationConfig(),  # noqa: B008 (frozen)
    augmentation: AugmentationConfig = AugmentationConfig(),  # noqa: B008 (frozen)
    mixup: MixupConfig = MixupConfig(),  # noqa: B008 (frozen)
    run: RunConfig = RunConfig(),  # noqa: B008 (frozen)
    out: Path = Path("runs/ifdd"),
    resume: bool = False,
) -> None:
    """Train a model and keep its last and its best checkpoint.

    The best is chosen on validation clips: the manifest's validation subset or, where there is none, subjects
    held out of the training subset. The test subset is never read.

    Args:
        data: The dataset.
        model: The model.
        optimization: The optimiser.
        augmentation: Augmentation of a clip, the same for all its frames.
        mixup: Mixing of the clips of a batch.
        run: Seeds and hardware.
        out: Folder for best.safetensors, last.safetensors, recipe.yaml and the logs (csv/, tensorboard/).
        resume: Go on with the training that was interrupted in the folder, if there is one.
    """
    recipe = _plain(
        {
            "model": asdict(model),
            "data": asdict(data),
            "optimization": asdict(optimization),
            "augmentation": asdict(augmentation),
            "mixup": asdict(mixup),
            "run": asdict(run),
        }
    )
    resume_from = _resume_point(out, recipe, resume)
    for engine in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(engine).setLevel(logging.WARNING)
    seed_everything(run.seed, verbose=False)
    classes = class_names(data.classes)
    network = create_model(model.preset, len(classes), model.ablation, model.weights, **model.overrides)
    clips = ClipDataModule(data, network.config, run.seed)
    description = {
        "preset": model.preset,
        "data": data.name,
        "synthetic": data.synthetic,
        "recipe": recipe,
        "versions": {name: version(name) for name in ("ifdd", "torch", "lightning")},
    }

    def save(path: Path, trained: IFDD, epoch: dict[str, Any]) -> None:
        save_checkpoint(path, trained, classes, clips.clip_seconds, description | epoch)

    if _is_first_process():
        write_text(out / RECIPE_FILE, yaml.safe_dump(recipe, sort_keys=False))
    checkpoints = ValidationCheckpoints(out, classes, run.select, clips.validation_people, save)
    trainer = _trainer(out, optimization, run, checkpoints, TrainingProgress(data.batch_size))
    module = ClipClassifier(
        network, optimization, augmentation, mixup, data.batch_size, run.seed, clips.train.set_epoch
    )
    _fit(trainer, module, clips, resume_from)
    if trainer.is_global_zero:
        console.print(
            f"best {run.select.upper()} on validation clips: {checkpoints.best_score:.3f} "
            f"(epoch {checkpoints.best_epoch}) -> {out / 'best.safetensors'}",
            highlight=False,
        )


def _resume_point(out: Path, recipe: dict[str, Any], resume: bool) -> Path | None:
    """Return the file to go on from, after checking that it belongs to the same recipe."""
    stored, point = out / RECIPE_FILE, out / RESUME_FILE
    if not point.exists() or not stored.exists():
        return None  # nothing yet that could be lost
    if not _is_first_process():
        return point if resume else None
    if not resume:
        raise InputError(f"{out} holds a training already; add --resume true to go on, or choose another --out")
    try:
        before = dict(yaml.safe_load(stored.read_text(encoding="utf-8")))
        torch.load(point, map_location="cpu", weights_only=True)
    except (OSError, TypeError, ValueError, yaml.YAMLError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"the training in {out} is damaged and cannot go on; choose another --out") from error
    changed = [
        f"{group}.{key}: {before.get(group, {}).get(key)!r} -> {value!r}"
        for group, values in recipe.items()
        for key, value in values.items()
        if before.get(group, {}).get(key) != value
    ]
    if changed:
        raise InputError(f"the training in {out} has another recipe ({'; '.join(changed)}); choose another --out")
    return point


def _is_first_process() -> bool:
    """Whether this is not one of the processes that Lightning starts for further devices."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _plain(value: Any) -> Any:
    """Return ``value`` with paths as strings and tuples as lists, as YAML holds it."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def _trainer(out: Path, optimization: OptimizationConfig, run: RunConfig, *callbacks: Callback) -> Trainer:
    resume_point = ModelCheckpoint(
        out, RESUME_FILE.removesuffix(".ckpt"), save_on_train_epoch_end=True, enable_version_counter=False
    )
    averaging = [] if optimization.ema_decay is None else [EMAWeightAveraging(decay=optimization.ema_decay)]
    try:
        return Trainer(
            accelerator=run.accelerator,
            devices=run.devices,
            default_root_dir=out,
            precision=optimization.precision,
            max_epochs=optimization.epochs,
            gradient_clip_val=optimization.gradient_clip,
            callbacks=[*callbacks, resume_point, *averaging],
            plugins=[WholeCheckpointIO()],
            logger=[CSVLogger(out, name="csv"), TensorBoardLogger(out, name="", version="tensorboard")],
            num_sanity_val_steps=0,
            enable_model_summary=False,
            log_every_n_steps=1,
        )
    except MisconfigurationException as error:
        raise InputError(f"run.accelerator {run.accelerator} with {run.devices} devices: {error}") from error


def _fit(trainer: Trainer, module: ClipClassifier, clips: ClipDataModule, resume_from: Path | None) -> None:
    """Run the training; an interruption reaches the caller as KeyboardInterrupt."""
    handler = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        for message in NOISE:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(module, datamodule=clips, ckpt_path=resume_from, weights_only=True)
        except SystemExit as stop:
            signal.signal(signal.SIGINT, handler)
            if trainer.interrupted:
                raise KeyboardInterrupt from stop
            raise
        except InputError as error:
            raise plain_input_error(error) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise InputError(
                f"no space left on the disk for {trainer.default_root_dir}; free some and add --resume true"
            ) from error
