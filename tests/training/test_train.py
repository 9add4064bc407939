"""Training from the command line on a tiny dataset: results, resuming, refusals."""

import json
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from ifdd import load_checkpoint
from ifdd.__main__ import main
from ifdd.data.manifest import read_manifest, write_manifest
from ifdd.errors import InputError
from ifdd.records import DatasetRecord, FacesRecord, PreparedRecord
from ifdd.training.engine.state import WholeCheckpointIO
from ifdd.training.resuming import only_run
from ifdd.training.train import check_alignment
from tests.helpers.processes import run

RECIPE = {
    "model": {"preset": "ifdd_tiny", "overrides": {"size": 32}},
    "data": {
        "name": "SynthDFER",
        "synthetic": True,
        "fps": 10,
        "train_sampling": "uniform_segments",
        "class_balance": 0.5,
        "batch_size": 8,
        "workers": 0,
        "cache": True,
    },
    "optimization": {
        "epochs": 3,
        "warmup_epochs": 0.5,
        "ema_decay": 0.5,
        "gradient_clip": 1.0,
        "logit_adjustment": 0.5,
    },
    "run": {"device": "cpu"},
}


@pytest.fixture(scope="session")
def recipe(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"data": RECIPE["data"] | {"manifest": str(manifest)}}))  # type: ignore[operator]
    return path


@pytest.fixture(scope="session")
def trained(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("training") / "run"
    main(["train", str(recipe), "--out", str(out)])
    return out


def refusal(capfd: pytest.CaptureFixture[str], *words: object) -> str:
    """Run a command that must fail with exit code 2 and one error line besides the progress; return that line."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 2
    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    lines = [line for line in errors.strip().splitlines() if not line.startswith("epoch ")]
    assert len(lines) == 1, errors
    return lines[0]


@pytest.mark.slow
def test_the_folder_of_a_run_says_how_it_was_made(trained: Path) -> None:
    training = json.loads((trained / "training.json").read_text(encoding="utf-8"))
    software = training["software"]
    assert {"ifdd", "torch", "lightning"} <= software["versions"].keys()
    assert software["commit"] is None or len(software["commit"]) >= 12
    assert software["command"] == shlex.join(sys.argv)
    assert len(training["dataset"]["hash"]) == 64
    assert yaml.safe_load((trained / "recipe.yaml").read_text(encoding="utf-8"))["run"]["seed"] == 0


def test_training_writes_complete_checkpoints_and_logs(trained: Path) -> None:
    for name in ("best", "last"):
        checkpoint = load_checkpoint(trained / f"{name}.safetensors")
        assert checkpoint.classes == ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
        assert checkpoint.clip_seconds == pytest.approx(1.6)
        assert checkpoint.model.config.size == 32
        assert checkpoint.record.synthetic is True
        assert checkpoint.record.recipe_option("optimization", "epochs") == 3
        assert checkpoint.record.validation is not None
        assert 0 <= checkpoint.record.validation.uar <= 1
    assert load_checkpoint(trained / "last.safetensors").record.epoch == 3
    log = next(trained.glob("csv/*/metrics.csv")).read_text()
    assert "validation/war" in log
    assert "train/lifting" in log
    assert list(trained.glob("tensorboard/events*"))
    assert not list(trained.glob("**/.partial*"))


def test_the_averaged_weights_are_saved(trained: Path) -> None:
    point = torch.load(trained / "resume.ckpt", weights_only=True)
    saved = load_file(trained / "last.safetensors")["head.classifier.weight"]
    torch.testing.assert_close(saved, point["state_dict"]["model.head.classifier.weight"])
    assert not torch.equal(saved, point["current_model_state"]["model.head.classifier.weight"])


def test_a_resumed_run_gives_the_same_weights_as_an_uninterrupted_one(
    recipe: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    usual = WholeCheckpointIO.save_checkpoint

    def save_and_interrupt(self: WholeCheckpointIO, *words: Any, **options: Any) -> None:
        usual(self, *words, **options)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(WholeCheckpointIO, "save_checkpoint", save_and_interrupt)
        with pytest.raises(SystemExit) as stop:
            main(["train", str(recipe), "--out", str(out)])
    assert stop.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    errors = capfd.readouterr().err
    assert "interrupted" in errors
    assert "Traceback" not in errors
    training = json.loads((out / "training.json").read_text())
    assert (training["state"], training["epoch"]) == ("running", 1)
    main(["train", str(recipe), "--out", str(out), "--resume"])
    resumed, whole = load_file(out / "last.safetensors"), load_file(trained / "last.safetensors")
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, atol=1e-6, rtol=1e-5, msg=name)


def test_a_folder_with_a_training_run_is_not_overwritten(
    recipe: Path, trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "already holds a training run" in refusal(capfd, "train", recipe, "--out", trained)
    changed = refusal(capfd, "train", recipe, "--out", trained, "--resume", "--run.seed", "4")
    assert "another recipe (run.seed: 0 -> 4)" in changed
    changed = refusal(capfd, "train", recipe, "--out", trained, "--resume", "--optimization.epochs", "2")
    assert "another recipe (optimization.epochs: 3 -> 2); epochs can only be raised; choose another --out" in changed
    both = ("--optimization.epochs", "4", "--data.batch-size", "4")
    changed = refusal(capfd, "train", recipe, "--out", trained, "--resume", *both)
    assert "(data.batch_size: 8 -> 4; optimization.epochs: 3 -> 4); choose another --out" in changed
    main(["train", str(recipe), "--out", str(trained), "--resume"])
    assert "is finished already (3 epochs; a larger optimization.epochs trains further)" in capfd.readouterr().out


@pytest.mark.parametrize("change", ["order", "times"])
def test_a_run_is_not_resumed_with_other_batches(
    recipe: Path, manifest: Path, trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], change: str
) -> None:
    samples, path = read_manifest(manifest), tmp_path / "manifest.csv"
    samples = samples[::-1] if change == "order" else [replace(sample, fps=12.0) for sample in samples]
    write_manifest(path, samples)
    words = ("--data.manifest", path, "--resume", "--optimization.epochs", "4")
    refused = refusal(capfd, "train", recipe, "--out", trained, *words)
    assert f"the order of the clips in {path}, their subjects, votes or frame rates have changed" in refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model.preset", "ifdd_tinny"], "unknown preset 'ifdd_tinny'"),
        (["--model.overrides", '{"spilt": "none"}'], "unknown model option 'spilt'"),
        (["--data.manifest", "/nowhere/manifest.csv"], "/nowhere/manifest.csv"),
        (
            ["--data.classes", "affectnet"],
            "data.classes is 'affectnet'; use one of dfew, ferv39k, mafw, cremad, ravdess, mafw_compound",
        ),
        (["--optimization.epochs", "0"], "optimization.epochs is 0; it must be at least 1"),
        (["--data.fold", "0"], "data.fold is 0; it must be at least 1"),
        (["--optimization.epochs", "many"], "optimization.epochs"),
        (["--speed", "11"], "--speed"),
        (["--run.seed", "-1"], "run.seed is -1; it must be at least 0"),
        (["--run.seed", str(2**32)], "run.seed is 4294967296; it must be at least 0 and below 4294967296"),
        (["--run.device", "abacus"], "run.device is 'abacus'; use auto, cpu, cuda, cuda:1"),
        (["--run.device", "gpu"], "did you mean cuda?"),
        (
            ["--optimization.learning-rate", ".nan"],
            "optimization.learning_rate is nan; it must be above 0 and below inf",
        ),
        (
            ["--optimization.learning-rate", ".inf"],
            "optimization.learning_rate is inf; it must be above 0 and below inf",
        ),
        (["--optimization.weight-decay", ".inf"], "optimization.weight_decay is inf"),
        (["--mixup.mixup-alpha", ".nan"], "mixup.mixup_alpha is nan"),
        (["--model.overrides", '{"num_classes": 5}'], "choose the classes with data.classes"),
        (["--model.overrides", "{ablation: even_odd}"], "cannot set ablation; give it as model.ablation"),
        (["--model.overrides", "{preset: ifdd_small}"], "cannot set preset; give it as model.preset"),
        (["--model.overrides", "{weights: kinetics400}"], "cannot set weights; give them as model.weights"),
        (["--augmentation.flip", "2"], "augmentation.flip"),
        (
            ["--model.overrides", '{"size": 32, "alignment": "landmarks"}'],
            "cropped with the alignment box, and the model's alignment is landmarks; set model.overrides to "
            "{alignment: box}, or prepare the dataset with --alignment landmarks",
        ),
    ],
)
def test_a_mistake_in_the_recipe_gives_one_line(
    recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refusal(capfd, "train", recipe, "--out", tmp_path / "run", *words)
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_the_alignment_is_that_of_the_prepared_dataset() -> None:
    faces = FacesRecord("faces", 64, "yunet", 9, 0, 0, 0, alignment="landmarks")
    prepared = PreparedRecord("folder", "own", "own", faces, None, "complete", 0, unchanged=True)
    dataset = DatasetRecord("0", synthetic=False, prepared=prepared)
    check_alignment("landmarks", dataset, Path("manifest.csv"))
    check_alignment("box", replace(dataset, prepared=replace(prepared, faces=None)), Path("manifest.csv"))
    with pytest.raises(InputError, match="with the alignment landmarks, and the model's alignment is box"):
        check_alignment("box", dataset, Path("manifest.csv"))


def test_a_broken_video_is_named(manifest: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = manifest.read_text().replace("clips/", f"{manifest.parent}/clips/")
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    rows = text.splitlines()
    first = next(index for index, row in enumerate(rows) if ",train," in row)
    cells = rows[first].split(",")
    rows[first] = ",".join([cells[0], str(broken), *cells[2:]])
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    words = ["--data.manifest", tmp_path / "manifest.csv", "--data.workers", "1", "--data.batch-size", "4"]
    with pytest.raises(SystemExit, match="2"):
        main([str(word) for word in ("train", "--out", tmp_path / "run", "--run.device", "cpu", *words)])
    errors = capfd.readouterr().err
    assert errors.count(f"training clip {cells[0]} cannot be read: another clip of its class takes its place (") == 1
    refused = errors.strip().splitlines()[-1]
    assert refused.startswith("ifdd train: 1 of 24 training clips cannot be read, more than 1 %: ")
    assert str(broken) in refused
    assert json.loads((tmp_path / "run" / "training.json").read_text())["unreadable"].keys() == {cells[0]}


def test_several_folds_at_once_are_refused(
    recipe: Path, manifest: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = manifest.read_text().replace("clips/", f"{manifest.parent}/clips/").splitlines()
    folds = [row.replace(",train,0,", f",train,{1 + index % 2},") for index, row in enumerate(rows[1:])]
    (tmp_path / "manifest.csv").write_text("\n".join([rows[0], *folds]) + "\n")
    words = ["--data.manifest", tmp_path / "manifest.csv"]
    said = refusal(capfd, "train", recipe, "--out", tmp_path / "run", *words)
    assert "which share clips; choose one with --data.fold" in said
    without = [row.replace(",train,2,", ",validation,2,") for row in folds]
    (tmp_path / "manifest.csv").write_text("\n".join([rows[0], *without]) + "\n")
    said = refusal(capfd, "train", recipe, "--out", tmp_path / "run", *words, "--data.fold", "2")
    assert "has no train clips in fold 2; choose a data.fold that has them: 1" in said


def test_two_trainings_do_not_share_a_folder(recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    hold = "import sys; from pathlib import Path; from ifdd.training.resuming import only_run\n"
    hold += "with only_run(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    with Popen([sys.executable, "-c", hold, str(out)], stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert f"another training is running in {out}" in refusal(capfd, "train", recipe, "--out", out)
        other.communicate()
    with only_run(out):
        pass
    assert not list(out.iterdir())
    (out / "fold_1").mkdir()
    message = f"{out} holds a cross-validation (fold_1); choose another --out"
    assert message in refusal(capfd, "train", recipe, "--out", out)


def test_real_clips_are_not_called_computer_generated(
    manifest: Path, recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clips = [replace(sample, subset="train") for sample in read_manifest(manifest)]
    write_manifest(tmp_path / "clips.csv", clips)
    main(["prepare", "manifest", str(tmp_path / "clips.csv"), str(tmp_path / "own"), "--faces", "keep"])
    capfd.readouterr()
    words = ["train", recipe, "--data.manifest", tmp_path / "own/manifest.csv", "--out", tmp_path / "run"]
    assert "has no computer-generated clips; add --no-data.synthetic" in refusal(capfd, *words)


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [1, 12])
def test_a_full_disk_gives_one_line_and_leaves_complete_files(recipe: Path, tmp_path: Path, megabytes: int) -> None:
    # a limit on file sizes stands in for a full disk: 1 MB stops the weights (9 MB), 12 MB the trainer's state (36 MB)
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({megabytes}_000_000, {megabytes}_000_000));"
        "from ifdd.__main__ import main; main(sys.argv[1:])"
    )
    out = tmp_path / "run"
    done = run([sys.executable, "-c", limited, "train", recipe, "--out", out], code=2)
    assert "Traceback" not in done.stderr
    assert "cannot write" in done.stderr.splitlines()[-1]
    assert not (out / "resume.ckpt").exists()
    assert not list(out.glob(".partial*"))
    for file in out.glob("*.safetensors"):
        load_checkpoint(file)
