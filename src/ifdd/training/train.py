"""``ifdd train``: a recipe becomes checkpoints."""

import errno
import json
import logging
import os
import pickle
import signal
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from ifdd.console import console
from ifdd.data.dataset import plain_input_error
from ifdd.data.labels import class_names
from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.evaluation.evaluate import SamplingConfig
from ifdd.evaluation.protocol import commit, describe_dataset, versions
from ifdd.files import write_text
from ifdd.model import IFDD, create_model, save_checkpoint
from ifdd.training.balance import logit_adjustment
from ifdd.training.callbacks import TrainingProgress, ValidationCheckpoints
from ifdd.training.checkpoint_io import WholeCheckpointIO
from ifdd.training.clips import ClipDataModule
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig
from ifdd.training.module import ClipClassifier
from ifdd.training.recipe import Recipe

RESUME_FILE = "resume.ckpt"
TRAINING_FILE = "training.json"
SCHEMA_VERSION = 1
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
    evaluation: SamplingConfig = SamplingConfig(),  # noqa: B008 (frozen)
    out: Path = Path("runs/ifdd"),
    resume: bool = False,
) -> None:
    """Train a model and keep its last and its best checkpoint.

    The best is chosen on validation clips: the manifest's validation subset or, where there is none, subjects
    held out of the training subset. The test subset is never read, unless run.selection says so.

    Args:
        data: The dataset.
        model: The model.
        optimization: The optimiser.
        augmentation: Augmentation of a clip, the same for all its frames.
        mixup: Mixing of the clips of a batch.
        run: Seeds and hardware.
        evaluation: How 'ifdd crossval' tests what was trained with this recipe; the training does not need it.
        out: Folder for best.safetensors, last.safetensors, recipe.yaml, training.json and logs (csv/, tensorboard/).
        resume: Go on with the training that was interrupted in the folder, if there is one.
    """
    train_recipe(Recipe(data, model, optimization, augmentation, mixup, run, evaluation), out, resume)


def train_recipe(recipe: Recipe, out: Path, resume: bool) -> None:
    """Train what a recipe says; a training that is done already stays as it is.

    Raises:
        InputError: the recipe does not fit the data, the folder holds another or a damaged training, or it holds one
            and ``resume`` is not given.
    """
    data, model, run = recipe.data, recipe.model, recipe.run
    dataset = describe_dataset(data.manifest)
    if is_first_process():
        known = known_training(recipe, out, dataset, resume)
        if known is not None and known["state"] == "done":
            _print_best(out, known["best"])
            return
    resume_from = _resume_point(out, resume)
    for engine in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(engine).setLevel(logging.WARNING)
    seed_everything(run.seed, verbose=False)
    classes = class_names(data.classes)
    network = create_model(model.preset, len(classes), model.ablation, model.weights, **model.overrides)
    clips = ClipDataModule(data, network.config, run.seed, run.selection)
    adjustment = logit_adjustment(clips.draws, recipe.optimization.logit_adjustment, classes)
    description = {
        "preset": model.preset,
        "data": data.name,
        "synthetic": data.synthetic or bool(dataset["synthetic"]),
        "dataset": dataset,
        "recipe": recipe.plain(),
        "versions": versions("ifdd", "torch", "lightning"),
        "commit": commit(),
    }

    def save(path: Path, trained: IFDD, epoch: dict[str, Any]) -> None:
        save_checkpoint(path, trained, classes, clips.clip_seconds, description | epoch)

    def note(epochs_done: int, best: dict[str, Any], state: str = "running") -> None:
        _write_training(out, state, epochs_done, recipe, dataset, clips, best)

    if is_first_process() and resume_from is None:
        recipe.write(out)
        note(0, {})
        console.print(_clips_line(clips), highlight=False, soft_wrap=True)
    checkpoints = ValidationCheckpoints(out, classes, run.select, run.selection, clips.selection_clips, save, note)
    progress = TrainingProgress(data.batch_size, run.selection)
    trainer = _trainer(out, recipe.optimization, run, checkpoints, progress)
    module = ClipClassifier(
        network,
        recipe.optimization,
        recipe.augmentation,
        recipe.mixup,
        data.batch_size,
        run.seed,
        clips.train.set_epoch,
        adjustment,
    )
    _fit(trainer, module, clips, resume_from)
    if trainer.is_global_zero:
        note(recipe.optimization.epochs, checkpoints.best, "done")
        _print_best(out, checkpoints.best)


def read_training(folder: Path) -> dict[str, Any] | None:
    """Return what ``training.json`` says of the training in a folder; None if there is none.

    ``{"schema_version": 1, "state": "running" or "done", "epoch": how many are done, "epochs": in all, "best": {} or
    {"epoch", "validation" or "test": {"war", "uar"}, "selection": in words, "chosen_on"}, "dataset": see
    ``describe_dataset``, "clips": {"train", "validation" or "test": those that chose, "unused", "draws": class -> how
    often an epoch draws it}}``.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / TRAINING_FILE
    if not file.exists():
        return None
    try:
        found = dict(json.loads(file.read_text(encoding="utf-8")))
        if found["schema_version"] == SCHEMA_VERSION and found["state"] in ("running", "done"):
            return found
    except (OSError, KeyError, TypeError, ValueError):
        pass
    raise InputError(f"{file} is damaged, so the training in {folder} cannot go on; choose another --out")


def _write_training(
    out: Path,
    state: str,
    epochs_done: int,
    recipe: Recipe,
    dataset: dict[str, Any],
    clips: ClipDataModule,
    best: dict[str, Any],
) -> None:
    draws = dict(zip(clips.train.classes, clips.draws.tolist(), strict=True))
    record = {
        "schema_version": SCHEMA_VERSION,
        "state": state,
        "epoch": epochs_done,
        "epochs": recipe.optimization.epochs,
        "best": best,
        "dataset": dataset,
        "clips": {
            "train": len(clips.train),
            clips.selection: len(clips.validation),
            "unused": clips.unused,
            "draws": draws,
        },
    }
    write_text(out / TRAINING_FILE, json.dumps(record, indent=2) + "\n")


def _clips_line(clips: ClipDataModule) -> str:
    unused = f"; {clips.unused} clips of the validation subset are not used" if clips.unused else ""
    absent = f"; none of these is {', '.join(clips.absent)}" if clips.absent else ""
    return (
        f"training on {len(clips.train)} clips, choosing the epoch on {len(clips.validation)} "
        f"({clips.selection_clips}){absent}{unused}"
    )


def _print_best(out: Path, best: dict[str, Any]) -> None:
    scores = best[best["chosen_on"]]
    console.print(
        f"{best['selection']}: WAR {scores['war']:.3f}, UAR {scores['uar']:.3f} (epoch {best['epoch']}) "
        f"-> {out / 'best.safetensors'}",
        highlight=False,
        soft_wrap=True,
    )


def known_training(recipe: Recipe, out: Path, dataset: dict[str, Any], resume: bool = True) -> dict[str, Any] | None:
    """Return what is known about the training in a folder, after checking that it may go on; None if there is none.

    Args:
        recipe: what is to be trained.
        out: the folder.
        dataset: what ``describe_dataset`` says of the clips.
        resume: whether to go on is what the user wants.

    Raises:
        InputError: it may not go on.
    """
    known = read_training(out)
    if not ((out / RESUME_FILE).exists() or (known is not None and known["state"] == "done")):
        return None  # nothing yet that could be lost
    if not resume:
        raise InputError(f"{out} holds a training already; add --resume true to go on, or choose another --out")
    recipe.check_same(out)
    if known is not None:
        _check_same_clips(known["dataset"], dataset, recipe.data.manifest, out)
    return known


def _check_same_clips(before: dict[str, Any], now: dict[str, Any], manifest: Path, out: Path) -> None:
    """Refuse other clips, or the same ones prepared in another way."""
    if before["hash"] != now["hash"]:
        changed = f"clips, labels or folds of {manifest} have changed"
    elif _frames(before) != _frames(now):
        changed = f"the frames of {manifest} are prepared in another way (kind of frames, faces or size)"
    else:
        return
    raise InputError(f"the training in {out} is of another dataset: since it began, {changed}; choose another --out")


def _frames(dataset: dict[str, Any]) -> dict[str, Any]:
    """Return what a description of a dataset says of the frames; packing alone does not change them."""
    prepared = dataset["prepared"] or {}
    found = {name: prepared.get(name) for name in ("dataset", "frames", "faces")}
    return found | {"size": (prepared.get("pack") or {}).get("size")}


def _resume_point(out: Path, resume: bool) -> Path | None:
    """Return the file to go on from, if there is one."""
    point = out / RESUME_FILE
    if not resume or not point.exists():
        return None
    try:
        torch.load(point, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"the training in {out} is damaged and cannot go on; choose another --out") from error
    return point


def is_first_process() -> bool:
    """Whether this is not one of the processes that Lightning starts for further devices."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


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
        except RuntimeError as error:
            if trainer.world_size == 1 or "by peer" not in str(error):  # how gloo says that a process is gone
                raise
            raise InputError(
                f"another of the {trainer.world_size} processes that train together has stopped and says why in a "
                "message of its own; when that is mended add --resume true"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise InputError(
                f"no space left on the disk for {trainer.default_root_dir}; free some and add --resume true"
            ) from error
