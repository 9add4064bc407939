"""``ifdd evaluate``: a checkpoint is measured on the clips of a manifest, and the protocol is said aloud."""

import hashlib
import importlib.metadata
import platform
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ifdd.console import console, progress_bar
from ifdd.data.dataset import ClipDataset, ViewBatch, collate_views, plain_input_error
from ifdd.data.labels import canonical_label
from ifdd.data.manifest import Sample, read_manifest
from ifdd.data.sampling import describe_sampling
from ifdd.errors import InputError
from ifdd.evaluation.metrics import confusion_matrix, scores_from_confusion
from ifdd.evaluation.report import Evaluation, evaluation_tables, write_evaluation
from ifdd.model import IFDD, Checkpoint, choose_device, load_checkpoint


def evaluate(
    checkpoint: Path,
    manifest: Path,
    *,
    subset: Literal["train", "validation", "test"] = "test",
    fold: int | None = None,
    sampling: Literal["uniform_segments", "consecutive_clips", "spaced_clips", "random_clip"] = "uniform_segments",
    stride: int = 1,
    views: int = 2,
    crops: Literal[1, 2, 3] = 1,
    batch_size: int = 16,
    workers: int = 2,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    out: Path | None = None,
) -> None:
    """Measure a checkpoint: WAR, UAR, recall of each class and confusion matrix.

    The frames of each clip are chosen without randomness, so the result repeats.

    Args:
        checkpoint: The .safetensors file to measure.
        manifest: CSV file of the clips, as 'ifdd synth' writes it.
        subset: The part of the manifest to measure on.
        fold: Number of the cross-validation fold, from 1; needed where the manifest has several.
        sampling: Frames of a clip: uniform_segments takes the centre frame of each of equal segments of the video;
            consecutive_clips averages over the clips that follow one another; spaced_clips averages over clips at
            equal distances from the video's start to its end; random_clip takes the middle clip.
        stride: Step in frames within a clip; uniform_segments has none.
        views: Clips of a video, for spaced_clips alone.
        crops: Squares of each frame that is not square, averaged: 1 the centre, 2 both ends of its longer side, 3 all.
        batch_size: Clips that the model sees at once.
        workers: Processes that decode videos; 0 decodes in the main process.
        device: Where the model runs; auto takes a GPU if there is one.
        out: Folder for evaluation.json, evaluation.md and predictions.csv; none are written without it.
    """
    _check_numbers(stride=(stride, 1), views=(views, 1), batch_size=(batch_size, 1), workers=(workers, 0))
    loaded = load_checkpoint(checkpoint)
    samples = read_manifest(manifest, subset, fold)
    _check_folds(manifest, samples)
    _check_classes(checkpoint, loaded.classes, manifest, samples)
    config = loaded.model.config
    dataset = ClipDataset(
        samples,
        loaded.classes,
        config.frames,
        config.size,
        sampling=sampling,
        stride=stride,
        views=views,
        crops=crops,
    )
    model = loaded.model.to(choose_device(device))
    with progress_bar("clips") as bar:
        task = bar.add_task("evaluating", total=len(dataset))
        evaluation = evaluate_model(model, dataset, batch_size, workers, lambda count: bar.advance(task, count))
    protocol = describe_protocol(checkpoint, loaded, manifest, fold, dataset, evaluation)
    console.print(evaluation_tables(evaluation, protocol))
    if loaded.description.get("synthetic"):
        console.print("This checkpoint was trained on computer-generated faces.")
    if out is not None:
        write_evaluation(out, evaluation, protocol)
        console.print(f"Written to {out}: evaluation.json, evaluation.md, predictions.csv", highlight=False)


@torch.inference_mode()
def evaluate_model(
    model: IFDD,
    dataset: ClipDataset,
    batch_size: int = 16,
    workers: int = 0,
    advance: Callable[[int], object] = lambda count: None,
) -> Evaluation:
    """Let a model classify every clip of a dataset; the probabilities of a clip's views are averaged.

    Args:
        model: is put into evaluation mode and stays on its device.
        dataset: not in training mode; ``dataset.classes`` gives the order of the logits.
        batch_size: clips in a batch; where there are several views, the model still sees as many views at once.
        workers: processes that decode videos.
        advance: called with the number of clips done, for a progress bar.

    Raises:
        InputError: a video cannot be read, or the dataset and the model have different numbers of classes.
    """
    if len(dataset.classes) != model.config.num_classes:
        raise InputError(f"the model has {model.config.num_classes} classes, the data {len(dataset.classes)}")
    model.eval()
    loader = DataLoader(dataset, batch_size=batch_size, num_workers=workers, collate_fn=collate_views)
    probabilities, targets, views = [], [], []
    batch: ViewBatch
    try:
        for batch in loader:
            of_views = torch.cat([_classify(model, part) for part in batch.views.split(batch_size)])
            counts = batch.owners.bincount(minlength=len(batch.targets))
            sums = torch.zeros(len(counts), of_views.shape[1]).index_add(0, batch.owners, of_views)
            probabilities.append(sums / counts[:, None])
            targets.append(batch.targets)
            views.append(counts)
            advance(len(counts))
    except InputError as error:
        raise plain_input_error(error) from None
    mean, target = torch.cat(probabilities), torch.cat(targets)
    confusion = confusion_matrix(mean.argmax(1), target, len(dataset.classes))
    return Evaluation(
        scores=scores_from_confusion(confusion, dataset.classes),
        clip_ids=tuple(sample.clip_id for sample in dataset.samples),
        targets=target.numpy(),
        probabilities=mean.numpy(),
        views=torch.cat(views).numpy(),
    )


def describe_protocol(
    checkpoint: Path,
    loaded: Checkpoint,
    manifest: Path,
    fold: int | None,
    dataset: ClipDataset,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return everything that another person needs to repeat the measurement, as JSON can hold it.

    ``{"checkpoint": {"path", "sha256", "clip_seconds", "description"}, "manifest": {"path", "sha256"}, "classes": in
    the order of the logits, "subset", "fold": number or null, "clips": number, "sampling": {"name", "meaning",
    "frames": of a clip, "stride": or null, "temporal_views": or null, "crops", "size": pixels, "views": in all,
    "views_per_clip": [least, most], "average": over the views}, "seed": null, for nothing is drawn at random,
    "versions": {"ifdd", "torch", "python"}, "commit": of ifdd's checkout or null}``.
    """
    name = dataset.sampling
    return {
        "checkpoint": {
            "path": str(checkpoint),
            "sha256": _sha256(checkpoint),
            "clip_seconds": loaded.clip_seconds,
            "description": loaded.description,
        },
        "manifest": {"path": str(manifest), "sha256": _sha256(manifest)},
        "classes": list(dataset.classes),
        "subset": dataset.samples[0].subset,
        "fold": fold,
        "clips": len(dataset),
        "sampling": {
            "name": name,
            "meaning": describe_sampling(name, dataset.views, dataset.crops),
            "frames": dataset.clip_length,
            "stride": None if name == "uniform_segments" else dataset.stride,
            "temporal_views": dataset.views if name == "spaced_clips" else None,
            "crops": dataset.crops,
            "size": dataset.size,
            "views": int(evaluation.views.sum()),
            "views_per_clip": [int(evaluation.views.min()), int(evaluation.views.max())],
            "average": "probabilities",
        },
        "seed": None,
        "versions": {
            "ifdd": importlib.metadata.version("ifdd"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "commit": _commit(),
    }


def _classify(model: IFDD, views: Tensor) -> Tensor:
    """Return the probabilities (views, classes) of uint8 clips, on the CPU."""
    device = next(model.parameters()).device
    logits: Tensor = model(views.to(device).float() / 255).logits
    return logits.float().softmax(1).cpu()


def _check_numbers(**options: tuple[int, int]) -> None:
    """Refuse an option whose (value, smallest value) do not fit."""
    for name, (value, smallest) in options.items():
        if value < smallest:
            raise InputError(f"--{name} is {value}; it must be at least {smallest}")


def _check_folds(manifest: Path, samples: Sequence[Sample]) -> None:
    folds = sorted({sample.fold for sample in samples})
    if len(folds) > 1:
        raise InputError(
            f"{manifest} has the folds {', '.join(map(str, folds))}; choose the checkpoint's with --fold, "
            "for the test clips of one fold are training clips of the others"
        )


def _check_classes(checkpoint: Path, classes: Sequence[str], manifest: Path, samples: Sequence[Sample]) -> None:
    known = {canonical_label(name) for name in classes}
    missing = sorted({sample.label for sample in samples} - known)
    if missing:
        raise InputError(
            f"{manifest} has clips of {', '.join(missing)}, but {checkpoint} knows only {', '.join(classes)}; "
            "choose a checkpoint trained on this dataset's classes"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commit() -> str | None:
    """Return the commit of the checkout that this file is part of; None where ifdd is installed without one."""
    here = Path(__file__)
    try:
        tracked = subprocess.run(
            ["git", "ls-files", "--error-unmatch", here.name], cwd=here.parent, capture_output=True, check=False
        )
        if tracked.returncode:
            return None
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=here.parent,
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
