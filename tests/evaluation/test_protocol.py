"""Descriptions of dataset, sampling and software, on a tiny DFEW prepared by ``ifdd prepare``."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ifdd.__main__ import main
from ifdd.data.manifest import Manifest, Sample, dataset_hash, read_manifest, write_manifest
from ifdd.errors import InputError
from ifdd.evaluation.protocol import clips_used_for, describe_dataset, label_order, running_software, sampling_options
from ifdd.evaluation.report import dataset_words
from ifdd.records import CheckpointRecord, DatasetRecord, LicenceRecord, PreparedRecord, SamplingOptions
from ifdd.records.licences import LICENCES
from tests.helpers.layouts import write_clip, write_dfew


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    main(["prepare", "dfew", str(write_dfew(tmp_path / "DFEW", frames=2)), str(tmp_path / "out")])
    return tmp_path / "out" / "manifest.csv"


def test_a_prepared_dataset_is_described_by_its_record(manifest: Path) -> None:
    found = describe_dataset(Manifest.read(manifest))
    record = json.loads((manifest.parent / "prepare.json").read_text())
    assert found.hash == record["dataset_hash"] == dataset_hash(read_manifest(manifest))
    assert found.synthetic is True
    assert found.prepared == PreparedRecord(
        dataset="dfew",
        frames="clip_224x224_16f",
        label_set="dfew",
        faces=None,
        pack=None,
        verdict="complete",
        excluded=0,
        unchanged=True,
    )
    words = dataset_words(found)
    assert words.startswith(f"hash {found.hash[:12]}, SynthDFER as dfew, frames clip_224x224_16f, faces not cropped")
    assert words.endswith("complete")


def test_a_manifest_edited_after_the_checks_is_marked_as_changed(manifest: Path) -> None:
    before = describe_dataset(Manifest.read(manifest))
    write_manifest(manifest, read_manifest(manifest)[1:])
    after = describe_dataset(Manifest.read(manifest))
    assert after.hash != before.hash
    assert after.prepared is not None
    assert after.prepared.unchanged is False
    assert "CHANGED after it was prepared" in dataset_words(after)


def test_a_manifest_of_other_clips_next_to_the_record_counts_as_not_prepared(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, elsewhere = manifest.with_name("mine.csv"), manifest.parent.parent / "elsewhere"
    elsewhere.mkdir()
    write_manifest(other, [replace(sample, path=elsewhere, label="sad") for sample in read_manifest(manifest)])
    capsys.readouterr()
    found = describe_dataset(Manifest.read(other), notes=False)
    assert capsys.readouterr().err == ""
    assert describe_dataset(Manifest.read(other)) == describe_dataset(Manifest.read(other)) == found
    hashed = dataset_hash(read_manifest(other))
    assert found == DatasetRecord(hashed, synthetic=None, prepared=None, rates=found.rates)
    assert found.rates is not None
    assert (found.rates.stated, found.rates.median) == (10, 25.0)
    assert "not prepared by 'ifdd prepare'" in dataset_words(found)
    errors = capsys.readouterr().err
    assert errors.count(f"note: {other} has clips that the prepare.json beside it does not") == 1


def test_a_renamed_or_filtered_manifest_keeps_its_licence_and_rates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_dfew(tmp_path / "DFEW", frames=2, synthetic=False)
    main(["prepare", "dfew", str(root), str(tmp_path / "out"), "--allow-incomplete"])
    manifest = tmp_path / "out" / "manifest.csv"
    capsys.readouterr()
    other = manifest.with_name("three.csv")
    for samples in (read_manifest(manifest), read_manifest(manifest)[1:]):
        write_manifest(other, samples)
        found = describe_dataset(Manifest.read(other))
        assert (found.licence, found.synthetic) == (LICENCES["dfew"], False)
        assert found.prepared is not None
        assert (found.prepared.dataset, found.benchmark) == ("dfew", "dfew")
        assert found.rates is not None
        assert found.rates.assumed == found.rates.clips > 0
    assert capsys.readouterr().err == ""
    write_manifest(other, [replace(sample, fps=30.0) for sample in read_manifest(manifest)[1:]])
    rates = describe_dataset(Manifest.read(other)).rates
    assert rates is not None
    assert rates.stated == rates.clips  # by whoever wrote the table


def test_what_a_filtered_manifest_keeps_depends_on_no_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dfew(tmp_path / "DFEW", frames=2, synthetic=False)
    monkeypatch.chdir(tmp_path)
    main(["prepare", "dfew", "DFEW", "out", "--allow-incomplete"])
    file, filtered, others = (tmp_path / "out" / name for name in ("prepare.json", "filtered.csv", "others.csv"))
    samples = read_manifest("out/manifest.csv")[1:]
    write_manifest(filtered, samples)
    write_clip(tmp_path / "own/a", 3)
    write_manifest(others, [replace(samples[0], path=tmp_path / "own/a")])

    def licences() -> list[LicenceRecord | None]:
        return [describe_dataset(Manifest.read(path)).licence for path in (filtered, others)]

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder in (elsewhere, tmp_path):
        monkeypatch.chdir(folder)
        assert licences() == [LICENCES["dfew"], None]
    old = json.loads(file.read_text())
    del old["relative_root"]
    file.write_text(json.dumps(old))
    assert licences() == [LICENCES["dfew"], None]
    file.write_text(json.dumps(old | {"root": "gone"}))
    assert licences() == [None, None]


def test_crops_and_packs_are_known_by_their_place(tmp_path: Path) -> None:
    write_clip(tmp_path / "own/happy/a", 3)
    write_clip(tmp_path / "own/sad/b", 3)
    main(["prepare", "folder", str(tmp_path / "own"), str(tmp_path / "out"), "--detector", "haar", "--pack"])
    manifest = tmp_path / "out" / "manifest.csv"
    file = manifest.with_name("prepare.json")
    record = json.loads(file.read_text())
    record["faces"]["alignment"] = "landmarks"  # as with YuNet
    file.write_text(json.dumps(record))
    other, (packed, *_) = manifest.with_name("some.csv"), read_manifest(manifest)
    cropped = replace(packed, path=tmp_path / "out/faces/happy/a")
    raw = replace(packed, path=tmp_path / "own/happy/a")
    for sample, alignment in ((packed, "landmarks"), (cropped, "landmarks"), (raw, "box")):
        write_manifest(other, [sample])
        found = describe_dataset(Manifest.read(other))
        assert found.prepared is not None
        assert (found.prepared.dataset, found.alignment) == ("folder", alignment)


def test_the_use_of_clips_is_not_known_after_a_training_on_other_labels_of_their_benchmark() -> None:
    single, compound, captioned = (
        DatasetRecord(sha256, False, PreparedRecord("mafw", "clips", label_set, None, None, "complete", 0, True))
        for sha256, label_set in (("ab", "mafw"), ("cd", "mafw_compound"), ("ef", "mafw"))
    )
    recipe = {"data": {"fold": 1}}
    first = CheckpointRecord(dataset=single, recipe=recipe, chosen_on="validation")
    second = CheckpointRecord(dataset=compound, recipe=recipe, chosen_on="validation", earlier=first.trainings)
    clips = {subset: [Sample("1", Path("1"), 16, "sad", subset, fold=1)] for subset in ("train", "test")}
    assert clips_used_for(first, single, clips["test"]) == "nothing"
    assert clips_used_for(second, compound, clips["test"]) == "not known"
    assert clips_used_for(second, compound, clips["train"]) == "training"
    assert clips_used_for(first, single, clips["test"] + clips["train"]) == "training", "the worst use counts"
    unprepared = DatasetRecord("cd", False, None)  # nothing tells where its clips come from
    assert clips_used_for(second, unprepared, clips["test"]) == "nothing"
    for chosen_on, used_for in (("validation", "nothing"), ("test", "choosing the checkpoint")):
        first = CheckpointRecord(dataset=single, recipe=recipe, chosen_on=chosen_on)
        second = CheckpointRecord(dataset=captioned, recipe=recipe, chosen_on="validation", earlier=first.trainings)
        assert clips_used_for(second, captioned, clips["test"]) == used_for


@pytest.mark.parametrize("text", ["{", "[]", '{"manifest": "manifest.csv"}'])
def test_a_damaged_record_is_refused(manifest: Path, text: str) -> None:
    (manifest.parent / "prepare.json").write_text(text)
    with pytest.raises(InputError, match=r"prepare\.json is damaged .*prepare the dataset again"):
        describe_dataset(Manifest.read(manifest))


def test_label_orders_are_named() -> None:
    assert label_order(("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")) == "dfew"
    assert label_order(("sad", "happy")) == "its own"


def test_options_that_a_sampling_does_not_use_are_none() -> None:
    assert sampling_options("uniform_segments", 2, 3, 1) == SamplingOptions("uniform_segments", None, None, 1)
    assert sampling_options("spaced_clips", 2, 3, 2).temporal_views == 3
    assert sampling_options("consecutive_clips", 2, 3, 2).stride == 2


def test_versions_of_the_running_software() -> None:
    found = running_software("ifdd", "torch", "python").versions
    assert list(found) == ["ifdd", "torch", "python"]
    assert all(found.values())
