"""What helps a model trained on rendered faces to read real ones: train variants of one recipe, score them all.

The study (``benchmarks/face_study.yaml``) names a recipe and runs, each of which varies one thing: options of ``ifdd
train``, the share of the training clips or of their people, how the faces are cropped, or the run whose weights it
starts from. Every run is trained on crops of the same rendered clips and scored on the same folder of real faces (see
``real_faces.py``). A run that is interrupted resumes; a run that is finished is only scored, or refused if its options
have changed since. The table fills as it goes. Without a folder, runs are only trained: on a machine with a GPU, for
instance.

    python benchmarks/face_study.py RENDERED/manifest.csv FOLDER --work study --detector-model yunet_n_640_640.onnx

``benchmarks/face_factors.yaml`` varies everything from one small training:

    python benchmarks/face_study.py RENDERED/manifest.csv FOLDER --study benchmarks/face_factors.yaml --work factors \
      --out results/face_factors.json --detector-model yunet_n_640_640.onnx
"""

import argparse
import json
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from ifdd.command_line.options import describe
from ifdd.command_line.parser import parse
from ifdd.data.manifest import Manifest, write_manifest
from ifdd.errors import InputError
from ifdd.files import check_writable
from ifdd.model import load_checkpoint, lookup
from ifdd.records import PrepareRecord
from ifdd.training.recipe import RECIPE_FILE, Recipe, listed
from ifdd.training.resuming import read_training
from ifdd.training.study.baselines import register_baselines
from ifdd.training.train import train as train_command

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.real_faces import main as score


@dataclass(frozen=True)
class Run:
    """One variant of the base recipe."""

    name: str
    varies: str
    options: dict[str, Any] = field(default_factory=dict)
    """Option of ``ifdd train`` -> value."""
    clips: float = 1.0
    """Share of the training clips."""
    people: float = 1.0
    """Share of the training people; all of their clips."""
    size: int = 96
    """Side of the crops in pixels."""
    alignment: str = "landmarks"
    start: str | None = None
    """The run whose weights it starts from."""
    changes: str | None = None
    """File of changes to the recipe."""
    manifest: str | None = None
    """Manifest of other crops to train on."""
    baselines: dict[str, str] = field(default_factory=dict)
    """Backbones of the study's own; see ``register_baselines``."""

    @property
    def is_whole(self) -> bool:
        """Whether it trains on all training clips."""
        return self.clips == self.people == 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="manifest of the rendered clips, as 'ifdd synth' writes it")
    parser.add_argument("folder", type=Path, nargs="?", help="class folders of real faces; without, only train")
    parser.add_argument("--study", type=Path, default=Path("benchmarks/face_study.yaml"))
    parser.add_argument("--work", type=Path, default=Path("study"), help="folder for crops and trainings")
    parser.add_argument("--only", help="names of the runs to do, separated by commas")
    parser.add_argument("--detector-model", type=Path, help="path to YuNet's .onnx file")
    parser.add_argument("--training", default="", help="further options of 'ifdd train', such as '--data.workers 8'")
    parser.add_argument("--out", type=Path, default=Path("results/face_study.json"))
    options = parser.parse_args()
    try:
        check_writable(options.out)
        recipe, runs = read_study(options.study)
        for name in options.only.split(",") if options.only else runs:
            run = lookup(runs, name, "run")
            checkpoint = train(recipe, run, options)
            if options.folder:
                record(run, checkpoint, options)
    except InputError as error:
        parser.exit(2, f"face_study: {error}\n")


def read_study(path: Path) -> tuple[str, dict[str, Run]]:
    """Return the recipe and the runs by name."""
    study = yaml.safe_load(path.read_text(encoding="utf-8"))
    common = {name: study[name] for name in ("size", "alignment", "clips", "baselines") if name in study}
    register_baselines(common.get("baselines", {}))  # for the scores
    options = study.get("options", {})
    runs = {}
    for name, values in study["runs"].items():
        runs[name] = Run(name, **{**common, **values, "options": options | values.get("options", {})})
    return study["recipe"], runs


def train(recipe: str, run: Run, options: argparse.Namespace) -> Path:
    """Train a run unless it is finished, and return the checkpoint of its last epoch.

    No epoch is selected: how well it reads rendered people says little about real ones.

    Raises:
        InputError: a command failed, the run that it starts from is not finished, or the folder holds a training with
            other options.
    """
    out = options.work / run.name
    words = words_of(recipe, run, options)
    if is_finished(out):
        check_options(words, out)
        return out / "last.safetensors"
    if run.start is not None and not is_finished(options.work / run.start):
        raise InputError(f"{run.name} starts from {run.start}, which is not finished; train {run.start} first")
    if run.manifest is None:
        crop(run, options)
    ifdd("train", *words, "--out", str(out), "--resume", baselines=run.baselines)
    return out / "last.safetensors"


def words_of(recipe: str, run: Run, options: argparse.Namespace) -> list[str]:
    """Return the words of ``ifdd train`` that determine what a run learns."""
    words = [recipe, *(["--config", run.changes] if run.changes else [])]
    words += ["--data.manifest", str(manifest_of(run, options))]
    words += [word for name, value in options_of(recipe, run).items() for word in (f"--{name}", plain(value))]
    if run.start is not None:
        words += ["--model.weights", str(options.work / run.start / "last.safetensors")]
    return words + shlex.split(options.training)


PATHS = ("data.manifest", "model.weights")
"""Options compared by folder and name of the file: the study may have been trained on another machine."""


def check_options(words: list[str], out: Path) -> None:
    """Check that a finished training had the options that its run has now.

    Raises:
        InputError: it had others.
    """
    wanted = settings_of(words)
    changes = wanted.changed_since(out)  # without the manifest, which a resumed training may read elsewhere
    trained = yaml.safe_load((out / RECIPE_FILE).read_text(encoding="utf-8"))
    changes["data.manifest"] = (trained["data"]["manifest"], str(wanted.data.manifest))
    for name in PATHS:
        before, now = (Path(str(path)).parts[-2:] for path in changes.get(name, ("", "")))
        if before == now:
            changes.pop(name, None)
    if changes:
        raise InputError(
            f"{out} was trained with other options ({listed(changes)}); restore them, or delete it to train again"
        )


def settings_of(words: list[str]) -> Recipe:
    """Return the settings that words of ``ifdd train`` give."""
    found = parse(describe("train", train_command), words)
    return Recipe(**{group.name: found[group.name] for group in fields(Recipe)})


def manifest_of(run: Run, options: argparse.Namespace) -> Path:
    """Return the path of the manifest of a run's clips, which may not exist yet."""
    if run.manifest is not None:
        return Path(run.manifest)
    crops = crops_of(run, options)
    return (crops if run.is_whole else part_of(crops, run.clips, run.people)) / "manifest.csv"


def crops_of(run: Run, options: argparse.Namespace) -> Path:
    """Return the folder of the crops of all rendered clips, as a run wants them."""
    return Path(options.work / f"faces_{run.alignment}_{run.size}")


def part_of(crops: Path, share: float, people: float) -> Path:
    """Return the folder of a part of the training clips; see ``reduce``."""
    return crops.with_name(f"{crops.name}_{share:g}_{people:g}")


def crop(run: Run, options: argparse.Namespace) -> None:
    """Crop the rendered clips as a run wants them, unless they are there, and write the manifest of its clips.

    Raises:
        InputError: the command failed, or the folder holds crops of other clips.
    """
    crops = crops_of(run, options)
    if (crops / PrepareRecord.FILE).exists():
        check_source(crops, options.manifest)
    if not (crops / "manifest.csv").exists():  # a preparation that failed leaves its record alone
        words = ["--alignment", run.alignment, "--face-size", str(run.size), "--search-seconds", "0.4"]
        words += ["--detector-model", str(options.detector_model)] if options.detector_model else []
        ifdd("prepare", "manifest", str(options.manifest), str(crops), *words)
    elif clips_of(crops / "manifest.csv") != clips_of(options.manifest):
        raise InputError(
            f"{crops} lacks clips of {options.manifest}, or has others; delete the folder to crop them again"
        )
    if not run.is_whole:
        reduce(crops, run.clips, run.people)


def check_source(crops: Path, manifest: Path) -> None:
    """Check that a folder holds crops of the clips of a manifest.

    Raises:
        InputError: it holds those of another one.
    """
    source = PrepareRecord.load(crops / PrepareRecord.FILE, "delete the folder to crop the clips again").root
    if Path(source).resolve() != manifest.resolve():
        raise InputError(f"{crops} holds crops of {source}, not of {manifest}; choose another --work")


def clips_of(manifest: Path) -> set[tuple[str, str, str]]:
    """Return id, label and subset of the clips of a manifest."""
    return {(sample.clip_id, sample.label, sample.subset) for sample in Manifest.read(manifest.resolve()).samples}


def is_finished(folder: Path) -> bool:
    """Return whether the training in a folder is finished."""
    training = read_training(folder)
    return training is not None and training.state == "done"


def reduce(crops: Path, share: float, people: float) -> Path:
    """Write a manifest of a part of the training clips to a folder beside the crops, and return its path.

    Args:
        crops: folder of the crops.
        share: of the clips of those people.
        people: share of the people.
    """
    samples = Manifest.read(crops / "manifest.csv").samples
    training = [sample for sample in samples if sample.subset == "train"]
    subjects = sorted({sample.subject for sample in training})
    known = set(subjects[: round(people * len(subjects))])
    training = [sample for sample in training if sample.subject in known]
    kept = {sample.clip_id for sample in training[: round(share * len(training))]}
    folder = part_of(crops, share, people)
    folder.mkdir(exist_ok=True)
    chosen = [sample for sample in samples if sample.subset != "train" or sample.clip_id in kept]
    write_manifest(folder / "manifest.csv", chosen)
    shutil.copy(crops / PrepareRecord.FILE, folder)  # says how the faces are cropped
    return folder / "manifest.csv"


def options_of(recipe: str, run: Run) -> dict[str, Any]:
    """Return a run's options of ``ifdd train``; its overrides of the model are added to those of the recipe."""
    prefix = "model.overrides."
    changes = {name.removeprefix(prefix): value for name, value in run.options.items() if name.startswith(prefix)}
    options = {name: value for name, value in run.options.items() if not name.startswith(prefix)}
    if changes:
        kept = yaml.safe_load(Path(recipe).read_text(encoding="utf-8"))["model"]["overrides"]
        options["model.overrides"] = kept | changes
    return options


def plain(value: Any) -> str:
    """Return a value as on the command line."""
    return value if isinstance(value, str) else json.dumps(value)


WITH_BASELINES = """
import json, sys
from ifdd.__main__ import main
from ifdd.training.study.baselines import register_baselines
register_baselines(json.loads(sys.argv.pop(1)))
main()
"""


def ifdd(*words: str, baselines: Mapping[str, str] = MappingProxyType({})) -> None:
    """Run a command of ifdd in a process of its own: scoring leaves this one with a single thread.

    Args:
        words: of the command.
        baselines: further backbones.

    Raises:
        InputError: it failed.
    """
    python = [sys.executable, "-c", WITH_BASELINES, json.dumps(dict(baselines))]
    with subprocess.Popen([*python, *words]) as process:
        usual = signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))  # it saves its state
        try:
            code = process.wait()
        finally:
            signal.signal(signal.SIGTERM, usual)
    if code == 128 + signal.SIGTERM:
        raise SystemExit(code)
    if code:
        raise InputError(f"ifdd {' '.join(words)} failed; see above")


def record(run: Run, checkpoint: Path, options: argparse.Namespace) -> None:
    """Score a checkpoint on the real faces, and add it to the table."""
    scored = checkpoint.with_name("real_faces.json")
    words = [str(options.folder), "--checkpoint", str(checkpoint), "--out", str(scored)]
    score([*words, *(["--detector-model", str(options.detector_model)] if options.detector_model else [])])
    report = json.loads(scored.read_text(encoding="utf-8"))
    table = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    found = report["checkpoints"][0]["restricted"]
    table[run.name] = {
        "varies": run.varies,
        "clips": run.clips,
        "people": run.people,
        "photographs": report["folder"]["photographs"],
        "accuracy": found["accuracy"],
        "surest_half": found["surest_half"],
        "recalls": {name: share["value"] for name, share in found["recalls"].items()},
        "validation": validation(checkpoint),
        "folder_sha256": report["folder"]["sha256"],
        "checkpoint_sha256": report["checkpoints"][0]["sha256"],
        "commit": report["commit"],
    }
    options.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"{run.name}: {found['accuracy']['value']:.1%} of the photographs ({run.varies})")


def validation(checkpoint: Path) -> float | None:
    """Return the WAR on rendered people after the last epoch."""
    scores = load_checkpoint(checkpoint).record.validation
    return None if scores is None else scores.war


if __name__ == "__main__":
    main()
