"""Descriptions of dataset, sampling and software, on a tiny DFEW prepared by ``ifdd prepare``."""

import json
from pathlib import Path

import pytest

from ifdd.__main__ import main
from ifdd.data.manifest import Manifest, Sample, dataset_hash, read_manifest, write_manifest
from ifdd.errors import InputError
from ifdd.evaluation.protocol import clips_used_for, describe_dataset, label_order, running_software, sampling_options
from ifdd.evaluation.report import dataset_words
from ifdd.records import CheckpointRecord, DatasetRecord, PreparedRecord, SamplingOptions
from tests.helpers.layouts import write_dfew


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


def test_another_manifest_next_to_the_record_counts_as_not_prepared(manifest: Path) -> None:
    other = manifest.with_name("mine.csv")
    write_manifest(other, read_manifest(manifest))
    found = describe_dataset(Manifest.read(other))
    hashed = describe_dataset(Manifest.read(manifest)).hash
    assert found == DatasetRecord(hashed, synthetic=None, prepared=None, rates=found.rates)
    assert found.rates is not None
    assert (found.rates.stated, found.rates.median) == (10, 25.0)
    assert "not prepared by 'ifdd prepare'" in dataset_words(found)


def test_the_use_of_clips_is_not_known_after_a_training_on_other_labels_of_their_benchmark() -> None:
    prepared = PreparedRecord("mafw", "clips", "mafw", None, None, "complete", 0, True)
    single, compound = (DatasetRecord(sha256, False, prepared) for sha256 in ("ab", "cd"))
    recipe = {"data": {"fold": 1}}
    first = CheckpointRecord(dataset=single, recipe=recipe, chosen_on="validation")
    second = CheckpointRecord(dataset=compound, recipe=recipe, chosen_on="validation", earlier=first.trainings)
    clips = {subset: [Sample("1", Path("1"), 16, "sad", subset, fold=1)] for subset in ("train", "test")}
    assert clips_used_for(first, "ab", clips["test"], "mafw") == "nothing"
    assert clips_used_for(second, "cd", clips["test"], "mafw") == "not known"
    assert clips_used_for(second, "cd", clips["train"], "mafw") == "training"
    assert clips_used_for(second, "cd", clips["test"], None) == "nothing"


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
