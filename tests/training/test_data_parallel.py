"""Data-parallel training with two processes on the CPU."""

import re
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from ifdd import load_checkpoint
from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import read_manifest
from ifdd.evaluation.evaluate import evaluate_model
from tests.helpers.processes import run

pytestmark = pytest.mark.slow


def train(manifest: Path, out: Path, code: int = 0) -> CompletedProcess[str]:
    options = {
        "data.manifest": manifest,
        "data.train_sampling": "uniform_segments",
        "data.class_balance": 1,
        "data.batch_size": 8,
        "data.workers": 0,
        "model.overrides": "{size: 32}",
        "optimization.epochs": 2,
        "optimization.warmup_epochs": 0,
        "run.device": "cpu",
        "run.devices": 2,
        "out": out,
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    return run([sys.executable, "-m", "ifdd", "train", *words], code=code)


def test_two_processes_train_one_model_and_show_one_bar(manifest: Path, tmp_path: Path) -> None:
    done = train(manifest, tmp_path)
    assert "Warning" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("epoch ") and "loss" in line]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert all(
        re.search(
            r"validation WAR 0\.\d+ UAR 0\.\d+  \d+ clips/s, \d+% of the time waiting for clips, scored in \d+ s$", line
        )
        for line in lines
    )
    assert done.stdout.count("training on") == done.stdout.count("best WAR on") == 1
    assert "48/48" in done.stderr  # 24 clips in each epoch

    # three validation clips on two processes: each counts once
    samples = read_manifest(manifest, "validation")
    assert len(samples) == 3
    checkpoint = load_checkpoint(tmp_path / "last.safetensors")
    scores = evaluate_model(checkpoint.model, ClipDataset(samples, checkpoint.classes, 16, 32)).scores
    assert checkpoint.record.validation is not None
    assert checkpoint.record.validation.plain() == pytest.approx({"war": scores.war, "uar": scores.uar})


def test_an_error_in_one_process_stops_both_without_a_traceback(manifest: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    rows = manifest.read_text().replace("clips/", f"{manifest.parent}/clips/").splitlines()
    first = next(index for index, row in enumerate(rows) if ",train," in row)
    rows[first] = ",".join([rows[first].split(",")[0], str(broken), *rows[first].split(",")[2:]])
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    done = train(tmp_path / "manifest.csv", tmp_path / "run", code=2)
    assert "Traceback" not in done.stderr
    assert str(broken) in done.stderr
