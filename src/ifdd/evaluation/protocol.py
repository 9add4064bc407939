"""The protocol of a measurement: everything that another person needs to repeat it, or to know what it is worth."""

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Sample, dataset_hash, read_manifest
from ifdd.data.sampling import describe_sampling
from ifdd.errors import InputError
from ifdd.evaluation.report import Evaluation
from ifdd.files import file_sha256
from ifdd.model import Checkpoint, find_checkpoint


def describe_protocol(
    checkpoint: Path,
    loaded: Checkpoint,
    manifest: Path,
    described: dict[str, Any],
    fold: int | None,
    dataset: ClipDataset,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return everything that another person needs to repeat the measurement, as JSON can hold it.

    ``{"checkpoint": {"path", "sha256", "clip_seconds", "chosen_on": "validation", "test", "none" (the last epoch)
    or "not recorded", "seed": of its training or null, "description"}, "manifest": {"path", "sha256"}, "dataset":
    see ``describe_dataset``, "classes": in the order of the logits, "label_order": name of the label set that has
    it, "subset", "fold": number or null, "clips": number, "clips_used_for": see ``clips_used_for``, "sampling":
    {"name", "stride": or null, "temporal_views": or null, "crops", "meaning", "frames": of a clip, "size": pixels,
    "views": in all, "views_per_clip": [least, most], "average": over the views}, "seed": null, for the test draws
    nothing at random, "versions": {"ifdd", "torch", "python"}, "commit": of ifdd's checkout or null}``.

    Args:
        checkpoint: the file, or the name of one that ships with the package.
        loaded: what it holds.
        manifest: the table of clips.
        described: what ``describe_dataset`` says of it.
        fold: number of the fold that was asked for, if any.
        dataset: the clips that were measured.
        evaluation: the result.
    """
    description = loaded.description
    return {
        "checkpoint": {
            "path": str(checkpoint),
            "sha256": file_sha256(find_checkpoint(checkpoint)),
            "clip_seconds": loaded.clip_seconds,
            "chosen_on": description.get("chosen_on", "not recorded"),
            "seed": description.get("recipe", {}).get("run", {}).get("seed"),
            "description": description,
        },
        "manifest": {"path": str(manifest), "sha256": file_sha256(manifest)},
        "dataset": described,
        "classes": list(dataset.classes),
        "label_order": label_order(dataset.classes),
        "subset": dataset.samples[0].subset,
        "fold": fold,
        "clips": len(dataset),
        "clips_used_for": clips_used_for(description, described["hash"], dataset.samples),
        "sampling": {
            **sampling_options(dataset.sampling, dataset.stride, dataset.views, dataset.crops),
            "meaning": describe_sampling(dataset.sampling, dataset.views, dataset.crops),
            "frames": dataset.clip_length,
            "size": dataset.size,
            "views": int(evaluation.views.sum()),
            "views_per_clip": [int(evaluation.views.min()), int(evaluation.views.max())],
            "average": "probabilities",
        },
        "seed": None,
        "versions": versions("ifdd", "torch", "python"),
        "commit": commit(),
    }


def clips_used_for(description: Mapping[str, Any], dataset: str, samples: Sequence[Sample]) -> str:
    """Return what a training did with the clips that its checkpoint is measured on.

    Args:
        description: what the checkpoint says of itself.
        dataset: hash of the dataset that the clips are of.
        samples: clips of one subset and one fold.

    Returns:
        "training" (or all but those held out of it), "choosing the checkpoint", "nothing", or "not known" where the
        checkpoint is of another dataset or does not say of which. The fold's test clips count as "training" where the
        training was of another fold, for they are training clips there.
    """
    if description.get("dataset", {}).get("hash") != dataset:
        return "not known"
    subset = samples[0].subset
    trained = trained_fold(description)
    if subset == "train" or trained not in (None, samples[0].fold):
        return "training"
    return "choosing the checkpoint" if subset == description.get("chosen_on") else "nothing"


def trained_fold(description: Mapping[str, Any]) -> int | None:
    """Return the fold that a checkpoint was trained on; None where its dataset has none, or it does not say."""
    fold: int | None = description.get("recipe", {}).get("data", {}).get("fold")
    return fold


def sampling_options(name: str, stride: int, views: int, crops: int) -> dict[str, Any]:
    """Return the name of a test's sampling and its options, null where it does not have one."""
    return {
        "name": name,
        "stride": None if name == "uniform_segments" else stride,
        "temporal_views": views if name == "spaced_clips" else None,
        "crops": crops,
    }


def describe_dataset(manifest: Path) -> dict[str, Any]:
    """Return what is known about the clips of a manifest, all folds together.

    ``{"hash": of clips, labels, folds and subsets, "synthetic": true, false or null where nothing says, "prepared":
    null where ``ifdd prepare`` did not write the manifest, else {"dataset", "frames": which of the dataset's kinds,
    "label_set", "faces": null as they are, or {"size", "detector", "clips", "without_face", ...} of the crops, "pack":
    null or {"size", "quality", ...}, "verdict": "complete" or "incomplete", "excluded": lines of the lists left out,
    "unchanged": whether the manifest still has the hash that was checked}}``.

    Raises:
        InputError: the manifest, or prepare.json beside it, is damaged.
    """
    found = dataset_hash(read_manifest(manifest))
    path = manifest.parent / "prepare.json"
    unprepared = {"hash": found, "synthetic": _is_synthetic(manifest), "prepared": None}
    if not path.exists():
        return unprepared
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["manifest"] not in (None, manifest.name):
            return unprepared  # another manifest in the same folder
        prepared = {name: record[name] for name in ("dataset", "frames", "label_set", "faces", "pack", "verdict")}
        prepared["excluded"] = len(record["excluded"])
        prepared["unchanged"] = record["manifest"] is not None and record["dataset_hash"] == found
        return {"hash": found, "synthetic": bool(record["synthetic"]), "prepared": prepared}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error!r}); prepare the dataset anew") from error


def label_order(classes: Sequence[str]) -> str:
    """Return the name of the label set that has these classes in this order, or "its own"."""
    return next((name for name, names in LABEL_SETS.items() if names == tuple(classes)), "its own")


def versions(*names: str) -> dict[str, str]:
    """Return the versions of installed packages; "python" is the interpreter's."""
    return {name: platform.python_version() if name == "python" else importlib.metadata.version(name) for name in names}


def commit() -> str | None:
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


def _is_synthetic(manifest: Path) -> bool | None:
    """Return True beside the note of ``ifdd synth``; None where nothing says."""
    return True if (manifest.parent / "synth.json").exists() else None
