"""Training that starts from a checkpoint of ifdd, with its licences and without its classifier."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ifdd import load_checkpoint
from ifdd.__main__ import main
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Manifest, read_manifest, write_manifest
from ifdd.errors import InputError
from ifdd.evaluation.protocol import describe_dataset
from ifdd.files import file_sha256
from ifdd.model import create_model, save_checkpoint
from ifdd.model.weights.checkpoint import copy_weights
from ifdd.records import CheckpointRecord, DatasetRecord, PastTraining, PreparedRecord
from ifdd.records.licences import LICENCES
from ifdd.training.config import ModelConfig
from ifdd.training.start import Start, build_network, check_start, selection_note, start_line
from tests.helpers.layouts import write_cremad

CREMAD = Path(__file__).parents[2] / "configs" / "cremad.yaml"
CLASSIFIER = ("head.classifier.weight", "head.classifier.bias")


@pytest.fixture
def ravdess(tmp_path: Path) -> Path:
    """A checkpoint of eight classes."""
    torch.manual_seed(3)
    model = create_model("ifdd_tiny", 8, size=32, mean=(0.2,) * 3)
    dataset = DatasetRecord("ravdess", False, None)
    record = CheckpointRecord(data="RAVDESS", dataset=dataset, licences=(LICENCES["ravdess"],))
    path = tmp_path / "ravdess.safetensors"
    save_checkpoint(path, model, LABEL_SETS["ravdess"], 1.0, record)
    return path


def test_all_weights_but_the_classifier_are_taken(ravdess: Path) -> None:
    start = build_network(ModelConfig(weights=str(ravdess)), LABEL_SETS["cremad"])
    theirs, ours = load_checkpoint(ravdess).model.state_dict(), start.network.state_dict()
    assert set(start.left_out) == set(CLASSIFIER)
    assert len(ours["head.classifier.bias"]) == 6
    assert all(torch.equal(theirs[name], value) for name, value in ours.items() if name not in CLASSIFIER)
    assert start.network.config.mean == (0.2,) * 3
    assert (start.licences, start.network.training) == ((LICENCES["ravdess"],), True)
    assert start_line(start).endswith(
        "not taken, so random at first: head.classifier.bias, head.classifier.weight"
    ) or (start_line(start).endswith("not taken, so random at first: head.classifier.weight, head.classifier.bias"))


def test_the_classifier_is_kept_for_the_same_classes_only(ravdess: Path) -> None:
    model = ModelConfig(weights=str(ravdess), overrides={"size": 32, "std": [0.5, 0.5, 0.5]})
    start = build_network(model, LABEL_SETS["ravdess"])
    assert start.left_out == ()
    assert start_line(start).endswith(", all weights")
    assert torch.equal(start.network.head.classifier.bias, load_checkpoint(ravdess).model.head.classifier.bias)
    assert start.network.config.std == (0.5,) * 3
    assert set(build_network(model, LABEL_SETS["ravdess"][::-1]).left_out) == set(CLASSIFIER)


def test_a_part_that_only_one_of_the_two_has_is_left_out(ravdess: Path) -> None:
    checkpoint = load_checkpoint(ravdess)
    checkpoint.model.add_module("units", torch.nn.Linear(2, 2))
    model = create_model("ifdd_tiny", 8, size=32)
    assert copy_weights(model, LABEL_SETS["ravdess"], checkpoint, "x") == ("units.weight", "units.bias")


def test_the_head_for_action_units_is_kept_for_the_same_units_only(tmp_path: Path) -> None:
    path = tmp_path / "units.safetensors"
    model = create_model("ifdd_tiny", 8, size=32, action_units=(4, 12))
    save_checkpoint(path, model, LABEL_SETS["ravdess"], 1.0, CheckpointRecord())
    head = {"action_units.linear.weight", "action_units.linear.bias"}
    for units, left_out in (([4, 12], set[str]()), ([12, 4], head), ([1], head), ([], head)):
        config = ModelConfig(weights=str(path), overrides={"size": 32, "action_units": units})
        start = build_network(config, LABEL_SETS["ravdess"])
        assert (set(start.left_out), start.network.config.action_units) == (left_out, tuple(units))
        assert ("random at first: action_units" in start_line(start)) == (units in ([12, 4], [1]))
        assert ("; not used: action_units" in start_line(start)) == (units == [])


def test_another_architecture_is_refused(ravdess: Path) -> None:
    with pytest.raises(InputError, match=r"has the split issm, but ifdd_tiny \(even_odd\) has even_odd; take"):
        build_network(ModelConfig(ablation="even_odd", weights=str(ravdess)), LABEL_SETS["cremad"])
    with pytest.raises(InputError, match=r"has the size 32, but ifdd_tiny \(full\) has 64; take"):
        build_network(ModelConfig(weights=str(ravdess), overrides={"size": 64}), LABEL_SETS["cremad"])
    with pytest.raises(InputError, match=r"no checkpoint at none\.safetensors"):
        build_network(ModelConfig(weights="none.safetensors"), LABEL_SETS["cremad"])


def test_issm_reads_where_the_weights_learnt_to_read(tmp_path: Path) -> None:
    path = tmp_path / "official.safetensors"
    trained = create_model("ifdd_tiny", 7, size=32, sampling="official", receptive_field=1.5)
    save_checkpoint(path, trained, LABEL_SETS["dfew"], 1.0, CheckpointRecord())

    def reads(ablation: str = "full", **overrides: object) -> tuple[str, float]:
        model = ModelConfig(ablation=ablation, weights=str(path), overrides=overrides)
        config = build_network(model, LABEL_SETS["dfew"]).network.config
        return config.sampling, config.receptive_field

    assert reads() == ("official", 1.5)
    assert reads(sampling="exact", receptive_field=2.0) == ("exact", 2.0)
    assert reads("receptive_field_1") == ("official", 1.0)
    alone = create_model("ifdd_tiny", 7, "backbone_only", size=32, sampling="official", receptive_field=1.5)
    save_checkpoint(path, alone, LABEL_SETS["dfew"], 1.0, CheckpointRecord())
    assert reads() == ("exact", 2.0)  # it has no ISSM


@pytest.mark.parametrize("name", ["own.xml", "own.onnx", "own.pt2"])
def test_an_exported_model_is_refused_as_what_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<?xml version='1.0'?><net/>")
    for preset in ("ifdd_tiny", "ifdd_s3d", "ifdd_vit_b"):
        with pytest.raises(InputError, match="is an exported model, which only"):
            build_network(ModelConfig(preset=preset, weights=str(tmp_path / name)), LABEL_SETS["dfew"])


def test_an_address_on_the_hub_is_resolved_once(ravdess: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def fetch(address: object) -> Path:
        asked.append(address)
        return ravdess

    monkeypatch.setattr("ifdd.model.weights.checkpoint.fetch_from_hub", fetch)
    start = build_network(ModelConfig(weights="hf://ada/faces"), LABEL_SETS["ravdess"])
    assert start.started_from == f"hf://ada/faces (sha256 {file_sha256(ravdess)[:12]})"
    assert len(asked) == 1


def test_an_ablation_of_frames_starts_from_a_checkpoint() -> None:
    start = build_network(ModelConfig(ablation="frames_8", weights="ifdd_tiny_synth"), LABEL_SETS["dfew"])
    assert start.network.config.frames == 8


def test_a_backbone_alone_starts_the_whole_model(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    alone = create_model("ifdd_tiny", 7, "backbone_only", size=32)
    save_checkpoint(path, alone, LABEL_SETS["dfew"], 1.0, CheckpointRecord())
    start = build_network(ModelConfig(weights=str(path), overrides={"size": 32}), LABEL_SETS["dfew"])
    theirs, ours = alone.state_dict(), start.network.state_dict()
    taken = [name for name in ours if name.partition(".")[0] in ("backbone", "pyramid", "head")]
    assert set(taken) == set(theirs)
    assert all(torch.equal(theirs[name], ours[name]) for name in taken)
    assert start.network.config.split == "issm"
    counts = Counter(name.partition(".")[0] for name in start.left_out)
    assert set(counts) == {"split", "lifting", "pooling"}
    assert f"random at first: split ({counts['split']} tensors), lifting ({counts['lifting']} tensors)" in start_line(
        start
    )
    full = tmp_path / "full.safetensors"
    save_checkpoint(full, start.network, LABEL_SETS["dfew"], 1.0, CheckpointRecord())
    with pytest.raises(InputError, match="has the split issm"):
        build_network(ModelConfig(ablation="backbone_only", weights=str(full)), LABEL_SETS["dfew"])


def test_a_checkpoint_of_another_fold_of_the_same_dataset_is_refused(ravdess: Path) -> None:
    dataset = DatasetRecord("ab", False, None)
    start = build_network(ModelConfig(weights=str(ravdess), overrides={"size": 32}), LABEL_SETS["cremad"])
    check_start(start, dataset, 2)
    trained = CheckpointRecord(dataset=dataset, recipe={"data": {"fold": 1}})
    check_start(start._replace(earlier=trained.trainings), dataset, 1)
    with pytest.raises(InputError, match="was trained on fold 1 of the same dataset, whose training clips are test"):
        check_start(start._replace(earlier=trained.trainings), dataset, 2)
    went_on = CheckpointRecord(dataset=DatasetRecord("cd", False, None), earlier=trained.trainings)
    check_start(start._replace(earlier=went_on.trainings), dataset, 1)
    with pytest.raises(InputError, match="was trained on fold 1 of the same dataset"):
        check_start(start._replace(earlier=went_on.trainings), dataset, 2)


def of_benchmark(name: str, dataset: str, synthetic: bool = False, label_set: str | None = None) -> DatasetRecord:
    prepared = PreparedRecord(name, "clips", label_set or name, None, None, "complete", 0, True)
    return DatasetRecord(dataset, synthetic, prepared)


def trained_on(start: Start, dataset: DatasetRecord, fold: int | None = 1) -> Start:
    return start._replace(earlier=CheckpointRecord(dataset=dataset, recipe={"data": {"fold": fold}}).trainings)


@pytest.mark.parametrize(("name", "equal_fold"), [("cremad", True), ("dfew", True), ("mafw", False)])
def test_a_checkpoint_of_the_same_benchmark_with_other_labels_is_refused(
    ravdess: Path, name: str, equal_fold: bool
) -> None:
    start = build_network(ModelConfig(weights=str(ravdess), overrides={"size": 32}), LABEL_SETS["ravdess"])
    trained = CheckpointRecord(dataset=of_benchmark(name, "ab"), recipe={"data": {"fold": 1}})
    went_on = CheckpointRecord(dataset=DatasetRecord("ef", False, None), earlier=trained.trainings)
    start = start._replace(earlier=went_on.trainings)
    remedy = ", or of fold 2" if equal_fold else ""
    other = of_benchmark(name, "cd", label_set="mafw_compound" if name == "mafw" else "votes")
    with pytest.raises(
        InputError, match=f"was trained on {name} with other folds, labels or clips.* another dataset{remedy}$"
    ):
        check_start(start, other, 2)
    if equal_fold:  # its test clips or people are always the same
        check_start(start, other, 1)
    else:
        with pytest.raises(InputError, match="with other folds, labels or clips"):
            check_start(start, other, 1)
    check_start(start, of_benchmark("ravdess", "cd"), 2)
    check_start(start, of_benchmark(name, "cd", synthetic=True), 2)  # of other people each time
    old = PastTraining.read({"dataset": "ab", "fold": 1, "chosen_on": None}, "an earlier version")
    check_start(start._replace(earlier=(old,)), of_benchmark(name, "cd"), 2)


def test_equal_folds_with_other_clips_are_a_start(ravdess: Path) -> None:
    start = build_network(ModelConfig(weights=str(ravdess), overrides={"size": 32}), LABEL_SETS["ravdess"])
    check_start(trained_on(start, of_benchmark("mafw", "ab")), of_benchmark("mafw", "cd"), 1)  # a clip is unreadable
    scenes = trained_on(start, of_benchmark("ferv39k", "ab"), None)
    check_start(scenes, of_benchmark("ferv39k", "cd"), None)  # a single scene
    with pytest.raises(InputError, match="was trained on dfew with other folds, labels or clips"):
        check_start(trained_on(start, of_benchmark("dfew", "ab"), None), of_benchmark("dfew", "cd"), 1)  # which fold?


@pytest.mark.parametrize("change", [{"unchanged": False}, {"dataset": "manifest", "source": "cremad"}])
def test_own_folds_of_a_benchmark_are_no_start_for_its_folds(ravdess: Path, change: dict[str, Any]) -> None:
    start = build_network(ModelConfig(weights=str(ravdess), overrides={"size": 32}), LABEL_SETS["ravdess"])
    official = of_benchmark("cremad", "ab")
    assert official.prepared is not None
    own = replace(official, hash="cd", prepared=replace(official.prepared, **change))
    assert own.benchmark == "cremad"
    for before, now in ((official, own), (own, official), (own, replace(own, hash="ef"))):
        with pytest.raises(
            InputError, match=r"was trained on cremad with other folds, labels or clips.* another dataset$"
        ):
            check_start(trained_on(start, before), now, 1)
    check_start(trained_on(start, own), own, 1)


def test_the_only_fold_of_a_manifest_is_that_of_a_training_without_a_fold(ravdess: Path) -> None:
    dataset = DatasetRecord("ab", False, None)
    start = build_network(ModelConfig(weights=str(ravdess), overrides={"size": 32}), LABEL_SETS["ravdess"])
    check_start(start._replace(earlier=CheckpointRecord(dataset=dataset).trainings), dataset, 1)


def test_weights_that_may_know_the_validation_clips_are_reported(ravdess: Path) -> None:
    start = build_network(ModelConfig(weights=str(ravdess), overrides={"size": 32}), LABEL_SETS["ravdess"])
    dataset, same_benchmark = of_benchmark("cremad", "ab"), of_benchmark("cremad", "cd")
    trained = start._replace(earlier=CheckpointRecord(dataset=dataset, held_out="12").trainings)
    for found in (dataset, same_benchmark):
        assert selection_note(trained, found, held_out="34").startswith(", but the initial weights may have")
        assert selection_note(trained, found, held_out="12") == ""  # held out before, too
        assert selection_note(trained, found, held_out=None) == ""  # a fixed subset
    assert selection_note(trained, DatasetRecord("ef", False, None), held_out="34") == ""
    assert selection_note(start._replace(earlier=None), dataset, held_out="34") == ""
    old = start._replace(earlier=CheckpointRecord(dataset=dataset).trainings)
    assert selection_note(old, dataset, held_out="12") != ""


def test_a_training_records_its_fold_and_what_its_start_may_know(
    ravdess: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "manifest.csv"
    subsets = {"validation": "train"}
    samples = [replace(each, fold=1, subset=subsets.get(each.subset, each.subset)) for each in read_manifest(manifest)]
    write_manifest(few, samples)
    earlier, start = load_checkpoint(ravdess), tmp_path / "start.safetensors"
    record = CheckpointRecord(dataset=DatasetRecord(Manifest.read(few).dataset_hash, None, None), held_out="other")
    save_checkpoint(start, earlier.model, earlier.classes, 1.0, record)
    words = ["--model.weights", str(start), "--model.overrides", "{size: 32}", "--data.manifest", str(few)]
    words += ["--data.train-sampling", "uniform_segments", "--data.workers", "0", "--run.device", "cpu"]
    words += ["--data.validation-fraction", "0.25"]
    words += ["--optimization.epochs", "1", "--optimization.warmup-epochs", "0", "--out", str(tmp_path / "run")]
    main(["train", *words])
    note = "clips, people not in training, but the initial weights may have been trained on some of them"
    assert note in capsys.readouterr().out
    found = load_checkpoint(tmp_path / "run" / "best.safetensors").record
    assert found.selection == f"best WAR on validation {note}"
    assert found.fold == 1
    assert found.held_out not in (None, "other")
    assert yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())["data"]["fold"] is None


def test_the_recipe_of_cremad_starts_from_a_bundled_checkpoint(tmp_path: Path) -> None:
    main(["prepare", "cremad", str(write_cremad(tmp_path / "CREMA-D")), str(tmp_path / "data"), "--faces", "keep"])
    words = ["--model.preset", "ifdd_tiny", "--model.weights", "ifdd_tiny_synth", "--data.fold", "1"]
    words += ["--optimization.epochs", "1", "--optimization.warmup-epochs", "0"]
    words += ["--data.manifest", str(tmp_path / "data" / "manifest.csv"), "--data.workers", "0", "--data.soft-labels"]
    main(["train", str(CREMAD), "--out", str(tmp_path / "run"), "--run.device", "cpu", *words])
    trained = load_checkpoint(tmp_path / "run" / "best.safetensors")
    assert trained.classes == LABEL_SETS["cremad"]
    assert trained.record.licences == (LICENCES["cremad"], LICENCES["synth"])
    assert trained.record.selection == "best WAR on validation clips, people not in training"


def test_licences_travel_from_start_and_data_to_results(
    ravdess: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "manifest.csv"
    read = Manifest.read(manifest)
    write_manifest(few, [replace(sample, frames=16) for sample in read.samples])
    assert describe_dataset(read).licence == LICENCES["synth"]
    recipe = {
        "model": {"preset": "ifdd_tiny", "weights": str(ravdess), "overrides": {"size": 32}},
        "data": {"manifest": str(few), "name": "mine", "workers": 0, "train_sampling": "uniform_segments"},
        "optimization": {"epochs": 1, "warmup_epochs": 0.5},
        "run": {"device": "cpu"},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    main(["train", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "run")])
    assert "starting from" in capsys.readouterr().out
    trained = tmp_path / "run" / "best.safetensors"
    record = load_checkpoint(trained).record
    assert [(licence.data, licence.id) for licence in record.licences or ()] == [
        ("mine", ""),
        ("RAVDESS", "CC-BY-NC-SA-4.0"),
    ]
    assert record.started_from is not None
    assert record.started_from.startswith(str(ravdess))
    assert record.earlier == load_checkpoint(ravdess).record.trainings
    assert [training.dataset for training in record.trainings][-1] == Manifest.read(few).dataset_hash
    main(["convert", str(trained), str(tmp_path / "half.safetensors"), "--half"])
    assert load_checkpoint(tmp_path / "half.safetensors").record == record
    main(["evaluate", str(trained), str(few), "--out", str(tmp_path / "evaluation"), "--device", "cpu"])
    written = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert written["protocol"]["checkpoint"]["description"]["licences"][1]["id"] == "CC-BY-NC-SA-4.0"
    report = (tmp_path / "evaluation" / "evaluation.md").read_text()
    assert "mine: unknown licence; RAVDESS: CC-BY-NC-SA-4.0 (not for commercial use" in report
