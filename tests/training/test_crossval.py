"""Cross-validation from the command line on a tiny DFEW: folds, resuming, finished work, refusals."""

import json
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ifdd.__main__ import main
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import dataset_hash, read_manifest, write_manifest
from ifdd.evaluation.report import CHOSEN_ON_TEST
from ifdd.training.crossval import processes as fold_processes
from tests.helpers.processes import LIMIT_SECONDS, Leftovers, run, started

pytestmark = pytest.mark.slow

RECIPE: dict[str, Any] = {
    "model": {"preset": "ifdd_tiny", "overrides": {"size": 32, "frames": 8}},
    "data": {
        "name": "DFEW",
        "synthetic": True,
        "fps": 10,
        "train_sampling": "uniform_segments",
        "validation_fraction": 0.5,
        "batch_size": 8,
        "workers": 0,
        "cache": True,
    },
    "optimization": {"epochs": 1, "warmup_epochs": 0.5},
    "run": {"device": "cpu", "seed": 3},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a manifest of 28 clips in five folds, written by ``ifdd prepare``."""
    root = tmp_path_factory.mktemp("crossval")
    words = ["--layout", "dfew", "--clips", "28", "--size", "32", "--preset", "easy", "--identities", "10"]
    main(["synth", str(root / "DFEW"), *words, "--workers", "1"])
    main(["prepare", "dfew", str(root / "DFEW"), str(root / "prepared")])
    return root / "prepared" / "manifest.csv"


@pytest.fixture(scope="module")
def recipe(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"data": RECIPE["data"] | {"manifest": str(prepared)}}))
    return path


@pytest.fixture(scope="module")
def done(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "out"
    main(["crossval", str(recipe), "--out", str(out), "--folds", "1,2"])
    return out


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Iterator[Path]:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    yield out
    shutil.rmtree(out)


def crossval(recipe: Path, out: Path, *words: str) -> dict[str, Any]:
    main(["crossval", str(recipe), "--out", str(out), *words])
    document: dict[str, Any] = json.loads((out / "crossval.json").read_text())
    return document


def refusal(capfd: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["crossval", *map(str, words)])
    assert stop.value.code == 2
    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    return errors.strip().splitlines()[-1]


def times(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_every_fold_is_trained_and_tested_and_the_protocol_is_reported(done: Path, prepared: Path) -> None:
    document = json.loads((done / "crossval.json").read_text())
    assert (document["complete"], document["missing"]) == (False, [3, 4, 5])
    samples = read_manifest(prepared)
    for fold, record in zip((1, 2), document["folds"], strict=True):
        evaluation = json.loads((done / f"fold_{fold}" / "evaluation" / "evaluation.json").read_text())
        assert record["confusion"] == evaluation["scores"]["confusion"]
        assert record["war"] == evaluation["scores"]["war"]
        tested = {sample.clip_id for sample in samples if sample.fold == fold and sample.subset == "test"}
        lines = (done / f"fold_{fold}" / "evaluation" / "predictions.csv").read_text().splitlines()[1:]
        assert {line.split(",")[0] for line in lines} == tested
        assert evaluation["protocol"]["checkpoint"]["description"]["recipe"]["data"]["fold"] == fold
    wars = [record["war"] for record in document["folds"]]
    assert document["scores"]["war"]["mean"] == pytest.approx(sum(wars) / 2)
    assert document["scores"]["war"]["deviation"] == pytest.approx(abs(wars[0] - wars[1]) / 2**0.5)
    protocol = document["protocol"]
    assert protocol["dataset"]["hash"] == dataset_hash(samples)
    assert protocol["dataset"]["prepared"]["frames"] == "clip_224x224_16f"
    assert protocol["dataset"]["prepared"]["unchanged"]
    assert (protocol["chosen_on"], protocol["seed"], protocol["label_order"]) == ("validation", 3, "dfew")
    assert protocol["sampling"]["name"] == "uniform_segments"
    assert {"ifdd", "torch", "lightning"} <= protocol["training"]["versions"].keys()
    assert "only 2 of 5 folds" in (done / "crossval.md").read_text()
    assert "computer-generated" in (done / "crossval.md").read_text()


def test_two_folds_in_one_process_read_the_manifest_once(recipe: Path, prepared: Path, tmp_path: Path) -> None:
    opened: list[str] = []
    counting = True

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if counting and event == "open" and str(arguments[0]) == str(prepared):
            opened.append(str(arguments[0]))

    sys.addaudithook(count)  # called for every way to open a file; cannot be removed
    try:
        document = crossval(recipe, tmp_path / "out", "--folds", "1,2")
    finally:
        counting = False
    assert [fold["fold"] for fold in document["folds"]] == [1, 2]
    assert opened == [str(prepared)]


def test_finished_folds_are_not_repeated(recipe: Path, copy: Path) -> None:
    before, results = times(copy), json.loads((copy / "crossval.json").read_text())
    assert crossval(recipe, copy, "--folds", "2") == results
    changed = {name for name, when in times(copy).items() if before.get(name) != when}
    assert changed == {"recipe.yaml", *(f"crossval.{suffix}" for suffix in ("json", "csv", "md", "tex"))}


def test_a_trained_fold_without_evaluation_is_only_tested(recipe: Path, copy: Path) -> None:
    shutil.rmtree(copy / "fold_2" / "evaluation")
    results = json.loads((copy / "crossval.json").read_text())
    before = times(copy / "fold_2")
    again = crossval(recipe, copy, "--folds", "1,2")
    for name in ("confusion", "war_interval", "uar_interval", "epoch"):
        assert [fold[name] for fold in again["folds"]] == [fold[name] for fold in results["folds"]]
    after = times(copy / "fold_2")
    assert {name: after[name] for name in before} == before


def test_another_sampling_repeats_the_test_but_not_the_training(recipe: Path, copy: Path) -> None:
    before = times(copy / "fold_1")
    words = ["--evaluation.sampling", "spaced_clips", "--evaluation.views", "2"]
    document = crossval(recipe, copy, "--folds", "1", *words)
    assert document["protocol"]["sampling"]["temporal_views"] == 2
    assert document["missing"] == [2, 3, 4, 5]  # fold 2 was tested with another sampling
    changed = {name for name, when in times(copy / "fold_1").items() if before.get(name) != when}
    assert changed == {f"evaluation/{name}" for name in ("evaluation.json", "evaluation.md", "predictions.csv")}


@pytest.mark.parametrize("words", [["--subset", "train"], ["--precision", "bf16-mixed"]])
def test_an_evaluation_of_other_clips_or_precision_is_not_the_test_of_a_fold(
    recipe: Path, prepared: Path, copy: Path, words: list[str]
) -> None:
    results = json.loads((copy / "crossval.json").read_text())
    fold = copy / "fold_1"
    own = ["evaluate", str(fold / "best.safetensors"), str(prepared), "--fold", "1", "--workers", "0"]
    main([*own, *words, "--out", str(fold / "evaluation")])
    again = crossval(recipe, copy, "--folds", "1,2")
    assert [each["confusion"] for each in again["folds"]] == [each["confusion"] for each in results["folds"]]
    protocol = json.loads((fold / "evaluation" / "evaluation.json").read_text())["protocol"]
    assert (protocol["subset"], protocol["fold"], protocol["precision"]) == ("test", 1, "32-true")


def test_interrupted_parallel_folds_resume_to_the_same_result(
    recipe: Path, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if list(out.glob("fold_*/resume.ckpt")):
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(fold_processes, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
        with pytest.raises(SystemExit) as stop:
            main(["crossval", str(recipe), "--out", str(out), "--folds", "1,2", "--gpus", "0,1"])
    assert not Leftovers().find()
    assert stop.value.code == 130
    errors = capfd.readouterr().err
    assert "interrupted" in errors
    assert "Traceback" not in errors
    shutil.rmtree(out / "fold_2", ignore_errors=True)  # as if the second fold had not started
    document = crossval(recipe, out, "--folds", "1,2")
    expected = json.loads((done / "crossval.json").read_text())
    assert [fold["confusion"] for fold in document["folds"]] == [fold["confusion"] for fold in expected["folds"]]


def test_processes_of_a_launcher_train_every_fold_together(recipe: Path, tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ifdd"]
    words = ["crossval", recipe, "--out", tmp_path / "out", "--folds", "1,2", "--run.devices", "2"]
    shown = run([*launcher, *words], env={"OMP_NUM_THREADS": "1"}).stdout
    assert [shown.count(f"fold {fold} -> ") for fold in (1, 2)] == [1, 1]
    assert json.loads((tmp_path / "out" / "crossval.json").read_text())["missing"] == [3, 4, 5]
    again = run([*launcher, *words], env={"OMP_NUM_THREADS": "1"}).stdout
    assert [again.count(f"fold {fold} is already done") for fold in (1, 2)] == [1, 1]
    done = run([*launcher, *words[:-2], "--gpus", "0,1"], env={"OMP_NUM_THREADS": "1"}, code=None)
    assert done.stderr.count("--gpus assigns a GPU to each fold, but torchrun started processes") == 1


def test_the_warning_of_slurm_reaches_folds_as_an_interruption_only() -> None:
    with fold_processes._interruptible():
        code = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []) == {signal.SIGUSR1})"
        assert run([sys.executable, "-c", code]).stdout == "True\n"
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_second_interruption_kills_folds_that_do_not_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        f"pathlib.Path(sys.argv[1]).touch(); time.sleep({LIMIT_SECONDS})"
    )
    with started([sys.executable, "-c", deaf, tmp_path / "ready"]) as process:
        process.wait_until((tmp_path / "ready").exists, "it ignores interruptions")

        def interrupted(timeout: float | None = None) -> int:
            monkeypatch.undo()
            raise KeyboardInterrupt

        monkeypatch.setattr(process.popen, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fold_processes._stop([process.popen])
        assert process.popen.returncode == -signal.SIGKILL


def test_a_fold_that_fails_in_a_separate_process_is_named_with_the_reason(
    recipe: Path, prepared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    samples = read_manifest(prepared)
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    from_disk = [(sample, broken if sample.fold == 2 else sample.path) for sample in samples]
    rows = [sample.__class__(**(vars(sample) | {"path": path})) for sample, path in from_disk if sample.fold < 3]
    write_manifest(tmp_path / "manifest.csv", rows)
    words = ["--data.manifest", tmp_path / "manifest.csv", "--out", tmp_path / "out", "--folds", "2", "--gpus", "0"]
    line = refusal(capfd, recipe, *words)
    assert "fold 2 ended with exit code 2: " in line
    assert str(broken) in line
    assert str(tmp_path / "out" / "fold_2" / "log.txt") in line


def test_a_dataset_without_folds_counts_as_one_fold_and_selection_on_test_clips_is_labelled(
    recipe: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data.manifest", str(manifest), "--data.name", "FERV39k", "--run.selection", "test"]
    document = crossval(recipe, tmp_path / "out", *words)
    assert document["complete"]
    assert document["scores"]["uar"]["deviation"] is None
    assert document["protocol"]["chosen_on"] == "test"
    shown = " ".join(capsys.readouterr().out.split())
    folder = tmp_path / "out" / "fold_0" / "evaluation"
    for text in (shown, *((tmp_path / "out" / f"crossval.{suffix}").read_text() for suffix in ("md", "tex"))):
        assert CHOSEN_ON_TEST in text
        assert "one split, no folds" in text
    assert CHOSEN_ON_TEST in (folder / "evaluation.md").read_text()
    for file in (folder / "predictions.csv", tmp_path / "out" / "crossval.csv"):
        assert all(re.search(",test(,choosing the checkpoint)?$", line) for line in file.read_text().splitlines()[1:])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--folds", "1,9"], "has the folds 1, 2, 3, 4, 5"),
        (["--folds", "one"], "--folds is 'one'; give numbers"),
        (["--gpus", "cuda:0"], "--gpus is 'cuda:0'; give numbers"),
        (["--gpus", "0", "--run.devices", "2"], "assigns one GPU to each fold"),
        (["--gpus", "0,99", "--run.device", "auto"], "--gpus is 0,99, but torch finds"),
        (["--gpus", "99", "--run.device", "cuda"], "--gpus is 99, but torch finds"),
        (["--data.fold", "1"], "data.fold is 1, but crossval runs every fold"),
        (["--evaluation.views", "0"], "views"),
        (["--data.manifest", "/nowhere.csv"], "/nowhere.csv"),
    ],
)
def test_a_mistake_gives_one_line_and_writes_nothing(
    recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refusal(capfd, recipe, "--out", tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


def test_a_recipe_that_trained_nothing_may_be_corrected(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit):
        main(["crossval", str(recipe), "--out", str(out), "--folds", "1", "--data.validation-fraction", "0.01"])
    assert (out / "recipe.yaml").is_file()
    assert crossval(recipe, out, "--folds", "1")["missing"] == [2, 3, 4, 5]


def test_new_folds_have_the_classes_of_those_of_an_earlier_version(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    crossval(recipe, out, "--folds", "1", "--data.classes", "ravdess")
    for stored in out.rglob("recipe.yaml"):  # which read these from the manifest
        known = yaml.safe_load(stored.read_text())
        stored.write_text(yaml.safe_dump(known | {"data": known["data"] | {"classes": "manifest"}}))
    document = crossval(recipe, out, "--folds", "1,2", "--data.classes", "manifest")
    assert tuple(document["protocol"]["classes"]) == LABEL_SETS["ravdess"]
    assert [len(fold["confusion"]) for fold in document["folds"]] == [8, 8]


def test_another_recipe_is_refused(recipe: Path, done: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = refusal(capfd, recipe, "--out", done, "--run.seed", "4")
    assert "another recipe (run.seed: 3 -> 4)" in line


def test_a_dfew_of_three_folds_is_refused_without_the_option_folds(
    recipe: Path, prepared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / prepared.name
    shutil.copy(prepared.with_name("prepare.json"), tmp_path)
    write_manifest(manifest, [sample for sample in read_manifest(prepared) if sample.fold in (1, 2, 4)])
    words = ["--data.manifest", str(manifest), "--out", str(tmp_path / "out")]
    line = refusal(capfd, recipe, *words)
    assert "lacks fold 3, 5 of the dataset's 5" in line
    assert "--folds 1,2,4" in line
    assert not (tmp_path / "out").exists()
    assert crossval(recipe, tmp_path / "out", *words[:2], "--folds", "1")["missing"] == [2, 3, 4, 5]
    assert "has the folds 1, 2, 4" in refusal(capfd, recipe, *words, "--folds", "3")


def test_settings_without_effect_on_the_result_may_change_on_resume(
    recipe: Path, prepared: Path, copy: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved" / "manifest.parquet"
    shutil.copytree(prepared.parent, moved.parent)
    record = json.loads((moved.parent / "prepare.json").read_text())
    (moved.parent / "prepare.json").write_text(json.dumps(record | {"manifest": moved.name}))
    write_manifest(moved, read_manifest(prepared))
    before = times(copy / "fold_1")
    words = ["--data.manifest", str(moved), "--data.workers", "1", "--no-data.cache"]
    document = crossval(recipe, copy, "--folds", "1", *words, "--run.device", "auto")
    assert document["missing"] == [3, 4, 5]
    assert times(copy / "fold_1") == before


def test_other_frames_of_the_same_clips_are_refused(
    recipe: Path, prepared: Path, copy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    record = json.loads(prepared.with_name("prepare.json").read_text())
    (tmp_path / "prepare.json").write_text(json.dumps(record | {"frames": "clip_224x224"}))
    write_manifest(tmp_path / "manifest.csv", read_manifest(prepared))
    line = refusal(capfd, recipe, "--out", copy, "--data.manifest", tmp_path / "manifest.csv")
    assert "prepared differently" in line


def test_a_fold_without_test_clips_is_refused(
    recipe: Path, prepared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    samples = [sample for sample in read_manifest(prepared) if (sample.fold, sample.subset) != (4, "test")]
    write_manifest(tmp_path / "manifest.csv", samples)
    line = refusal(capfd, recipe, "--data.manifest", tmp_path / "manifest.csv", "--out", tmp_path / "out")
    assert f"fold 4 of {tmp_path / 'manifest.csv'} has no test clips" in line


def test_changed_clips_are_refused(
    recipe: Path, prepared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_manifest(tmp_path / "manifest.csv", read_manifest(prepared))
    words = ["--data.manifest", str(tmp_path / "manifest.csv"), "--out", str(tmp_path / "out")]
    main(["crossval", str(recipe), *words, "--folds", "1"])
    samples = read_manifest(prepared)
    fewer = [sample for sample in samples if sample.clip_id != samples[0].clip_id]
    write_manifest(tmp_path / "manifest.csv", fewer)
    assert "clips, labels or folds" in refusal(capfd, recipe, *words)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("evaluation/evaluation.json", "{", "is damaged"),
        ("best.safetensors", None, "an evaluation, but no finished training"),
        ("training.json", "[]", "is damaged"),
        ("recipe.yaml", "model: {preset: ifdd_s3d}", "another recipe"),
    ],
)
def test_a_damaged_or_foreign_fold_is_refused(
    recipe: Path, copy: Path, capfd: pytest.CaptureFixture[str], file: str, content: str | None, message: str
) -> None:
    path = copy / "fold_1" / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    line = refusal(capfd, recipe, "--out", copy, "--folds", "1")
    assert message in line
    assert "fold_1" in line
