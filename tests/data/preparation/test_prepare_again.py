"""Preparing again, or beside other files: nothing of the user's is replaced, and no record describes other clips."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ifdd.data import crop as crop_module
from ifdd.data.manifest import Manifest, Sample, read_manifest, write_manifest
from ifdd.data.preparation import prepare as prepare_module
from ifdd.evaluation.protocol import describe_dataset
from ifdd.faces.detection import DetectorChoice
from ifdd.records.licences import LICENCES
from ifdd.training.crossval.folds import expected_folds
from tests.data.preparation.test_prepare import fails, prepare, record_of
from tests.helpers.faces import disc_frames
from tests.helpers.layouts import CREMAD_CLIPS, DFEW_MEMBERS, write_clip, write_cremad, write_dfew
from tests.helpers.videos import write_frame_folder


@pytest.fixture(autouse=True)
def _cascade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find faces, of which there are none, without a download."""
    monkeypatch.setattr(prepare_module, "choose_detector", lambda model, notify, kind: DetectorChoice())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_own_clips_are_not_replaced_by_their_crops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "proj/faces/happy/a", 3)
    before = contents(tmp_path)
    assert "is in" in fails(capsys, "folder", tmp_path / "proj", tmp_path / "proj/out")
    (tmp_path / "list.csv").write_text("clip_id,path,label\nhappy/a,proj/faces/happy/a,happy\n")
    message = fails(capsys, "folder", tmp_path / "list.csv", tmp_path / "proj")
    assert "the crops of clip happy/a would replace its frames" in message
    assert {name: each for name, each in contents(tmp_path).items() if name in before} == before
    (tmp_path / "list.csv").write_text("clip_id,path,label\nnotes,proj/faces/happy/a,happy\n")
    (tmp_path / "out/faces/notes").mkdir(parents=True)
    (tmp_path / "out/faces/notes/diary.txt").touch()
    message = fails(capsys, "folder", tmp_path / "list.csv", tmp_path / "out")
    assert "diary.txt is not a crop, and would be lost" in message


def test_folders_beside_subsets_may_be_written_to(tmp_path: Path) -> None:
    write_clip(tmp_path / "own/train/happy/a", 3)
    for _ in range(2):
        prepare("folder", tmp_path / "own", tmp_path / "own/prepared")
    assert [sample.label for sample in read_manifest(tmp_path / "own/prepared/manifest.csv")] == ["happy"]


def test_the_own_table_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "own/a", 3)
    write_clip(tmp_path / "lists/happy/b", 3)
    table = tmp_path / "own/manifest.csv"
    table.write_text("path,label,comment\na,happy,mine\n")
    message = fails(capsys, "folder", table, tmp_path / "own", "--faces", "keep")
    assert message.endswith("manifest.csv would be replaced by the new manifest; choose another OUT")
    message = fails(capsys, "folder", tmp_path / "lists", tmp_path / "own", "--faces", "keep")
    assert "manifest.csv is not from 'ifdd prepare', and would be replaced" in message
    assert "mine" in table.read_text()


def test_a_manifest_is_not_prepared_in_its_own_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "own/happy/a", 3)
    prepare("folder", tmp_path / "own", tmp_path / "out", "--faces", "keep")
    before = contents(tmp_path)
    for form in ("csv", "parquet"):
        message = fails(capsys, "manifest", tmp_path / "out/manifest.csv", tmp_path / "out", "--manifest-format", form)
        assert message.endswith("manifest.csv would be replaced by the new manifest; choose another OUT")
    assert contents(tmp_path) == before


def test_an_edited_manifest_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, words = tmp_path / "out", ("folder", tmp_path / "own", tmp_path / "out", "--face-size", "48")
    write_clip(tmp_path / "own/happy/a", 3)
    prepare(*words)
    prepare(*words)
    written = (out / "manifest.csv").read_text()
    edited = written.replace("happy,test", "sad,test")
    (out / "manifest.csv").write_text(edited)
    for more in ((), ("--manifest-format", "parquet", "--face-size", "64")):
        message = fails(capsys, *words, *more)
        assert message.endswith("was changed since 'ifdd prepare' wrote it; rename it or choose another OUT")
    assert (out / "manifest.csv").read_text() == edited != written
    record = record_of(out)
    del record["manifest_sha256"]  # as in files of earlier versions
    (out / "prepare.json").write_text(json.dumps(record))
    prepare(*words)
    assert (out / "manifest.csv").read_text() == written
    (out / "manifest.csv").write_text(edited)
    (out / "manifest.csv").rename(out / "mine.csv")
    prepare(*words)


def test_a_failed_run_is_no_permission_to_replace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "own/happy/a", 3)
    (tmp_path / "own/happy/b").mkdir()
    words = ("folder", tmp_path / "own", tmp_path / "out", "--faces", "keep")
    fails(capsys, *words)
    (tmp_path / "out/manifest.csv").write_text("mine")
    message = fails(capsys, *words, "--allow-incomplete")
    assert "manifest.csv is not from 'ifdd prepare', and would be replaced; rename it" in message
    assert (tmp_path / "out/manifest.csv").read_text() == "mine"


def test_a_failed_run_leaves_the_record_of_the_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    write_clip(tmp_path / "own/happy/a", 3)
    prepare("folder", tmp_path / "own", out)
    before = record_of(out)
    (tmp_path / "own/happy/b").mkdir()
    message = fails(capsys, "folder", tmp_path / "own", out)
    assert f"{out / 'prepare.failed.json'} has all findings" in message
    assert record_of(out) == before
    for number in range(8):
        (tmp_path / f"own/happy/c{number}").mkdir()
    with pytest.raises(SystemExit):
        prepare("folder", tmp_path / "own", out)
    assert "... and 3 more in prepare.failed.json" in capsys.readouterr().out
    failed: dict[str, Any] = json.loads((out / "prepare.failed.json").read_text())
    assert (failed["verdict"], failed["manifest"]) == ("incomplete", None)
    for folder in (tmp_path / "own/happy").glob("[bc]*"):
        folder.rmdir()
    prepare("folder", tmp_path / "own", out)
    assert not (out / "prepare.failed.json").exists()


def test_a_manifest_is_withdrawn_while_its_crops_are_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write_clip(tmp_path / "own/happy/a", 3)
    prepare("folder", tmp_path / "own", out, "--face-size", "48")
    prepare("folder", tmp_path / "own", out, "--face-size", "48")
    (out / "faces/happy/a/.DS_Store").touch()  # somebody has looked at the crops
    prepare("folder", tmp_path / "own", out, "--face-size", "48")
    assert "withdrawn" not in capsys.readouterr().err
    assert record_of(out)["faces"]["size"] == 48

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    (out / "faces/happy/a/diary.txt").touch()
    assert "diary.txt is not a crop" in fails(capsys, "folder", tmp_path / "own", out, "--face-size", "64")
    assert record_of(out)["faces"]["size"] == 48
    (out / "faces/happy/a/diary.txt").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(crop_module, "on_cluster", interrupted)
        with pytest.raises(SystemExit):
            prepare("folder", tmp_path / "own", out, "--face-size", "64")
    assert "to be made again; its manifest is withdrawn meanwhile" in capsys.readouterr().err
    assert not list(out.glob("*.*"))
    prepare("folder", tmp_path / "own", out, "--face-size", "64")
    assert record_of(out)["faces"]["size"] == 64


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that prepares and is interrupted before the first clip is cropped."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def run(*words: str | Path) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(crop_module, "on_cluster", stop)
            with pytest.raises(SystemExit):
                prepare(*words)

    return run


def test_crops_of_other_clips_withdraw_the_manifest(tmp_path: Path, interrupted: Callable[..., None]) -> None:
    for name in ("one", "other"):
        write_clip(tmp_path / name / "happy/a", 3)
    prepare("folder", tmp_path / "one", tmp_path / "out", "--face-size", "48")
    interrupted("folder", tmp_path / "other", tmp_path / "out", "--face-size", "48")
    assert not (tmp_path / "out/manifest.csv").exists()


def test_a_manifest_stays_while_no_crops_are_replaced(tmp_path: Path, interrupted: Callable[..., None]) -> None:
    out = tmp_path / "out"
    write_clip(tmp_path / "own/happy/a", 3)
    prepare("folder", tmp_path / "own", out, "--faces", "keep")
    interrupted("folder", tmp_path / "own", out)
    assert record_of(out)["faces"] is None
    prepare("folder", tmp_path / "own", out)
    (out / "faces/happy/a/00001.jpg").unlink()
    write_clip(tmp_path / "own/happy/b", 3)
    interrupted("folder", tmp_path / "own", out)
    assert [sample.clip_id for sample in read_manifest(out / "manifest.csv")] == ["happy/a"]


def test_kept_crops_stay_what_they_are(tmp_path: Path) -> None:
    write_clip(tmp_path / "own/happy/a", 3)
    prepare("folder", tmp_path / "own", tmp_path / "crops")
    record = record_of(tmp_path / "crops")
    record["faces"]["alignment"] = "landmarks"  # as with YuNet
    (tmp_path / "crops/prepare.json").write_text(json.dumps(record))
    prepare("manifest", tmp_path / "crops/manifest.csv", tmp_path / "packed", "--faces", "keep", "--pack")
    assert describe_dataset(Manifest.read(tmp_path / "packed/manifest.csv")).alignment == "landmarks"
    prepare("manifest", tmp_path / "crops/manifest.csv", tmp_path / "again", "--faces", "keep")
    prepare("manifest", tmp_path / "again/manifest.csv", tmp_path / "a/third", "--faces", "keep")
    for folder in (tmp_path / "again", tmp_path / "a/third"):
        (folder / "manifest.csv").rename(folder / "renamed.csv")
        found = describe_dataset(Manifest.read(folder / "renamed.csv"))
        assert found.prepared is not None
        assert found.prepared.faces is not None
        assert (found.alignment, found.prepared.faces.folder) == ("landmarks", "faces")


def test_what_is_known_of_a_benchmark_is_kept(tmp_path: Path) -> None:
    root = write_cremad(tmp_path / "CREMA-D", faces={CREMAD_CLIPS[0]: (0, 9, 0, 0, 0, 0)})
    prepare("cremad", root, tmp_path / "votes", "--labels", "votes", "--faces", "keep", "--allow-incomplete")
    prepare("manifest", tmp_path / "votes/manifest.csv", tmp_path / "again", "--faces", "keep")
    before, after = (describe_dataset(Manifest.read(tmp_path / name / "manifest.csv")) for name in ("votes", "again"))
    assert before.prepared is not None
    assert after.prepared is not None
    assert (after.prepared.source, after.prepared.labels) == ("cremad", "votes")
    assert (after.rates, after.benchmark, after.licence) == (before.rates, "cremad", LICENCES["cremad"])
    assert (before.partition, after.partition) == ("cremad", None)  # a manifest may have other folds
    assert expected_folds(before, (1, 2, 3)) == (1, 2, 3, 4, 5)
    assert expected_folds(after, (1, 2, 3)) == (1, 2, 3)
    assert before.rates is not None
    assert before.rates.from_files == before.rates.clips


def test_an_assumed_rate_stays_assumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "own/happy/a", 3)
    write_clip(tmp_path / "own/happy/b", 3)
    prepare("folder", tmp_path / "own", tmp_path / "out", "--faces", "keep")
    prepare("manifest", tmp_path / "out/manifest.csv", tmp_path / "again", "--faces", "keep")
    assert "Frame rates: 25 frames a second, ASSUMED\n" in capsys.readouterr().out.rpartition("Written")[2]
    prepare("manifest", tmp_path / "again/manifest.csv", tmp_path / "stated", "--faces", "keep", "--fps", "30")
    assert "Frame rates: 30 frames a second, stated" in capsys.readouterr().out
    samples = read_manifest(tmp_path / "again/manifest.csv")
    write_manifest(tmp_path / "again/manifest.csv", samples[1:])
    rates = describe_dataset(Manifest.read(tmp_path / "again/manifest.csv")).rates
    assert rates is not None
    assert (rates.assumed, rates.stated) == (1, 0)


def test_a_pack_follows_its_clips(tmp_path: Path) -> None:
    words = ("folder", tmp_path / "own", tmp_path / "out", "--faces", "keep", "--pack")
    write_clip(tmp_path / "own/happy/a", 3)
    prepare(*words)
    write_clip(tmp_path / "own/happy/b", 3)
    prepare(*words, "--pack-size", "16")
    assert [sample.clip_id for sample in read_manifest(tmp_path / "out/manifest.csv")] == ["happy/a", "happy/b"]
    assert record_of(tmp_path / "out")["pack"]["size"] == 16


def test_times_of_images_are_kept(tmp_path: Path) -> None:
    frames = write_frame_folder(tmp_path / "frames", disc_frames(6))
    uneven = Sample("a", frames, 6, "happy", "test", fps=5.0, durations="40*2 1000 40*3")
    write_manifest(tmp_path / "manifest.csv", [uneven])
    prepare("manifest", tmp_path / "manifest.csv", tmp_path / "out")
    (sample,) = read_manifest(tmp_path / "out/manifest.csv")
    assert (sample.fps, sample.durations) == (5.0, "40*2 1000 40*3")
    prepare("manifest", tmp_path / "manifest.csv", tmp_path / "other", "--fps", "10")
    (sample,) = read_manifest(tmp_path / "other/manifest.csv")
    assert (sample.fps, sample.durations) == (10, "")


def test_missing_numbers_of_images_do_not_change_the_rate(tmp_path: Path) -> None:
    frames = write_frame_folder(tmp_path / "own/happy/a", disc_frames(12))
    for number in range(4, 10):
        (frames / f"{number}.png").unlink()
    for faces in ("crop", "keep"):
        out = tmp_path / faces
        prepare("folder", tmp_path / "own", out, "--fps", "10", "--faces", faces)
        (sample,) = read_manifest(out / "manifest.csv")
        assert (sample.frames, sample.fps, sample.durations) == (6, 5.0, "100*2 700 100*3")
        findings = json.dumps(record_of(out)["checks"])
        assert "clip happy/a: 6 images are missing in the numbering (after 3.png); they leave gaps in time" in findings


def test_the_format_of_the_manifest_may_change_again_and_again(tmp_path: Path) -> None:
    write_clip(tmp_path / "own/happy/a", 3)
    for kind in ("csv", "parquet", "csv"):
        prepare("folder", tmp_path / "own", tmp_path / "out", "--faces", "keep", "--manifest-format", kind)
        assert [path.name for path in (tmp_path / "out").glob("manifest.*")] == [f"manifest.{kind}"]


def test_an_assumed_rate_stays_assumed_where_images_are_missing(tmp_path: Path) -> None:
    write_clip(tmp_path / "own/happy/a", 12)
    for number in range(4, 10):
        (tmp_path / f"own/happy/a/{number}.jpg").unlink()
    prepare("folder", tmp_path / "own", tmp_path / "out", "--faces", "keep")
    prepare("manifest", tmp_path / "out/manifest.csv", tmp_path / "again", "--faces", "keep")
    rates = record_of(tmp_path / "again")["rates"]
    assert (rates["assumed"], rates["stated"]) == (1, 0)


def test_frames_of_a_published_dataset_count_by_their_order(tmp_path: Path) -> None:
    clip = DFEW_MEMBERS[0][0].zfill(5)
    (write_dfew(tmp_path / "DFEW") / f"Clip/clip_224x224_16f/{clip}/5.jpg").unlink()
    prepare("dfew", tmp_path / "DFEW", tmp_path / "out", "--fps", "10")
    found = [sample for sample in read_manifest(tmp_path / "out/manifest.csv") if sample.clip_id == clip]
    assert {(sample.frames, sample.fps, sample.durations) for sample in found} == {(15, 10.0, "")}
    assert "1 image is missing in the numbering (after 4.jpg); kept frames count by their order" in json.dumps(
        record_of(tmp_path / "out")["checks"]
    )


def test_the_last_frame_keeps_its_time(tmp_path: Path) -> None:
    frames = write_frame_folder(tmp_path / "frames", disc_frames(6))
    write_manifest(tmp_path / "m.csv", [Sample("a", frames, 6, "happy", "test", fps=5.0, durations="40*5 1000")])
    prepare("manifest", tmp_path / "m.csv", tmp_path / "out")
    (sample,) = read_manifest(tmp_path / "out/manifest.csv")
    assert (sample.fps, sample.durations) == (5.0, "40*5 1000")


def test_a_stated_rate_counts_in_every_fold(tmp_path: Path) -> None:
    write_clip(tmp_path / "a", 3)
    (tmp_path / "list.csv").write_text("path,label,subset,fold,fps\na,happy,train,1,25\na,happy,test,2,25\n")
    prepare("folder", tmp_path / "list.csv", tmp_path / "out", "--faces", "keep", "--fps", "30")
    assert [sample.fps for sample in read_manifest(tmp_path / "out/manifest.csv")] == [30.0, 30.0]


def test_a_folder_that_lost_frames_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = write_frame_folder(tmp_path / "frames", disc_frames(6))
    sample = Sample("a", frames, 6, "happy", "test", fps=5.0, durations="40*2 1000 40*3")
    write_manifest(tmp_path / "manifest.csv", [sample])
    (frames / "3.png").unlink()
    fails(capsys, "manifest", tmp_path / "manifest.csv", tmp_path / "out", "--faces", "keep")
    findings = json.dumps(record_of(tmp_path / "out")["checks"])
    assert "it has 5 frames, but manifest.csv, line 2 has the durations of 6" in findings


def test_long_clips_with_uneven_times_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    times = " ".join(f"{30 + number % 7}.123" for number in range(20000))
    write_manifest(
        tmp_path / "m.csv", [Sample("a", tmp_path / "clip", 20000, "happy", "test", fps=30.0, durations=times)]
    )
    assert read_manifest(tmp_path / "m.csv")[0].durations == times


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--face-size", "64", "--faces", "keep"),
            "--face-size needs cropped faces; add --faces crop, or leave it out",
        ),
        (("--search-seconds", "0.3", "--faces", "keep"), "--search-seconds needs cropped faces"),
        (("--detector", "haar", "--faces", "keep"), "--detector needs cropped faces"),
        (("--detector-model", "x.onnx", "--faces", "keep"), "--detector-model needs cropped faces"),
        (("--pack-size", "64"), "--pack-size needs --pack, or leave it out"),
        (("--pack-quality", "90"), "--pack-quality needs --pack, or leave it out"),
    ],
)
def test_options_without_effect_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    write_clip(tmp_path / "own/happy/a", 3)
    assert message in fails(capsys, "folder", tmp_path / "own", tmp_path / "out", *words)
