"""Two processes train together on the CPU."""

import subprocess
import sys
from pathlib import Path

import pytest

from ifdd import load_checkpoint
from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import read_manifest
from ifdd.evaluation.evaluate import evaluate_model


def test_two_processes_train_one_model_and_show_one_bar(manifest: Path, tmp_path: Path) -> None:
    options = {
        "data.manifest": manifest,
        "data.train_sampling": "uniform_segments",
        "data.class_balance": 1,
        "data.batch_size": 8,
        "data.workers": 0,
        "model.overrides": "{size: 32}",
        "optimization.epochs": 2,
        "optimization.warmup_epochs": 0,
        "run.accelerator": "cpu",
        "run.devices": 2,
        "out": tmp_path,
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "ifdd", "train", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    epochs = [line for line in done.stderr.splitlines() if line.startswith("epoch ") and "loss" in line]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    assert done.stdout.count("training on") == done.stdout.count("best WAR on") == 1
    assert "32/32" in done.stderr  # 24 clips are 12 for each process: one batch of 8; twice, in two epochs

    # three clips on two processes: each counts once
    samples = read_manifest(manifest, "validation")
    assert len(samples) == 3
    checkpoint = load_checkpoint(tmp_path / "last.safetensors")
    scores = evaluate_model(checkpoint.model, ClipDataset(samples, checkpoint.classes, 16, 32)).scores
    assert checkpoint.description["validation"] == pytest.approx({"war": scores.war, "uar": scores.uar})
