"""Selection of training and validation clips, and that each validation clip counts once."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from ifdd import IFDDConfig
from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import Manifest, Sample, read_manifest, write_manifest
from ifdd.errors import InputError
from ifdd.records import DatasetRecord, RatesRecord
from ifdd.training.clips import REPEATED, ClipDataModule, hold_out
from ifdd.training.config import DataConfig
from ifdd.training.engine.batches import Share
from ifdd.training.train import timing_record

MODEL = IFDDConfig(backbone="s3d_tiny", size=32)


def ids(clips: ClipDataset) -> set[str]:
    return {sample.clip_id for sample in clips.samples}


def of(samples: list[Sample], *subsets: str) -> set[str]:
    return {sample.clip_id for sample in samples if sample.subset in subsets}


@pytest.fixture
def without_validation(manifest: Path, tmp_path: Path) -> tuple[Path, list[Sample]]:
    """The dataset with its validation clips moved to the training subset."""
    path = tmp_path / "manifest.csv"
    samples = [
        replace(sample, subset="train") if sample.subset == "validation" else sample
        for sample in read_manifest(manifest)
    ]
    write_manifest(path, samples)
    return path, samples


def test_the_validation_subset_selects(manifest: Path) -> None:
    samples = read_manifest(manifest)
    module = ClipDataModule(DataConfig(manifest), Manifest.read(manifest), MODEL, seed=0)
    assert ids(module.train) == of(samples, "train")
    assert ids(module.validation) == of(samples, "validation")
    assert module.selection_clips == "validation clips, people not in training"


def test_only_clips_with_the_wanted_value_are_trained_on(manifest: Path, tmp_path: Path) -> None:
    samples = [
        replace(sample, attributes={"age": "old" if number % 3 else "young", "site": str(number % 2)})
        for number, sample in enumerate(read_manifest(manifest))
    ]
    path = tmp_path / "manifest.csv"
    write_manifest(path, samples)

    def module(where: dict[str, str | int | float]) -> ClipDataModule:
        return ClipDataModule(DataConfig(path, train_where=where), Manifest.read(path), MODEL, seed=0)

    chosen = module({"age": "old", "site": 1})
    wanted = [sample for sample in samples if sample.attributes == {"age": "old", "site": "1"}]
    assert ids(chosen.train) == of(wanted, "train") != of(samples, "train")
    assert ids(chosen.validation) == of(samples, "validation")
    with pytest.raises(InputError, match=r"^data\.train_where names the column 'sex'; .* are age, site$"):
        module({"sex": "female"})
    with pytest.raises(InputError, match=r"the column age has no 'middle', but old, young; write values .* in quotes$"):
        module({"age": "middle"})


def test_a_class_without_clips_that_have_the_wanted_value(manifest: Path, tmp_path: Path) -> None:
    samples = read_manifest(manifest)
    (label, *_) = (sample.label for sample in samples if sample.subset == "validation")
    path = tmp_path / "manifest.csv"
    write_manifest(path, [replace(each, attributes={"group": "b" if each.label == label else "a"}) for each in samples])
    with pytest.raises(InputError, match=f"no training clips of {label}; .*: change data.train_where, which"):
        ClipDataModule(DataConfig(path, train_where={"group": "a"}), Manifest.read(path), MODEL, seed=0)


def test_without_a_validation_subset_held_out_training_clips_select(
    without_validation: tuple[Path, list[Sample]],
) -> None:
    path, samples = without_validation
    module = ClipDataModule(DataConfig(path, validation_fraction=0.25), Manifest.read(path), MODEL, seed=0)
    assert not ids(module.train) & ids(module.validation)
    assert ids(module.train) | ids(module.validation) == of(samples, "train")
    assert not {s.subject for s in module.train.samples} & {s.subject for s in module.validation.samples}
    there = {sample.label for sample in module.validation.samples}
    assert set(module.absent) == set(module.validation.classes) - there


def test_a_subject_filled_in_changes_the_hash_only_with_the_clips_held_out(
    manifest: Path, without_validation: tuple[Path, list[Sample]]
) -> None:
    def hashes(path: Path, samples: list[Sample]) -> tuple[str, str | None]:
        table = Manifest.read(path)
        config = DataConfig(path, validation_fraction=0.25)
        found = ClipDataModule(config, replace(table, samples=tuple(samples)), MODEL, seed=0)
        return found.sha256, found.held_out

    for path, fixed in ((manifest, True), (without_validation[0], False)):
        samples = read_manifest(path)
        renamed = [replace(sample, subject=f"person {number // 2}") for number, sample in enumerate(samples)]
        before, after = hashes(path, samples), hashes(path, renamed)
        assert (before == after) is fixed
        assert (before[1] is None) is fixed


def test_the_test_subset_selects_on_request(manifest: Path, without_validation: tuple[Path, list[Sample]]) -> None:
    for path, unused in ((manifest, len(of(read_manifest(manifest), "validation"))), (without_validation[0], 0)):
        samples = read_manifest(path)
        module = ClipDataModule(DataConfig(path), Manifest.read(path), MODEL, seed=0, selection="test")
        assert ids(module.train) == of(samples, "train")
        assert ids(module.validation) == of(samples, "test")
        assert module.selection_clips == "the TEST clips themselves"
        assert module.unused == unused


@pytest.mark.parametrize("selection", ["validation", "test"])
def test_a_manifest_without_a_needed_subset_is_refused(
    manifest: Path, tmp_path: Path, selection: Literal["validation", "test"]
) -> None:
    lacking = {"validation": "train", "test": "test"}[selection]
    path = tmp_path / "m.csv"
    write_manifest(path, [s for s in read_manifest(manifest) if s.subset != lacking])
    with pytest.raises(InputError, match=f"has no {lacking} clips"):
        ClipDataModule(DataConfig(path), Manifest.read(path), MODEL, seed=0, selection=selection)


def test_clips_of_unknown_people_are_held_out_with_equal_class_shares() -> None:
    samples = [Sample(str(i), Path("x"), 16, ("happy", "sad", "fear")[i % 3], "train") for i in range(90)]
    train, validation = hold_out(samples, 0.1, seed=4)
    assert Counter(s.label for s in validation) == {"happy": 3, "sad": 3, "fear": 3}
    assert {s.clip_id for s in train} | {s.clip_id for s in validation} == {s.clip_id for s in samples}
    assert hold_out(samples, 0.1, seed=5) != (train, validation)


def test_assumed_rates_are_not_known(manifest: Path) -> None:
    rates = RatesRecord(25.0, 25.0, 25.0, uneven=0, from_files=0, stated=0, assumed=35)
    for fps, found, known in (
        (None, rates, False),
        (None, replace(rates, assumed=34, stated=1), True),
        (None, None, False),
        (10.0, rates, True),
    ):
        clips = ClipDataModule(DataConfig(manifest, fps=fps), Manifest.read(manifest), MODEL, seed=0)
        assert timing_record(clips, DatasetRecord("ab", None, None, rates=found)).known is known


@pytest.mark.parametrize(("fraction", "parts"), [(0.1, 10), (0.3, 3), (0.35, 3), (0.4, 2), (0.5, 2)])
def test_the_share_held_out_is_one_of_equal_parts(fraction: float, parts: int) -> None:
    samples = [Sample(str(i), Path("x"), 16, "happy", "train") for i in range(60)]
    assert len(hold_out(samples, fraction, seed=0)[1]) == 60 // parts
    message = f"^cannot hold out 1/{parts} of the training clips by subject: there are only 1 subjects"
    with pytest.raises(InputError, match=message):
        hold_out(samples[:1], fraction, seed=0)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_several_processes_count_each_clip_once(manifest: Path, processes: int) -> None:
    loaded: Counter[int] = Counter()
    for rank in range(processes):
        config = DataConfig(manifest, batch_size=2, workers=0)
        module = ClipDataModule(config, Manifest.read(manifest), MODEL, seed=0, share=Share(2, processes, rank))
        targets = [int(target) for batch in module.val_dataloader() for target in batch[1]]
        assert len(targets) == -(-len(module.validation) // processes)
        loaded.update(targets)
    expected = Counter(module.validation.targets)
    assert sum(expected.values()) % 4, "so that clips are repeated"
    assert loaded == expected + Counter({REPEATED: -sum(expected.values()) % processes})
