"""The benchmark of dynamics, end to end on tiny clips, and the page that shows it."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.dynamics import find_models, run
from docs.blocks import dynamics, markdown
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Manifest, read_manifest, write_manifest
from ifdd.errors import InputError
from ifdd.evaluation.evaluate import evaluate_checkpoint
from ifdd.evaluation.sampling import SamplingConfig
from ifdd.model import BACKBONES, Checkpoint, create_model, load_checkpoint, save_checkpoint
from ifdd.records import CheckpointRecord
from ifdd.training.study.baselines import register_baselines
from tests.helpers.pages import ROOT
from tests.helpers.videos import write_clip_manifest

STRESS = "reversal,noise"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two checkpoints of one model, clips, pairs and the result."""
    folder = tmp_path_factory.mktemp("dynamics")
    for seed in range(2):
        torch.manual_seed(seed)
        model = create_model("ifdd_tiny", 7, frames=8, size=32)
        (folder / f"seed_{seed}").mkdir()
        save_checkpoint(
            folder / f"seed_{seed}" / "best.safetensors", model, LABEL_SETS["dfew"], 0.8, CheckpointRecord()
        )
    table = write_clip_manifest(folder, ["happy", "fear", "angry", "sad"])
    about = [("1", "onset"), ("1", "frozen_apex"), ("2", "onset"), ("2", "frozen_apex")]
    samples = read_manifest(table)
    write_manifest(
        folder / "pairs.csv",
        [replace(s, attributes={"pair": p, "condition": c}) for s, (p, c) in zip(samples, about, strict=True)],
    )
    run(options(folder, models=[f"one={folder}/seed_0/best.safetensors", f"two={folder}/seed_*/best.safetensors"]))
    return folder


def options(folder: Path, **changes: object) -> argparse.Namespace:
    given = {
        "models": [f"one={folder}/seed_0/best.safetensors"],
        "manifest": folder / "test.csv",
        "pairs": folder / "pairs.csv",
        "stress": STRESS,
        "subset": "test",
        "baselines": None,
        "work": folder / "predictions",
        "batch_size": 16,
        "workers": 0,
        "device": "cpu",
        "out": folder / "dynamics.json",
    }
    return argparse.Namespace(**(given | changes))


def test_the_result_agrees_with_ifdd_evaluate(work: Path) -> None:
    report = json.loads((work / "dynamics.json").read_text())
    assert report["clips"]["clips"] == 4
    assert report["command"].startswith("python benchmarks/dynamics.py")
    assert report["machine"]["device"]
    stress, pairs = dynamics.stress_records(report), dynamics.pairs_records(report)
    assert list(stress) == list(pairs) == ["one", "two"]
    how, names = SamplingConfig(), tuple(STRESS.split(","))
    first = work / "seed_0" / "best.safetensors"
    alone, _ = evaluate_checkpoint(first, Manifest.read(work / "test.csv"), how, stress=names)
    assert alone.stress == stress["one"]
    alone, _ = evaluate_checkpoint(first, Manifest.read(work / "pairs.csv"), how, pairs=True)
    assert alone.pairs is not None
    assert alone.pairs.conditions == pairs["one"].conditions


def test_seeds_are_averaged(work: Path) -> None:
    report = json.loads((work / "dynamics.json").read_text())
    stress, pairs = dynamics.stress_records(report), dynamics.pairs_records(report)
    seeds = []
    for seed in range(2):
        path = work / f"seed_{seed}" / "best.safetensors"
        seeds.append(
            evaluate_checkpoint(path, Manifest.read(work / "test.csv"), SamplingConfig(), stress=("noise",))[0]
        )
    points = [[p.result for p in each.stress.curves[0].points] for each in seeds if each.stress]
    for number, point in enumerate(stress["two"].curves[1].points):
        for name in ("war", "distance"):
            mean = np.mean([getattr(of_seed[number], name).value for of_seed in points])
            assert getattr(point.result, name).value == pytest.approx(mean, abs=1e-5)
    assert pairs["two"].pairs == 4


def test_an_interrupted_run_resumes(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept predictions are used for the same checkpoint, clips and code, and for no others."""
    calls = []

    def load(path: str) -> Checkpoint:
        calls.append(path)
        return load_checkpoint(path)

    monkeypatch.setattr("benchmarks.dynamics.load_checkpoint", load)
    run(options(work, out=work / "again.json"))
    assert calls == []
    again, first = (json.loads((work / name).read_text())["models"][0] for name in ("again.json", "dynamics.json"))
    assert again == first
    run(options(work, out=work / "again.json", stress="reversal"))
    assert len(calls) == 1
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.dynamics.code_sha256", lambda: "another")
        run(options(work, out=work / "again.json"))
    assert len(calls) == 2
    for kept in (work / "predictions").iterdir():
        kept.write_bytes(b"PK")
    with pytest.raises(InputError, match="is damaged"):
        run(options(work, out=work / "again.json"))


def test_a_model_of_single_frames_does_not_depend_on_their_order(work: Path) -> None:
    """A baseline outside the package is read by the name that its study gives; order is nothing to it."""
    study = work / "study.yaml"
    builder = ROOT / "benchmarks" / "baselines" / "frame_average.py"
    study.write_text(f"baselines: {{my_frames: '{builder}:frame_average'}}\n")
    register_baselines({"my_frames": f"{builder}:frame_average"})
    try:
        torch.manual_seed(0)
        model = create_model("ifdd_tiny", 7, "backbone_only", backbone="my_frames", frames=8, size=32)
        save_checkpoint(work / "frames.safetensors", model, LABEL_SETS["dfew"], 0.8, CheckpointRecord())
        del BACKBONES["my_frames"]
        names = "reversal,shuffle,freeze_first"
        given = {"models": [str(work / "frames.safetensors")], "stress": names, "pairs": None, "baselines": study}
        run(options(work, out=work / "frames.json", **given))
    finally:
        BACKBONES.pop("my_frames", None)
    record = dynamics.stress_records(json.loads((work / "frames.json").read_text()))["frames"]
    reversal, shuffle, frozen = ([point.result for point in curve.points] for curve in record.curves)
    assert all(result.distance.value < 1e-5 and result.changed.value == 0 for result in (*reversal, *shuffle))
    assert frozen[-1].distance.value > 1e-4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["full=nowhere/*.safetensors"], "no checkpoint is called nowhere"),
        (["nowhere.safetensors"], "no checkpoint is called nowhere.safetensors"),
        (["a=ifdd_face", "a=ifdd_tiny_synth"], "two models are called a"),
    ],
)
def test_checkpoints_that_are_not_there_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_models(words)


def test_the_page_shows_the_result(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = json.loads((work / "dynamics.json").read_text())
    monkeypatch.setattr(dynamics, "report", lambda: report)
    stress, pairs = dynamics.stress_records(report), dynamics.pairs_records(report)
    shown = dynamics.stress()
    assert "| change | one | two |" in shown
    assert "reversal" in shown
    assert f"{100 * stress['two'].war.value:.1f}" in shown
    assert f"{100 * pairs['one'].conditions[1].result.changed.value:.1f}" in dynamics.pairs()
    assert report["command"] in dynamics.method()


def test_the_page_says_when_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dynamics, "RESULT", tmp_path / "dynamics.json")
    for name, block in dynamics.BLOCKS.items():
        assert (block() == dynamics.NOT_MEASURED) is (name != "dynamics changes")
    assert markdown.ROOT in dynamics.PICTURE.parents
