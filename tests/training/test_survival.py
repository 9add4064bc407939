"""Trainings that are ended in the middle, and go on as if they had not been."""

import importlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from ifdd.__main__ import load, main
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from ifdd.files import PARTIAL, file_sha256
from ifdd.model import load_checkpoint
from ifdd.records import TrainingRecord
from ifdd.training import train as training
from ifdd.training.engine.state import PREVIOUS_FILE, RESUME_FILE, resume_point
from ifdd.training.module import ClipClassifier
from ifdd.training.start import resumed_start
from tests.helpers.processes import run
from tests.helpers.terminals import in_terminal
from tests.training.test_train import RECIPE, refusal

ROOT = Path(__file__).parents[2]
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COMPARED = ("best.safetensors", "last.safetensors", "training.json", "csv/version_0/metrics.csv")


@pytest.fixture(scope="module")
def recipe(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs of six batches, two to a step."""
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    changed = {
        "data": RECIPE["data"] | {"manifest": str(manifest), "batch_size": 4},  # type: ignore[operator]
        "optimization": {"epochs": 2, "warmup_epochs": 0.5, "ema_decay": 0.5, "accumulate": 2},
    }
    path.write_text(yaml.safe_dump(RECIPE | changed))
    return path


@pytest.fixture(scope="module")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("training") / "run"
    main(["train", str(recipe), "--out", str(out)])
    return out


def end_by(number: signal.Signals, monkeypatch: pytest.MonkeyPatch, words: list[str], epoch: int, batch: int) -> int:
    """Train until a batch, in which a signal arrives; return the exit code."""
    usual = ClipClassifier.training_step

    def step(self: ClipClassifier, *given: Any) -> Any:
        if (self.trainer.current_epoch, given[1]) == (epoch, batch):
            signal.raise_signal(number)
        return usual(self, *given)

    before = [signal.getsignal(each) for each in HANDLED]
    with monkeypatch.context() as patch:
        patch.setattr(ClipClassifier, "training_step", step)
        with pytest.raises(SystemExit) as stop:
            main(words)
    assert [signal.getsignal(each) for each in HANDLED] == before
    assert isinstance(stop.value.code, int)
    return stop.value.code


def is_the_same(out: Path, whole: Path) -> None:
    assert [name for name in COMPARED if (out / name).read_bytes() != (whole / name).read_bytes()] == []
    first, second = (EventAccumulator(str(each / "tensorboard")).Reload() for each in (out, whole))
    for tag in second.Tags()["scalars"]:
        assert [(e.step, e.value) for e in first.Scalars(tag)] == [(e.step, e.value) for e in second.Scalars(tag)]
    assert not list(out.glob(".partial*"))


@pytest.mark.usefixtures("heeded_hangup")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_training_after_its_step_and_nothing_is_lost(
    recipe: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
) -> None:
    words = ["train", str(recipe), "--out", str(tmp_path / "run")]
    assert end_by(number, monkeypatch, words, epoch=1, batch=2) == code  # the first of the two batches of a step
    errors = capfd.readouterr().err
    stopped = "the training stops in epoch 2 after 4 of 6 batches; to go on, repeat the command"
    assert f"{number.name}: {stopped} (ifdd train: with --resume)" in errors
    main([*words, "--resume"])
    assert "resuming after 1 epoch, from batch 5 of epoch 2" in capfd.readouterr().out
    is_the_same(tmp_path / "run", whole)


def test_a_closed_terminal_ends_a_training_after_its_step(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["train", recipe, "--out", out, "--optimization.epochs", "5000", "--data.workers", "2"]
    with in_terminal(words) as terminal:
        terminal.wait_until((out / RESUME_FILE).exists, "an epoch is finished")
        assert terminal.close() == 129
    point = resume_point(out, resume=True)
    assert point is not None
    assert point.path == out / RESUME_FILE, "the last state is undamaged"
    assert not list(out.glob(f"{PARTIAL}*"))


def test_a_run_resumes_without_the_file_of_its_initial_weights(
    recipe: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, out = tmp_path / "start.safetensors", tmp_path / "run"
    shutil.copy(whole / "best.safetensors", start)
    words = ["train", str(recipe), "--out", str(out), "--model.weights", str(start)]
    end_by(signal.SIGTERM, monkeypatch, words, epoch=0, batch=2)
    assert not (out / "last.safetensors").exists()
    digest = file_sha256(start)
    start.unlink()
    with pytest.raises(SystemExit) as stop:
        main([*words[:-1], str(tmp_path / "other.safetensors"), "--resume"])
    assert stop.value.code == 2
    main([*words[:-1], os.path.relpath(start), "--resume"])  # another spelling of the same path
    record = load_checkpoint(out / "last.safetensors").record
    assert record.started_from == f"{start} (sha256 {digest[:12]})"
    assert record.earlier == load_checkpoint(whole / "best.safetensors").record.trainings
    note = out / "training.json"
    damaged = json.loads(note.read_text())
    damaged["start"]["config"]["frames"] = 0
    note.write_text(json.dumps(damaged))
    begun = TrainingRecord.load(note, "").start
    assert begun is not None
    with pytest.raises(InputError, match=r"training\.json: the network's configuration is damaged"):
        resumed_start(begun, note)


def test_a_run_keeps_the_classes_that_an_earlier_version_read_from_the_manifest(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, stored = ["train", str(recipe), "--out", str(tmp_path / "run")], tmp_path / "run" / "recipe.yaml"
    classes = LABEL_SETS["ravdess"]
    end_by(signal.SIGTERM, monkeypatch, [*words, "--data.classes", "ravdess"], epoch=0, batch=2)
    known = yaml.safe_load(stored.read_text())
    stored.write_text(yaml.safe_dump(known | {"data": known["data"] | {"classes": "manifest"}}))
    main([*words, "--data.classes", "manifest", "--resume"])
    trained = load_checkpoint(tmp_path / "run" / "best.safetensors")
    assert (trained.classes, trained.record.recipe_option("data", "classes")) == (classes, "manifest")


def test_a_run_begun_before_an_option_existed_goes_on(recipe: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    note = out / "recipe.yaml"
    settings = yaml.safe_load(note.read_text())
    assert settings["data"].pop("train_where") is None
    note.write_text(yaml.safe_dump(settings))
    before = json.loads((out / "training.json").read_text())["epoch"]
    main(["train", str(recipe), "--out", str(out), "--resume", "--optimization.epochs", str(before + 1)])
    assert json.loads((out / "training.json").read_text())["epoch"] == before + 1


def test_a_damaged_state_is_reported_and_the_one_before_it_taken(
    recipe: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["train", str(recipe), "--out", str(out)]
    end_by(signal.SIGTERM, monkeypatch, words, epoch=1, batch=2)
    state = out / RESUME_FILE
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1  # a bit in the weights, which can be loaded nevertheless
    state.write_bytes(content)
    capfd.readouterr()
    main([*words, "--resume"])
    said = capfd.readouterr().out
    assert f"{state} is damaged: resuming from {PREVIOUS_FILE}, the state before it" in said
    assert "resuming after 1 epoch\n" in said
    is_the_same(out, whole)
    training = json.loads((out / "training.json").read_text())
    (out / "training.json").write_text(json.dumps(training | {"state": "running"}))
    for name in (RESUME_FILE, PREVIOUS_FILE):
        (out / name).write_bytes((out / name).read_bytes()[:1000])
    assert f"{state} is damaged: cannot resume" in refusal(capfd, *words, "--resume").replace("\n", "")


def test_before_the_first_state_is_the_start(
    recipe: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["train", str(recipe), "--out", str(out)]
    end_by(signal.SIGTERM, monkeypatch, words, epoch=0, batch=2)
    state = out / RESUME_FILE
    state.write_bytes(state.read_bytes()[:1000])
    (out / f"{PARTIAL}1").write_bytes(b"what a killed training had begun to write")
    main([*words, "--resume"])
    assert f"{state} is damaged: training from the beginning" in capfd.readouterr().out
    is_the_same(out, whole)
    assert not list(out.glob(f"{PARTIAL}*"))


def test_states_within_an_epoch_lose_at_most_their_distance(
    recipe: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    words = ["train", str(recipe), "--out", str(out), "--run.checkpoint-every", "0.000001"]
    usual = ClipClassifier.training_step

    def step(self: ClipClassifier, *given: Any) -> Any:
        if (self.trainer.current_epoch, given[1]) == (0, 3):
            raise ZeroDivisionError
        return usual(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(ClipClassifier, "training_step", step)
        with pytest.raises(ZeroDivisionError):
            main(words)
    assert (out / RESUME_FILE).exists()
    main([*words, "--resume"])
    for name in ("best.safetensors", "last.safetensors"):
        one, other = load_file(out / name), load_file(whole / name)
        assert all(one[key].equal(other[key]) for key in other)
    assert (out / COMPARED[3]).read_text() == (whole / COMPARED[3]).read_text()


def test_a_job_of_slurm_goes_back_into_the_queue(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "scontrol").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    (programs / "scontrol").chmod(0o755)
    variables = {"JOB_ID": "42", "NTASKS": "1", "NNODES": "1", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    words = ["train", str(recipe), "--out", str(tmp_path / "run")]
    assert end_by(signal.SIGUSR1, monkeypatch, words, epoch=0, batch=0) == 128 + signal.SIGUSR1
    assert (tmp_path / "asked").read_text() == "requeue 42\n"
    assert (
        "to go on, repeat the command (ifdd train: with --resume); job 42 is in the queue again"
        in capfd.readouterr().err
    )
    (programs / "scontrol").write_text("#!/bin/sh\necho no such job >&2; exit 1\n")
    assert end_by(signal.SIGUSR1, monkeypatch, [*words, "--resume"], epoch=1, batch=0) == 128 + signal.SIGUSR1
    assert "scontrol requeue 42 failed (no such job)" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["train", "crossval"])
def test_a_job_of_slurm_goes_back_into_the_queue_before_a_training_begins(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    module = importlib.import_module(load(command).__module__)
    monkeypatch.setattr(module, "describe_dataset", lambda *_, **__: signal.raise_signal(signal.SIGUSR1))
    with pytest.raises(SystemExit) as stop:
        main([command, str(recipe), "--out", str(tmp_path / "run")])
    assert stop.value.code == 128 + signal.SIGUSR1
    assert (tmp_path / "asked").read_text() == "requeue 42\n"
    assert "SIGUSR1: job 42 is in the queue again" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_a_run_that_another_one_has_finished_meanwhile_is_kept(
    recipe: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    monkeypatch.setattr(training, "check_order", lambda *_: shutil.copytree(whole, out))  # before this one locks it
    assert f"another training has changed {out} just now" in refusal(capfd, "train", recipe, "--out", out)
    is_the_same(out, whole)


@pytest.mark.slow
def test_killed_trainings_end_as_if_they_had_not_been(manifest: Path, tmp_path: Path) -> None:
    words = ["--kills", "2", "--kinds", "kill,damage", "--epochs", "2", "--manifest", manifest, "--seed", "3"]
    run([sys.executable, "-m", "benchmarks.kills", *words, "--out", tmp_path / "kills.json"], cwd=ROOT)
    report = json.loads((tmp_path / "kills.json").read_text())
    for kind in ("kill", "damage"):
        assert report["kinds"][kind]["different"] == []
        assert report["kinds"][kind]["ended"] == 2
        assert set(report["kinds"][kind]["exit_codes"]) == {"-9"}
