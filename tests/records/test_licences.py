"""Licences travel with the data: datasets, checkpoints, and what is trained from them."""

import typing

import pytest

from ifdd.data.datasets import READERS
from ifdd.data.preparation.prepare import prepare
from ifdd.records import CheckpointRecord, DatasetRecord, LicenceRecord, PreparedRecord
from ifdd.records.licences import LICENCES, data_licence, joined_licences, licence_words

OWN = LicenceRecord("mine", "", "")


def test_every_dataset_of_prepare_has_a_licence_but_your_own_clips() -> None:
    for name in READERS:
        licence = data_licence(name, synthetic=False)
        assert (licence is None) == (name in ("folder", "annotations", "manifest"))
    assert set(READERS) == set(typing.get_args(typing.get_type_hints(prepare)["dataset"]))
    assert "not for commercial use" in LICENCES["ravdess"].terms


def test_a_drawn_tree_has_the_licence_of_synthdfer_in_any_layout() -> None:
    assert data_licence("ravdess", synthetic=True) == LICENCES["synth"]
    assert data_licence(None, synthetic=None) is None


def test_licences_are_named_once_and_unknown_ones_too() -> None:
    joined = joined_licences([OWN], [LICENCES["cremad"], OWN], [])
    assert joined == (OWN, LICENCES["cremad"])
    assert licence_words(joined).startswith("mine: unknown licence; CREMA-D: ODbL-1.0 AND DbCL-1.0 (")
    assert licence_words(None) == ""


@pytest.mark.parametrize(("dataset", "synthetic", "expected"), [("dfew", False, "dfew"), ("dfew", True, "synth")])
def test_the_licence_of_an_older_checkpoint_is_that_of_its_dataset(
    dataset: str, synthetic: bool, expected: str
) -> None:
    prepared = PreparedRecord(dataset, "x", "dfew", None, None, "complete", 0, unchanged=True)
    record = CheckpointRecord(dataset=DatasetRecord("ab", synthetic, prepared))
    assert record.known_licences == (LICENCES[expected],)
    assert "licences" not in record.plain()


def test_a_record_keeps_its_licences() -> None:
    record = CheckpointRecord(licences=(LICENCES["ravdess"], OWN), started_from="a")
    assert CheckpointRecord.read(record.plain(), "there") == record
    assert record.known_licences == (LICENCES["ravdess"], OWN)
    assert CheckpointRecord(data="mine").known_licences == (OWN,)
