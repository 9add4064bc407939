"""Several processes train as one with the same steps, end together, and may be another number after a resumption."""

import csv
import json
import os
import random
import re
import signal
import sys
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from safetensors.torch import load_file

from ifdd.__main__ import main
from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.evaluation.sampling import SamplingConfig
from ifdd.signals import Ended
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig
from ifdd.training.engine.batches import Share
from ifdd.training.engine.fitting import build_trainer
from ifdd.training.engine.processes import (
    LONGEST_WAIT,
    SECONDS_TO_REPORT,
    is_first_process,
    placement,
    reported_once,
)
from ifdd.training.engine.state import Position, ResumePoint
from ifdd.training.engine.stopping import SaveState, requeued
from ifdd.training.recipe import Recipe
from ifdd.training.resuming import divide_steps
from tests.helpers.processes import run
from tests.training.test_train import RECIPE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

DIES = """
import os, signal, sys
from ifdd.training.module import ClipClassifier
usual = ClipClassifier.training_step
def step(self, batch, index):
    if (self.trainer.current_epoch, index) == (1, 1) and self.global_rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return usual(self, batch, index)
ClipClassifier.training_step = step
from ifdd.__main__ import main
main(sys.argv[1:])
"""
"""A program that trains, and of which the second process dies in the second epoch."""

SRUN = """#!{python}
import os, subprocess, sys
command = [word for word in sys.argv[1:] if not word.startswith(("--cpus-per-task=", "--kill-on-bad-exit="))]
tasks = int(os.environ["SLURM_NTASKS_PER_NODE"])
every = [
    subprocess.Popen(
        command,
        env=os.environ
        | {{"SLURM_STEP_NUM_TASKS": str(tasks), "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}},
    )
    for rank in range(tasks)
]
sys.exit(max(each.wait() for each in every))
"""
"""What srun does, on one machine."""


@pytest.fixture(scope="module")
def recipe(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs of three steps of two batches, for two processes; without batch norm, whose statistics differ."""
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    changed = {
        "model": {"preset": "ifdd_tiny", "overrides": {"backbone": "mvit_tiny", "size": 32}},
        "data": RECIPE["data"] | {"manifest": str(manifest), "batch_size": 4},  # type: ignore[operator]
        "optimization": {"epochs": 2, "warmup_epochs": 0.5, "ema_decay": 0.5},
    }
    path.write_text(yaml.safe_dump(RECIPE | changed))
    return path


def rows(out: Path) -> list[dict[str, float]]:
    with (out / "csv" / "version_0" / "metrics.csv").open() as file:
        return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]


def test_two_processes_have_the_curve_of_one_even_if_one_of_them_dies(
    recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, two, script = tmp_path / "one", tmp_path / "two", tmp_path / "dies.py"
    main(["train", str(recipe), "--out", str(one), "--optimization.accumulate", "2"])
    script.write_text(DIES)
    done = run([*TORCHRUN, script, "train", recipe, "--out", two], code=None)
    assert done.returncode != 0
    assert done.stdout.count("training on 24 clips") == 1
    told = [line for line in done.stderr.splitlines() if "another of the 2 training processes has stopped" in line]
    assert len(told) == 1, done.stderr
    assert json.loads((two / "training.json").read_text())["epoch"] == 1
    capfd.readouterr()
    main(["train", str(recipe), "--out", str(two), "--resume"])
    said = capfd.readouterr().out
    assert "resuming after 1 epoch; processes: 1, before 2, so each computes 2 of the 2 batches of a step" in said
    for first, second in zip(rows(one), rows(two), strict=True):
        assert first == pytest.approx(second, rel=1e-4, abs=1e-6)
    weights, others = load_file(one / "last.safetensors"), load_file(two / "last.safetensors")
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, atol=1e-4, rtol=1e-3, msg=name)


def test_the_processes_have_to_divide_the_batches_of_a_step() -> None:
    recipe = Recipe(
        DataConfig(Path("m.csv"), batch_size=4),
        ModelConfig(),
        OptimizationConfig(),
        AugmentationConfig(),
        MixupConfig(),
        RunConfig(),
        SamplingConfig(),
    )
    point = ResumePoint(Path("resume.ckpt"), Position(epoch=3, batches=2, processes=4, accumulate=1))
    assert divide_steps(recipe, 2, 1, point) == Share(4, processes=2, rank=1, accumulate=2)
    with pytest.raises(InputError, match=r"takes 4 batches of 4 clips; use a number of processes that.*: 1, 2, 4$"):
        divide_steps(recipe, 3, 0, point)


def test_counts_within_an_epoch_are_converted_to_another_number_of_processes() -> None:
    begun: list[tuple[int, int]] = []
    callback = SaveState(None, 2, lambda epoch, batches: begun.append((epoch, batches)))
    counts = {"ready": 6, "started": 6, "processed": 6, "completed": 5}
    progress = {"total": {name: value + 10 for name, value in counts.items()}, "current": dict(counts)}
    state = {
        "ifdd_position": {"epoch": 1, "batches": 6, "processes": 4, "accumulate": 1},
        "loops": {"fit_loop": {"epoch_loop.batch_progress": progress}},
    }
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    callback.on_load_checkpoint(trainer, LightningModule(), state)
    assert begun == [(1, 24)]
    assert progress["current"] == {"ready": 24, "started": 24, "processed": 24, "completed": 23}
    assert progress["total"]["ready"] == 64


def test_torchrun_says_how_many_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, {"RANK": "3", "LOCAL_RANK": "1"}.get(name, "2" if "LOCAL" in name else "4"))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert placement(RunConfig(device="cpu")) == ("cpu", 2, 2, 4)
    assert not is_first_process()
    with pytest.raises(InputError, match=r"torchrun started 2 processes on this machine, but run\.devices is 3"):
        placement(RunConfig(device="cpu", devices=3))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    with pytest.raises(InputError, match=r"torchrun started 1 process on this machine, but run\.devices is 3"):
        placement(RunConfig(device="cpu", devices=3))


@pytest.mark.parametrize("interrupted", [False, True])
def test_the_first_process_has_time_to_report_what_all_meet(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], interrupted: bool
) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if interrupted:  # by the launcher, because the first process has ended
            raise Ended(signal.SIGTERM)

    in_slurm(monkeypatch, STEP_NUM_TASKS=2, NTASKS=2, NTASKS_PER_NODE=2, PROCID=1)
    monkeypatch.setattr("time.sleep", wait)
    with pytest.raises(SystemExit) as stop, reported_once():
        raise InputError("no such device")
    assert stop.value.code == 2
    assert waited == [SECONDS_TO_REPORT]
    assert capfd.readouterr().err == ""


def test_only_the_first_process_puts_the_job_into_the_queue(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    in_slurm(monkeypatch, STEP_NUM_TASKS=2, NTASKS=2, NTASKS_PER_NODE=2, PROCID=1)
    with pytest.raises(SystemExit) as stop, requeued():
        raise Ended(signal.SIGUSR1)
    assert not stop.value.code  # srun would end the first process
    assert capfd.readouterr().err == ""


def in_slurm(monkeypatch: pytest.MonkeyPatch, **variables: int) -> None:
    """Set what SLURM sets in a batch script and, with STEP_NUM_TASKS, in a task of a step."""
    for name in [name for name in os.environ if name.startswith("SLURM_STEP_")]:
        monkeypatch.delenv(name)
    for name, value in ({"JOB_ID": 7, "NNODES": 1, "NODEID": 0, "PROCID": 0, "LOCALID": 0} | variables).items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))


@pytest.mark.parametrize(
    "variables",
    [
        {"NTASKS": 1},
        {"NTASKS": 4, "NTASKS_PER_NODE": 4},
        {"NTASKS": 8, "NTASKS_PER_NODE": 4, "NNODES": 2},
        {"NTASKS": 4},
        {"STEP_ID": 0, "STEP_NUM_TASKS": 1, "NTASKS": 1, "NTASKS_PER_NODE": 4},
        {"STEP_ID": 4294967290, "STEP_NUM_TASKS": 1, "NTASKS": 8},  # the shell of salloc
        {"STEP_ID": 4294967290, "STEP_NUM_TASKS": 1, "NTASKS": 8, "NTASKS_PER_NODE": 8},
    ],
)
def test_a_batch_script_and_a_step_of_one_task_are_one_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, int]
) -> None:
    in_slurm(monkeypatch, **variables)
    assert placement(RunConfig(device="cpu")) == ("cpu", 1, 1, 1)
    assert placement(RunConfig(device="cpu", devices=2)) == ("cpu", 2, 1, 2)
    trainer = build_trainer(tmp_path, OptimizationConfig(), RunConfig(device="cpu", devices=2), 1, ())
    assert trainer.world_size == 2


def test_processes_wait_longer_than_a_test_lasts(tmp_path: Path) -> None:
    trainer = build_trainer(tmp_path, OptimizationConfig(), RunConfig(device="cpu", devices=2), 1, ())
    assert isinstance(trainer.strategy, DDPStrategy)
    assert trainer.strategy._timeout == LONGEST_WAIT


def test_srun_says_how_many_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    in_slurm(monkeypatch, STEP_NUM_TASKS=4, NTASKS=4, NTASKS_PER_NODE=2, NNODES=2, PROCID=3)
    assert placement(RunConfig(device="cpu")) == ("cpu", 2, 2, 4)
    assert not is_first_process()
    in_slurm(monkeypatch, STEP_NUM_TASKS=2, NTASKS=2, NTASKS_PER_NODE=4)
    with pytest.raises(
        InputError, match=r"started 2 processes on 1 machine, but --ntasks-per-node is 4; give srun the"
    ):
        placement(RunConfig(device="cpu"))
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE")
    with pytest.raises(InputError, match="give --nodes and --ntasks-per-node instead"):
        placement(RunConfig(device="cpu"))


def test_the_template_for_slurm_runs(recipe: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    template = next(block for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "#SBATCH" in block)
    assert {"--requeue", "--signal=USR1@180"} <= set(re.findall(r"^#SBATCH (\S+)", template, re.MULTILINE))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {
        "srun": SRUN.format(python=sys.executable),
        "ifdd": f'#!/bin/sh\nexec {sys.executable} -m ifdd "$@"\n',
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    job = template.replace("configs/dfew.yaml --data.fold 1", str(recipe)).replace(
        "runs/dfew_fold_1", str(tmp_path / "run")
    )
    assert str(recipe) in job
    (tmp_path / "job.sh").write_text(job)
    slurm = {"JOB_ID": random.randrange(1000, 9999), "NTASKS": 2, "NTASKS_PER_NODE": 2, "NNODES": 1, "NODEID": 0}
    slurm |= {"CPUS_PER_TASK": 9}
    env = {f"SLURM_{name}": str(value) for name, value in slurm.items()}
    done = run(["bash", tmp_path / "job.sh"], env=env | {"PATH": f"{programs}:{os.environ['PATH']}"})
    assert done.stdout.count("training on 24 clips") == done.stdout.count("best WAR on") == 1
    assert json.loads((tmp_path / "run" / "training.json").read_text())["state"] == "done"
    point = torch.load(tmp_path / "run" / "resume.ckpt", weights_only=True)
    assert point["ifdd_position"] == {"epoch": 2, "batches": 0, "processes": 2, "accumulate": 1}
