"""Does a model use dynamics? Scores on changed clips and on minimal pairs, for several models: results/dynamics.json.

Every model is tested on the same clips, as they are and under every change of ``ifdd evaluate --stress``, and on the
same minimal pairs, as ``ifdd synth --pairs`` writes them. A model of several seeds has several checkpoints: their
predictions are pooled, so its scores are means over the seeds, and the intervals draw people with the predictions of
all seeds. The predictions of each checkpoint are kept, so an interrupted run resumes, and models can be added later, as
long as the code is the same.

    ifdd synth runs/dynamics/pairs --pairs 200 --seed 1 --size 64 --test 0.35
    python benchmarks/dynamics.py 'full=runs/study/runs/full/visible_100/*/best.safetensors' \\
        'frame_average=runs/study/runs/frame_average/visible_100/*/best.safetensors' \\
        --manifest runs/study/clips/visible_100/manifest.csv --pairs runs/dynamics/pairs/manifest.csv \\
        --baselines configs/study.yaml
"""

import argparse
import json
import platform
import shlex
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from rich.table import Table

from ifdd.console import console, progress_bar
from ifdd.data.clips import recipe_hash
from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError, check_range
from ifdd.evaluation.prediction import Predictions, classifier_of, predict
from ifdd.evaluation.protocol import running_software
from ifdd.evaluation.stress.pairs import PAIR, evaluate_pairs, pair_members
from ifdd.evaluation.stress.stress import check_stresses, predict_stressed, score_stressed
from ifdd.evaluation.stress.transforms import chosen_stresses, conditions_of
from ifdd.files import atomic_path, check_writable, file_sha256, write_text
from ifdd.model import choose_device, find_checkpoint, load_checkpoint
from ifdd.model.inspection.measuring import device_name
from ifdd.records import StressRecord
from ifdd.training.study.baselines import register_baselines

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.source import code_sha256

PACKAGES = ("ifdd", "torch", "opencv-python-headless", "python")
"""What predictions may depend on besides the code."""


class Model(NamedTuple):
    """A model as the pages call it, with a checkpoint for each seed."""

    name: str
    checkpoints: tuple[str, ...]


class Clips(NamedTuple):
    """What every model is tested on."""

    manifest: Manifest
    samples: list[Sample]
    pairs_manifest: Manifest | None
    pairs: list[Sample]
    stresses: tuple[str, ...]

    @property
    def per_checkpoint(self) -> int:
        """Number of clips, changed ones included, that a checkpoint is tested on."""
        return len(self.samples) * (1 + len(list(conditions_of(self.stresses)))) + len(self.pairs)

    def key(self, checkpoint: str) -> str:
        """Return a name for the predictions of a checkpoint: the hash of all that they depend on."""
        manifests = [self.manifest.sha256, self.pairs_manifest.sha256 if self.pairs_manifest else None]
        clips = [sample.clip_id for sample in self.samples]
        weights = file_sha256(find_checkpoint(checkpoint))
        code = [code_sha256(), running_software(*PACKAGES).versions]
        return recipe_hash([weights, manifests, clips, list(conditions_of(self.stresses)), code])


class Answers(NamedTuple):
    """The predictions of one checkpoint."""

    unchanged: Predictions
    changed: np.ndarray
    """Probabilities (conditions, clips, classes)."""
    pairs: Predictions | None
    seconds: float
    """How long they took, in an earlier run if they were kept."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="NAME=CHECKPOINT or NAME='PATTERN' for several seeds, or CHECKPOINT")
    parser.add_argument("--manifest", type=Path, required=True, help="clips to change")
    parser.add_argument("--pairs", type=Path, help="manifest of minimal pairs")
    parser.add_argument("--stress", default="all", help="changes, separated by commas")
    parser.add_argument("--subset", default="test")
    parser.add_argument("--baselines", type=Path, help="YAML file of a study whose backbones the checkpoints may have")
    parser.add_argument("--work", type=Path, default=Path("runs/dynamics/predictions"), help="for resuming")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("results/dynamics.json"))
    options = parser.parse_args()
    try:
        run(options)
    except InputError as error:
        print(f"dynamics: {error}", file=sys.stderr)
        sys.exit(2)


def run(options: argparse.Namespace) -> None:
    """Test all models and write the result.

    Raises:
        InputError: a checkpoint does not exist, or clips and models do not fit.
    """
    check_writable(options.out)
    check_range("--batch-size", options.batch_size, at_least=1)
    check_range("--workers", options.workers, at_least=0)
    device, models = choose_device(options.device), find_models(options.models)
    if options.baselines:
        register_baselines(read_baselines(options.baselines))
    clips = read_clips(options.manifest, options.pairs, options.subset, chosen_stresses(options.stress))
    rows = []
    with progress_bar("clips") as bar:
        total = clips.per_checkpoint * sum(len(model.checkpoints) for model in models)
        task = bar.add_task("dynamics", total=total)
        for model in models:
            bar.update(task, description=model.name)
            rows.append(test(model, clips, device, options, lambda count: bar.advance(task, count)))
    report = {
        "command": shlex.join(["python", "benchmarks/dynamics.py", *sys.argv[1:]]),
        "machine": {"device": device_name(device), "system": platform.system(), "processor": platform.machine()},
        **running_software(*PACKAGES).plain(),
        "seconds": round(sum(each["seconds"] for row in rows for each in row["checkpoints"]), 1),
        "clips": describe(clips.manifest, clips.samples),
        "pairs": describe(clips.pairs_manifest, clips.pairs) if clips.pairs_manifest else None,
        "models": rows,
    }
    write_text(options.out, json.dumps(report, indent=1) + "\n")
    console.print(summary(rows))


def find_models(words: Sequence[str]) -> list[Model]:
    """Return the models in words such as ``full=runs/full/*/best.safetensors``.

    Raises:
        InputError: no checkpoint matches, or two models have one name.
    """
    models: dict[str, Model] = {}
    for word in words:
        name, equals, pattern = word.partition("=")
        if not equals:
            name, pattern = Path(word).stem, word
        anchor = Path(pattern).anchor
        found = sorted(map(str, Path(anchor).glob(pattern.removeprefix(anchor)))) if "*" in pattern else [pattern]
        missing = [each for each in found if not find_checkpoint(each).is_file()]
        if missing or not found:
            raise InputError(f"no checkpoint is called {pattern}; correct the path")
        if name in models:
            raise InputError(f"two models are called {name}; name them, as in full={pattern}")
        models[name] = Model(name, tuple(found))
    return list(models.values())


def read_baselines(study: Path) -> Any:
    """Return the backbones of a study that are not part of the package: name -> builder."""
    try:
        return yaml.safe_load(study.read_text(encoding="utf-8"))["baselines"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(f"{study} names no baselines ({error}); give the configuration of the study") from error


def read_clips(manifest: Path, pairs: Path | None, subset: str, stresses: tuple[str, ...]) -> Clips:
    """Read the clips, and check what can be checked before any model runs."""
    table = Manifest.read(manifest)
    samples = table.select(subset)
    check_stresses(stresses, samples)
    pairs_table = Manifest.read(pairs) if pairs else None
    of_pairs = pairs_table.select("test") if pairs_table else []
    if pairs_table:
        pair_members(of_pairs, pairs_table.path)
    return Clips(table, samples, pairs_table, of_pairs, stresses)


def describe(manifest: Manifest, samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "manifest": str(manifest.path),
        "sha256": manifest.sha256,
        "dataset_hash": manifest.dataset_hash,
        "clips": len(samples),
        "subjects": len({sample.subject for sample in samples}),
    }


def test(
    model: Model, clips: Clips, device: str, options: argparse.Namespace, advance: Callable[[int], object]
) -> dict[str, Any]:
    """Return what the page shows of a model, over all of its seeds."""
    answers = [answer(checkpoint, clips, device, options, advance) for checkpoint in model.checkpoints]
    unchanged = pooled([each.unchanged for each in answers])
    changed = np.concatenate([each.changed for each in answers], axis=1)
    stress = score_stressed(unchanged, changed, clips.stresses, clips.samples * len(answers))
    return {
        "name": model.name,
        "checkpoints": [
            {
                "path": checkpoint,
                "sha256": file_sha256(find_checkpoint(checkpoint)),
                "war": accuracy(each.unchanged),
                "seconds": round(each.seconds, 1),
            }
            for checkpoint, each in zip(model.checkpoints, answers, strict=True)
        ],
        "stress": stress.plain(),
        "pairs": score_pairs(answers, clips),
    }


def answer(
    checkpoint: str, clips: Clips, device: str, options: argparse.Namespace, advance: Callable[[int], object]
) -> Answers:
    """Return the predictions of a checkpoint for all clips, from an earlier run if there was one."""
    kept = options.work / f"{clips.key(checkpoint)}.npz"
    if kept.exists():
        advance(clips.per_checkpoint)
        return read_answers(kept)
    started, loaded = time.perf_counter(), load_checkpoint(checkpoint)
    classify = classifier_of(loaded.model.to(device), loaded.temperature)
    config, sizes = loaded.model.config, (options.batch_size, options.workers)

    def read(samples: list[Sample]) -> ClipDataset:
        return ClipDataset(samples, loaded.classes, config.frames, config.size, clock_fps=loaded.record.clock_fps)

    def predictions(dataset: ClipDataset) -> Predictions:
        return predict(classify, dataset, [sample.clip_id for sample in dataset.samples], *sizes, advance)

    dataset = read(clips.samples)
    found = Answers(
        predictions(dataset),
        predict_stressed(classify, dataset, clips.stresses, *sizes, advance),
        predictions(read(clips.pairs)) if clips.pairs else None,
        0.0,
    )._replace(seconds=time.perf_counter() - started)
    write_answers(kept, found)
    return found


def write_answers(path: Path, found: Answers) -> None:
    """Keep predictions, whole or not at all."""
    arrays = {f"unchanged_{name}": array for name, array in found.unchanged._asdict().items()}
    arrays |= {f"pairs_{name}": array for name, array in (found.pairs._asdict() if found.pairs else {}).items()}
    with atomic_path(path) as temporary:
        np.savez(temporary, allow_pickle=False, changed=found.changed, seconds=found.seconds, **arrays)


def read_answers(path: Path) -> Answers:
    """Read kept predictions.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            of = {name: kept[name] for name in kept.files}
        unchanged, pairs = (
            Predictions(*(of[f"{part}_{name}"] for name in Predictions._fields)) if f"{part}_views" in of else None
            for part in ("unchanged", "pairs")
        )
        assert unchanged is not None
        return Answers(unchanged, of["changed"], pairs, float(of["seconds"]))
    except (OSError, ValueError, KeyError, AssertionError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged ({error}); delete it") from error


def pooled(predictions: Sequence[Predictions]) -> Predictions:
    """Return the predictions of several checkpoints one after the other."""
    return Predictions(*(np.concatenate(parts) for parts in zip(*predictions, strict=True)))


def score_pairs(answers: Sequence[Answers], clips: Clips) -> dict[str, Any] | None:
    """Return the results on minimal pairs, each checkpoint with pairs of its own."""
    if clips.pairs_manifest is None:
        return None
    predictions = pooled([each.pairs for each in answers if each.pairs is not None])
    samples = [
        replace(sample, attributes=sample.attributes | {PAIR: f"{number}:{sample.attributes[PAIR]}"})
        for number in range(len(answers))
        for sample in clips.pairs
    ]
    return evaluate_pairs(predictions, samples, clips.pairs_manifest.path).plain()


def accuracy(predictions: Predictions) -> float:
    return float((predictions.probabilities.argmax(axis=1) == predictions.targets).mean())


def summary(rows: Sequence[dict[str, Any]]) -> Table:
    """Return a table of the models: accuracy, and what the strongest changes cost."""
    models = {row["name"]: StressRecord.read(row["stress"], row["name"]) for row in rows}
    table = Table(title="WAR in %, and its difference under the strongest change of each kind")
    for name in ("change", *models):
        table.add_column(name, overflow="fold")
    table.add_row("unchanged", *(f"{100 * stress.war.value:.1f}" for stress in models.values()))
    for number, curve in enumerate(next(iter(models.values())).curves):
        last = [stress.curves[number].points[-1].result.war_difference.value for stress in models.values()]
        table.add_row(curve.name, *(f"{100 * value:+.1f}" for value in last))
    return table


if __name__ == "__main__":
    main()
