"""The command, end to end on tiny sets, its records, pictures and mistakes."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from docs.blocks import disentanglement as block
from ifdd.__main__ import main
from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Manifest, read_manifest, write_manifest
from ifdd.explanation.disentanglement import command, probes
from ifdd.explanation.disentanglement.features import BACKBONE, CONTEXT, EMOTION, extract_features, pool
from ifdd.explanation.disentanglement.measure import ProbeOptions
from ifdd.explanation.disentanglement.tables import number, with_interval
from ifdd.model import DEMONSTRATION, create_model, load_checkpoint, save_checkpoint
from ifdd.model.layers import maps_to_tokens
from ifdd.records import CheckpointRecord, DatasetRecord, DisentanglementRecord, Estimate

pytestmark = pytest.mark.slow

CLIPS, PEOPLE = 42, 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of 14 people, four clips each on average."""
    out = tmp_path_factory.mktemp("set")
    words = ["--clips", str(CLIPS), "--identities", "14", "--validation", "0", "--test", "0.2", "--workers", "1"]
    main(
        ["synth", str(out), *words, "--size", "32", "--frames", "8", "--seed", "5", "--behaviour.visible", "[0.3, 0.6]"]
    )
    return out / "manifest.csv"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "EPOCHS", 3)
    monkeypatch.setattr(probes, "STRENGTHS", (0.01,))


WORDS = ["--subset", "all", "--folds", "2", "--maps", "4", "--resamples", "100", "--workers", "0", "--device", "cpu"]


@pytest.fixture(scope="module")
def record(data: Path, tmp_path_factory: pytest.TempPathFactory) -> DisentanglementRecord:
    """The result of the command for the demonstration checkpoint."""
    out = tmp_path_factory.mktemp("result")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "EPOCHS", 3)
        patch.setattr(probes, "STRENGTHS", (0.01,))
        words = [DEMONSTRATION, str(data), *WORDS, "--out", str(out / "d.json"), "--plot", str(out / "matrix.png")]
        main(["disentangle", *words])
    assert (out / "matrix.png").read_bytes().startswith(b"\x89PNG")
    return DisentanglementRecord.load(out / "d.json", "again")


def test_everything_is_measured(record: DisentanglementRecord) -> None:
    assert (record.clips, record.people, record.subset, record.notes) == (CLIPS, PEOPLE, "all", ())
    names = [factor.name for factor in record.factors]
    assert names == ["emotion", "action units", "identity", "pose", "light", "background", "speech"]
    for factor in record.factors:
        assert len(factor.probes) == 3 * 2
        for found in factor.probes:
            share = (found.score.value - factor.chance) / (1 - factor.chance)
            assert found.knowledge.value == pytest.approx(share)
    assert [factor.people_disjoint for factor in record.factors] == [name != "identity" for name in names]
    assert {each.features for each in record.knowledge} == {BACKBONE, CONTEXT, EMOTION}
    assert len(record.leakage) == 4
    assert record.dynamic_index is not None
    assert [each.split for each in record.dynamic_index.selections] == ["model", "even/odd", "random"]
    assert record.heat_maps is not None
    assert 0 < record.heat_maps.clips <= 4
    assert sum(each.area.value for each in record.heat_maps.places[:3]) == pytest.approx(1)
    assert "--resamples 100" in record.command
    assert record.width == 256


def test_the_scores_of_the_separation_are_those_defined(record: DisentanglementRecord) -> None:
    for separation in record.separation:
        contrast = {}
        for features in (CONTEXT, EMOTION):
            known: dict[str, list[float]] = {"emotion": [], "context": []}
            for factor in record.factors:
                for found in factor.probes:
                    if (found.features, found.probe) == (features, separation.probe):
                        known[factor.group].append(max(found.knowledge.value, 0))
            contrast[features] = np.mean(known["emotion"]) - np.mean(known["context"])
        assert separation.emotion.value == pytest.approx(contrast[EMOTION])
        assert separation.context.value == pytest.approx(-contrast[CONTEXT])
        assert separation.total.value == pytest.approx(contrast[EMOTION] - contrast[CONTEXT])


def test_the_page_shows_the_result(
    record: DisentanglementRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block, "ROOT", tmp_path)
    assert block.measured().startswith("Not measured yet")
    record.write(tmp_path / "results" / "disentanglement.json")
    text = block.measured()
    assert f"on {CLIPS} clips of {PEOPLE} people" in text
    for heading in ("Knowledge (linear probe)", "Separation", "Leakage", "Dynamic index", "Heat maps"):
        assert f"**{heading}**" in text
    assert re.search(r"^\| pose: yaw \| -?\d\.\d\d \| ", text, re.MULTILINE)
    first = record.factors[0].probes[0].knowledge.value
    assert re.search(rf"^\| emotion \| {number(first)} \[", text, re.MULTILINE)


def test_the_features_are_those_of_the_model(data: Path) -> None:
    loaded = load_checkpoint(DEMONSTRATION)
    dataset = ClipDataset(read_manifest(data)[:3], loaded.classes, 16, 64)
    found = extract_features(loaded.model, dataset, "moments", batch_size=2)
    clip = torch.stack([dataset[place][0] for place in range(3)]).float() / 255
    model = loaded.model
    with torch.inference_mode():
        maps = model.pyramid(model.backbone((clip - model.mean) / model.std))
        static, dynamic, split = model.split(maps)
        lifted = model.lifting(maps_to_tokens(static), maps_to_tokens(dynamic))
        expected = {BACKBONE: maps_to_tokens(maps), CONTEXT: lifted.context, EMOTION: lifted.emotion}
        right = (model(clip).logits.argmax(1) == torch.tensor(dataset.targets)).float().mean()
    for name, tokens in expected.items():
        wanted = torch.cat([tokens.mean(1), tokens.std(1, correction=0)], 1)
        assert found.features[name] == pytest.approx(wanted.numpy(), abs=1e-4)
        assert pool(tokens, "mean").shape == (3, 256)
    assert found.dynamic_position == pytest.approx(split.dynamic_index.clamp(0, 7).numpy(), abs=1e-4)
    assert found.correct == pytest.approx(float(right))


@pytest.fixture(scope="module")
def backbone_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "backbone.safetensors"
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", ablation="backbone_only", size=32, frames=8)
    save_checkpoint(path, model, LABEL_SETS["dfew"], 1.0, CheckpointRecord(preset="ifdd_tiny"))
    return path


def test_a_model_without_halves_and_a_manifest_without_truth(
    backbone_only: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real data: columns alone; the clips lie where there is no truth beside them."""
    with data.open() as file:
        rows = list(csv.DictReader(file))
    (tmp_path / "clips").mkdir()
    for row in rows:
        (tmp_path / row["path"]).symlink_to(data.parent / row["path"])
    with (tmp_path / "manifest.csv").open("w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    main(["disentangle", str(backbone_only), str(tmp_path / "manifest.csv"), *WORDS, "--out", str(tmp_path / "d.json")])
    found = DisentanglementRecord.load(tmp_path / "d.json", "again")
    assert [factor.name for factor in found.factors] == ["emotion", "action units", "identity"]
    assert {each.features for factor in found.factors for each in factor.probes} == {BACKBONE}
    assert (found.separation, found.leakage, found.dynamic_index, found.heat_maps) == ((), (), None, None)
    errors = " ".join(capsys.readouterr().err.split())
    assert "not measured: pose, light, background and speech: the clips have no truth of SynthDFER" in errors
    assert "the model has no ISSM and LADM (backbone only)" in errors


def test_labels_that_are_no_classes_are_probed_without_accuracy(
    backbone_only: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = read_manifest(data)
    loaded = load_checkpoint(backbone_only)
    own = tmp_path / "own.safetensors"
    dataset = DatasetRecord(Manifest.read(data).dataset_hash, None, None)
    classes = tuple("joy" if name == "happy" else f"{name}_1" for name in loaded.classes)
    save_checkpoint(own, loaded.model, classes, 1.0, CheckpointRecord(dataset=dataset))
    words = ["disentangle", str(own), str(data), *WORDS, "--out", str(tmp_path / "d.json")]
    main(words)
    found = DisentanglementRecord.load(tmp_path / "d.json", "again")
    assert found.checkpoint.accuracy is None
    assert found.clips_used_for == "training"
    assert any(note.startswith("accuracy: no class for the labels ") for note in found.notes)
    assert "it recognises" not in block.about(found)
    assert "note: the model was trained on these clips" in " ".join(capsys.readouterr().err.split())
    happy = tmp_path / "happy.csv"
    names = dict.fromkeys(("happy", "sad"), "joy") | {"fear": "happiness"}
    write_manifest(happy, [replace(each, label=names.get(each.label, "happy")) for each in samples])
    main(["disentangle", str(own), str(happy), *WORDS, "--synonyms", "--out", str(tmp_path / "d.json")])
    found = DisentanglementRecord.load(tmp_path / "d.json", "again")
    assert found.checkpoint.accuracy is not None
    assert "--synonyms" in found.command
    assert "emotion" not in {factor.name for factor in found.factors}, "all are one class"


def test_synonyms_are_read_although_another_label_is_no_class(data: Path) -> None:
    labels, loaded = ("happy", "joy", "contempt"), load_checkpoint(DEMONSTRATION)
    samples = [replace(each, label=label) for each, label in zip(read_manifest(data), labels, strict=False)]
    for synonyms, read in ((True, ("happy", "happy", "contempt")), (False, labels)):
        dataset, unknown = command._dataset(samples, loaded, synonyms)
        assert tuple(sample.label for sample in dataset.samples) == read
        assert set(dataset.classes) == set(read)
        assert unknown.startswith("no class for the labels contempt;")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["disentangle", *words])
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()
    return error[-1]


def test_mistakes_are_refused_in_one_line(
    data: Path, tmp_path: Path, backbone_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (str(backbone_only), str(data))
    assert "--resamples is 5; it must be at least 100" in refused(capsys, *words, "--resamples", "5")
    assert "there are 3 people" in refused(capsys, *words, "--subset", "test", "--folds", "2")
    assert f"cannot write {tmp_path}" in refused(capsys, *words, "--out", str(tmp_path))
    assert "no clip with subset validation" in refused(capsys, *words, "--subset", "validation")
    assert "unknown format" in refused(capsys, *words, *WORDS, "--plot", str(tmp_path / "a.xyz"))
    (tmp_path / "clips").mkdir()
    for file in (data.parent / "clips").iterdir():
        (tmp_path / "clips" / file.name).symlink_to(file)
    (tmp_path / "manifest.csv").write_text(data.read_text())
    damaged = tmp_path / "clips" / "000003.json"
    damaged.unlink()
    damaged.write_text('{"frames": []}')
    error = refused(capsys, str(backbone_only), str(tmp_path / "manifest.csv"), *WORDS)
    assert re.search(r"000003\.json is no truth of SynthDFER, or damaged", error)


def test_a_set_of_an_earlier_version_lacks_light_and_background(data: Path, tmp_path: Path) -> None:
    from ifdd.explanation.disentanglement.factors import find_factors
    from ifdd.explanation.disentanglement.truth import read_truth

    samples = read_manifest(data)
    truths = []
    for sample in samples:
        content = json.loads((data.parent / "clips" / f"{sample.clip_id}.json").read_text())
        del content["scene"]
        for frame in content["frames"]:
            del frame["light"], frame["brightness"]
        (tmp_path / "old.json").write_text(json.dumps(content))
        truths.append(read_truth(tmp_path / "old.json", np.arange(8)))
    factors, notes = find_factors(samples, truths, data, 2)
    assert {factor.name for factor in factors} == {"emotion", "action units", "identity", "pose", "speech"}
    assert len(notes) == 1
    assert notes[0].startswith("light and background: an earlier version wrote this set")


def test_the_command_is_spelt_without_defaults() -> None:
    options = ProbeOptions(folds=4, workers=3)
    spelt = command._spelt((Path("a b.safetensors"), Path("m.csv")), "test", 2, options, None)
    assert spelt == "ifdd disentangle 'a b.safetensors' m.csv --fold 2 --folds 4"


def test_an_estimate_is_written_with_its_interval() -> None:
    assert with_interval(Estimate(-0.001, -0.2, 0.3)) == "0.00 [-0.20, 0.30]"
    assert with_interval(Estimate(0.5, None, None)) == "0.50"
    assert with_interval(None) == "-"
