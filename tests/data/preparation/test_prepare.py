import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.data.datasets import READERS, Options
from ifdd.data.manifest import Manifest, Sample, dataset_hash, read_manifest, write_manifest
from ifdd.evaluation.protocol import describe_dataset
from ifdd.faces.detection import DetectorChoice, FaceDetector
from ifdd.records.licences import LICENCES
from ifdd.synth.config import PRESETS
from ifdd.synth.videos.story import StoryConfig, render_story
from ifdd.video.frames import read_frames
from tests.helpers.faces import LandmarkDiscDetector, disc_frames
from tests.helpers.layouts import edit, write_clip, write_dfew, write_ferv39k, write_mafw, write_ravdess
from tests.helpers.videos import write_frame_folder, write_video

LISTS = Path(__file__).parents[4] / "shared" / "real" / "lists"
RESULTS = Path(__file__).parents[3] / "results"
TRAIN = "EmoLabel_DataSplit/train(single-labeled)/set_1.csv"


def prepare(*words: str | Path) -> None:
    main(["prepare", *map(str, words)])


def fails(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a command that must fail with exit code 2; return its last message."""
    with pytest.raises(SystemExit) as stop:
        prepare(*words)
    assert stop.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def record_of(out: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((out / "prepare.json").read_text(encoding="utf-8"))
    return record


def test_a_dataset_becomes_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    prepare("dfew", write_dfew(tmp_path / "DFEW"), out)
    samples = read_manifest(out / "manifest.csv")
    assert len(samples) == 50
    assert {sample.frames for sample in samples} == {16}
    assert samples[0].votes == "sad:8 neutral:2"
    assert len(read_manifest(out / "manifest.csv", "test", 1)) == 2
    record = record_of(out)
    assert record["verdict"] == "complete"
    assert record["dataset_hash"] == dataset_hash(samples)
    assert (record["clips"], record["lines"], record["manifest"]) == (10, 50, "manifest.csv")
    assert record["counts"]["1"]["test"] == {
        "happy": 1, "sad": 0, "neutral": 0, "angry": 0, "surprise": 0, "disgust": 1, "fear": 0,
    }  # fmt: skip
    assert record["published"] == {}
    assert record["excluded"] == []
    assert record["length"] == {"least": 16, "mean": 16, "most": 16, "short": 0}
    verdicts = {check["name"]: check["verdict"] for check in record["checks"]}
    assert (verdicts["partition"], verdicts["counts"], verdicts["unlisted"]) == ("ok", "not checked", "noted")
    printed = capsys.readouterr().out
    assert "No clip is excluded." in printed
    assert record["dataset_hash"] in printed
    assert "clip 16372 is on disk but in no list" in printed


def test_unread_lines_and_lists_are_counted_as_excluded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = write_dfew(tmp_path / "DFEW"), tmp_path / "out"
    edit(root / TRAIN, "\n3,2\n", "\nthree,2\n")
    with pytest.raises(SystemExit):
        prepare("dfew", root, out)
    printed = capsys.readouterr().out
    assert "Excluded, malformed: 1 lines of 1 clips" in printed
    assert "No clip is excluded" not in printed
    (excluded,) = record_of(out)["excluded"]
    assert (excluded["clip_id"], excluded["reason"]) == ("", "malformed")
    assert excluded["where"].startswith(f"{TRAIN}, line ")
    edit(root / TRAIN, "\nthree,2\n", "\n3,2\n")
    shutil.rmtree(next(root.glob("EmoLabel_DataSplit/test*")))
    with pytest.raises(SystemExit):
        prepare("dfew", root, out)
    printed = capsys.readouterr().out
    assert "Lists that are missing or unreadable exclude an unknown number of clips." in " ".join(printed.split())
    assert "No clip is excluded" not in printed


def test_the_output_folder_is_checked_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SystemExit):
        prepare("dfew", write_dfew(tmp_path / "DFEW"), tmp_path / "out")
    printed = capsys.readouterr()
    assert "cannot create the folder" in printed.err
    assert printed.out == ""


def test_all_errors_are_reported_before_prepare_stops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = write_dfew(tmp_path / "DFEW"), tmp_path / "out"
    edit(root / TRAIN, "\n3,2\n", "\n3,2\n1,1\n")
    edit(root / TRAIN, "\n5,3\n", "\n5,9\n")
    shutil.rmtree(root / "Clip/clip_224x224_16f/00007")
    with pytest.raises(SystemExit) as stop:
        prepare("dfew", root, out)
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert "ifdd prepare: wrong: names, subsets, frames: no manifest was written" in printed.err
    assert "--allow-incomplete" in printed.err
    for text in (
        "clip 00005 has the label 9",
        "clip 00001 is in train and test of fold 1",
        "clip 00007: path does not exist",
    ):
        assert text in re.sub(r"\s+", " ", printed.out)
    assert "Excluded, no frames: 5 lines of 1 clips" in printed.out
    assert not (out / "manifest.csv").exists()
    record = record_of(out)
    assert (record["verdict"], record["manifest"]) == ("incomplete", None)


def test_an_incomplete_dataset_may_be_allowed_and_is_recorded(tmp_path: Path) -> None:
    root, out = write_dfew(tmp_path / "DFEW"), tmp_path / "out"
    prepare("dfew", root, out)
    complete = record_of(out)["dataset_hash"]
    shutil.rmtree(root / "Clip/clip_224x224_16f/00007")
    prepare("dfew", root, out, "--allow-incomplete")
    record = record_of(out)
    assert (record["verdict"], record["lines"], record["manifest"]) == ("incomplete", 45, "manifest.csv")
    assert len(read_manifest(out / "manifest.csv")) == 45
    assert record["dataset_hash"] != complete
    assert {(e["clip_id"], e["fold"]) for e in record["excluded"]} == {("00007", fold) for fold in range(1, 6)}
    assert {e["reason"] for e in record["excluded"]} == {"no frames: path does not exist"}


def test_labels_from_zero_are_refused_even_if_incomplete_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "manifest.csv").parent.mkdir()
    (out / "manifest.csv").write_text("old")
    (out / "prepare.json").write_text("damaged")
    root = write_dfew(tmp_path / "DFEW", first_label=0)
    message = fails(capsys, "dfew", root, out, "--allow-incomplete")
    assert message.startswith("ifdd prepare: refused: label base: no manifest was written (the existing one is from an")
    assert (out / "manifest.csv").read_text() == "old"
    assert record_of(out)["verdict"] == "refused"


def test_a_partial_dataset_has_other_counts_than_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = write_ferv39k(tmp_path / "FERV39k", synthetic=False), tmp_path / "out"
    assert "wrong: counts" in fails(capsys, "ferv39k", root, out)
    prepare("ferv39k", root, out, "--allow-incomplete")
    record = record_of(out)
    assert record["published"]["0"]["test"]["neutral"] == 1958
    assert "(1958)" in capsys.readouterr().out
    assert (record["verdict"], record["lines"]) == ("incomplete", 5)


def test_scene_label_set_and_kind_of_frames_are_options(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare("ferv39k", write_ferv39k(tmp_path / "FERV39k"), out, "--scene", "Crime")
    assert read_manifest(out / "manifest.csv")[0].clip_id == "Crime/Angry/0001"
    assert record_of(out)["options"] == {"frames": "auto", "scene": "Crime", "check_frames": "first"}
    prepare("mafw", write_mafw(tmp_path / "MAFW"), out, "--label-set", "compound", "--faces", "keep")
    record = record_of(out)
    assert (record["label_set"], record["frames"], len(record["classes"])) == ("mafw_compound", "clips", 43)
    assert {s.frames for s in read_manifest(out / "manifest.csv")} == {18}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("dfew", "--scene", "Crime"), "--scene applies to ferv39k, not to dfew; leave it out"),
        (("ferv39k", "--label-set", "compound"), "--label-set applies to mafw, not to ferv39k"),
        (("folder", "--frames", "clips"), "--frames applies to dfew, ferv39k, mafw, not to folder"),
        (("dfew", "--workers", "-1"), "--workers is -1"),
        (("dfew", "--face-size", "0"), "--face-size is 0; it must be at least 1"),
        (("dfew", "--pack-size", "0"), "--pack-size is 0; it must be at least 1"),
        (("dfew", "--pack-quality", "101"), "--pack-quality is 101; it must be at least 1 and at most 100"),
        (("dfew", "--frames", "faces"), "unknown frames 'faces'"),
    ],
)
def test_options_of_other_datasets_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    root = write_dfew(tmp_path / "DFEW")
    assert message in fails(capsys, words[0], root, tmp_path / "out", *words[1:])


def test_a_missing_dataset_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "DFEW does not exist; give the folder" in fails(capsys, "dfew", tmp_path / "DFEW", tmp_path / "out")


def test_no_frames_or_all_frames_can_be_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = write_dfew(tmp_path / "DFEW"), tmp_path / "out"
    (root / "Clip/clip_224x224_16f/00003/9.jpg").write_bytes(b"")
    prepare("dfew", root, out, "--check-frames", "none")
    assert {c["name"]: c["reason"] for c in record_of(out)["checks"]}["readable"] == "not requested"
    prepare("dfew", root, out)
    assert "wrong: readable" in fails(capsys, "dfew", root, out, "--check-frames", "all")


def test_a_folder_of_clips_becomes_a_manifest(tmp_path: Path) -> None:
    write_clip(tmp_path / "own/happy/a", 20)
    write_clip(tmp_path / "own/sad/b", 18, video=True)
    prepare(
        "folder",
        tmp_path / "own",
        tmp_path / "out",
        "--subset",
        "train",
        "--faces",
        "keep",
        "--manifest-format",
        "parquet",
    )
    samples = read_manifest(tmp_path / "out/manifest.parquet")
    assert [(s.clip_id, s.frames, s.label, s.subset) for s in samples] == [
        ("happy/a", 20, "happy", "train"),
        ("sad/b", 18, "sad", "train"),
    ]
    record = record_of(tmp_path / "out")
    assert (record["label_set"], record["classes"]) == ("own", ["happy", "sad"])


def test_further_columns_are_kept_through_crops_and_packs(tmp_path: Path) -> None:
    write_clip(tmp_path / "own/a", 4)
    write_clip(tmp_path / "own/b", 4)
    (tmp_path / "own/list.csv").write_text("path,label,age,glasses\na,happy,31,\nb,sad,,round\n")
    prepare("folder", tmp_path / "own/list.csv", tmp_path / "out", "--faces", "crop", "--pack", "--workers", "0")
    samples = read_manifest(tmp_path / "out/manifest.csv")
    assert {sample.path for sample in samples} == {tmp_path / "out/frames.pack"}
    assert [sample.attributes for sample in samples] == [{"age": "31", "glasses": ""}, {"age": "", "glasses": "round"}]


@pytest.mark.slow
@pytest.mark.parametrize(("synthetic", "licence"), [(False, "ravdess"), (True, "synth")])
def test_the_licence_travels_to_other_crops(tmp_path: Path, synthetic: bool, licence: str) -> None:
    root = write_ravdess(tmp_path / "RAVDESS", ["02-01-03-02-01-01-07"], synthetic=synthetic)
    prepare("ravdess", root, tmp_path / "first", "--faces", "keep", "--allow-incomplete")
    prepare("manifest", tmp_path / "first/manifest.csv", tmp_path / "second", "--faces", "keep")
    record = record_of(tmp_path / "second")
    assert (record["dataset"], record["synthetic"]) == ("manifest", synthetic)
    assert record["licence"] == LICENCES[licence].plain()


def test_a_clip_listed_twice_stops_a_folder_of_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "own/happy/a", 20)
    write_clip(tmp_path / "own/happy/a", 20, video=True)
    assert "wrong: duplicates" in fails(capsys, "folder", tmp_path / "own", tmp_path / "out")


def test_a_dataset_without_valid_clips_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own/happy/a").mkdir(parents=True)
    words = ("folder", tmp_path / "own", tmp_path / "out", "--allow-incomplete")
    assert "no clip is left: frames: no manifest was written" in fails(capsys, *words)


def test_a_pack_replaces_the_frames(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare("dfew", write_dfew(tmp_path / "DFEW"), out, "--pack", "--workers", "1")
    samples = read_manifest(out / "manifest.csv")
    assert {sample.path for sample in samples} == {out / "frames.pack"}
    record = record_of(out)
    assert record["pack"]["file"] == "frames.pack"
    assert len(record["pack"]["sha256"]) == 64
    assert record["dataset_hash"] == dataset_hash(samples)
    shutil.rmtree(tmp_path / "DFEW")
    assert (out / "frames.pack").is_dir()


def test_faces_of_whole_scenes_are_cropped_by_default(tmp_path: Path) -> None:
    root, out = write_mafw(tmp_path / "MAFW", variant="frames"), tmp_path / "out"
    prepare("mafw", root, out, "--face-size", "16", "--workers", "1")
    samples = read_manifest(out / "manifest.csv")
    assert samples[0].path == out / "faces/00022"
    assert read_frames(samples[0].path).shape == (18, 16, 16, 3)
    record = record_of(out)
    # these images show no face, so centre crops are kept, with a note
    assert record["faces"] == {
        "folder": "faces", "size": 16, "detector": record["faces"]["detector"], "clips": 11, "without_face": 11,
        "several_people": 0, "frames_left_out": 0,
    }  # fmt: skip
    (check,) = (check for check in record["checks"] if check["name"] == "faces")
    assert check["verdict"] == "noted"
    assert len(check["findings"]) == 11
    prepare("mafw", root, out, "--faces", "keep")
    assert read_manifest(out / "manifest.csv")[0].path == root / "frames/00022"
    assert record_of(out)["faces"] is None


def test_a_rarely_detected_face_is_noted(tmp_path: Path) -> None:
    """A drawn face that leaves after 1 s of 4."""
    _, shots = render_story(["happy"], PRESETS["easy"], 0, StoryConfig(width=160, height=120, fps=10.0, face=0.6))
    face = [picture for picture, _ in shots][:10]
    frames = np.stack([*face, *[np.full_like(face[0], face[-1].mean(axis=(0, 1)).astype(np.uint8))] * 30])
    write_frame_folder(tmp_path / "own" / "happy" / "leaves", frames)
    prepare("folder", tmp_path / "own", tmp_path / "out", "--face-size", "32", "--workers", "1")
    record = record_of(tmp_path / "out")
    (check,) = (check for check in record["checks"] if check["name"] == "faces")
    (finding,) = check["findings"]
    assert re.search(r"found in \d\d% of the searched frames; \d\d of 40 frames are kept", finding["message"])
    (sample,) = read_manifest(tmp_path / "out" / "manifest.csv")
    assert record["faces"]["frames_left_out"] == 40 - sample.frames > 10


def test_clips_that_cropping_cannot_read_are_excluded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "own/happy/a", 4)
    write_clip(tmp_path / "own/sad/b", 4)
    (tmp_path / "own/sad/b/4.jpg").write_bytes(b"")
    words = ("folder", tmp_path / "own", tmp_path / "out", "--workers", "1")
    assert "wrong: readable" in fails(capsys, *words)
    prepare(*words, "--allow-incomplete")
    assert [s.clip_id for s in read_manifest(tmp_path / "out/manifest.csv")] == ["happy/a"]
    (excluded,) = record_of(tmp_path / "out")["excluded"]
    assert excluded["clip_id"] == "sad/b"
    assert "4.jpg is not a readable image" in excluded["reason"]


def test_cropping_waits_for_all_other_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = write_mafw(tmp_path / "MAFW", synthetic=False), tmp_path / "out"
    assert "wrong: counts" in fails(capsys, "mafw", root, out)
    assert not (out / "faces").exists()
    assert {c["name"]: c["reason"] for c in record_of(out)["checks"]}["faces"] == "after the other checks"


@pytest.mark.slow
@pytest.mark.skipif(not LISTS.exists(), reason="needs the true lists")
@pytest.mark.parametrize(
    ("dataset", "name", "frames", "clips", "lines"),
    [
        ("dfew", "DFEW", "Clip/jpg_256/00001", 11_697, 58_485),
        ("ferv39k", "FERV39k", "2_ClipsforFaceCrop/War/Sad/0001", 38_935, 38_935),
        ("mafw", "MAFW", "frames/00025", 9_172, 45_860),
    ],
)
def test_the_real_lists_pass_every_check_except_that_of_frames(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    dataset: str,
    name: str,
    frames: str,
    clips: int,
    lines: int,
) -> None:
    """Only one clip has frames here; for the expected results, benchmarks/prepare.py wrote the frames of all."""
    shutil.copytree(LISTS / name, tmp_path / name)
    write_clip(tmp_path / name / frames, 16)
    fails(capsys, dataset, tmp_path / name, tmp_path / "out")
    record = record_of(tmp_path / "out")
    failed = {check["name"] for check in record["checks"] if check["verdict"] in ("wrong", "refused")}
    assert failed == {"frames"}
    found = {finding["clip_id"] for check in record["checks"] for finding in check["findings"]} - {""}
    assert len(found) == clips - 1
    assert len(record["excluded"]) + record["lines"] == lines

    result = json.loads((RESULTS / f"prepare_{dataset}.json").read_text())
    assert (result["verdict"], result["clips"], result["lines"]) == ("complete", clips, lines)
    entries = READERS[dataset](tmp_path / name, Options()).entries
    samples = [Sample(e.clip_id, e.source, 1, e.label, e.subset, e.fold) for e in entries]
    assert dataset_hash(samples) == result["dataset_hash"]


class DiscChoice(DetectorChoice):
    """Chooses the detector of discs with landmarks."""

    def __call__(self) -> FaceDetector:
        return LandmarkDiscDetector()


def test_the_clips_of_a_manifest_are_aligned_and_all_else_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    video, votes = write_video(tmp_path / "in" / "a.mp4", disc_frames(20)), "happy:3 sad:1"
    source = [
        Sample("a", video, 20, "happy", "train", 1, "s1", votes),
        Sample("a", video, 20, "happy", "test", 2, "s1", votes),
        Sample("b/c", write_frame_folder(tmp_path / "in" / "b", disc_frames(18)), 18, "sad", "test", 1, "s2"),
    ]
    write_manifest(tmp_path / "in" / "manifest.csv", source)
    (tmp_path / "in" / "synth.json").write_text("{}")
    monkeypatch.setattr("ifdd.data.preparation.prepare.choose_detector", lambda model, notify, kind: DiscChoice())
    out = tmp_path / "out"
    words = (tmp_path / "in" / "manifest.csv", out, "--face-size", "32", "--workers", "1", "--search-seconds", "0.2")
    prepare("manifest", *words, "--alignment", "landmarks")
    samples = read_manifest(out / "manifest.csv")
    assert samples == [replace(each, path=out / "faces" / each.clip_id, fps=25.0) for each in source]
    assert read_frames(samples[2].path).shape == (18, 32, 32, 3)
    record = record_of(out)
    assert (record["dataset"], record["synthetic"], record["lists"]) == ("manifest", True, ["manifest.csv"])
    faces = record["faces"]
    assert (faces["alignment"], faces["interval_seconds"], faces["without_landmarks"]) == ("landmarks", 0.2, 0)
    assert describe_dataset(Manifest.read(out / "manifest.csv")).alignment == "landmarks"


def test_alignment_by_landmarks_needs_a_detector_that_finds_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frame_folder(tmp_path / "own" / "happy" / "a", disc_frames(18))
    monkeypatch.setattr("ifdd.data.preparation.prepare.choose_detector", lambda model, notify, kind: DetectorChoice())
    words = ("folder", tmp_path / "own", tmp_path / "out", "--alignment", "landmarks")
    assert "--alignment landmarks needs YuNet" in fails(capsys, *words)
    assert "--alignment needs cropped faces; add --faces crop" in fails(capsys, *words, "--faces", "keep")


def test_a_detector_is_checked_before_anything_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own").mkdir()
    words = ("folder", tmp_path / "own", tmp_path / "out")
    message = fails(capsys, *words, "--detector-model", tmp_path / "absent.onnx")
    assert "absent.onnx does not exist; give the path to YuNet's .onnx file" in message
    message = fails(capsys, *words, "--alignment", "landmarks", "--detector", "haar")
    assert "--alignment landmarks needs YuNet" in message
    assert "contains no clips" in fails(capsys, *words, "--detector", "haar")


class OwnModelDetector(LandmarkDiscDetector):
    sha256 = "ab" * 32


class OwnModelChoice(DetectorChoice):
    def __call__(self) -> FaceDetector:
        return OwnModelDetector()


def test_a_detector_of_ones_own_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frame_folder(tmp_path / "own" / "happy" / "a", disc_frames(4))
    chosen: list[DetectorChoice] = []
    monkeypatch.setattr("ifdd.data.preparation.prepare.choose_detector", lambda model, notify, kind: chosen[-1])
    for choice, expected in ((DiscChoice(), None), (OwnModelChoice(), "ab" * 32)):
        chosen.append(choice)
        prepare("folder", tmp_path / "own", tmp_path / "out", "--face-size", "16", "--workers", "0")
        assert record_of(tmp_path / "out")["faces"].get("detector_sha256") == expected


def test_uncropped_frames_of_dfew_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_dfew(tmp_path / "DFEW", variant="Clip/jpg_256")
    prepare("dfew", root, tmp_path / "out")
    assert "the frames of jpg_256 show whole scenes; --faces crop crops them" in capsys.readouterr().out
    prepare("dfew", root, tmp_path / "out", "--faces", "keep")
    assert "whole scenes" not in capsys.readouterr().out


def test_a_manifest_must_be_a_file_of_unpacked_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a folder; give the manifest in it" in fails(capsys, "manifest", tmp_path, tmp_path / "out")
    write_clip(tmp_path / "own/happy/a", 18)
    prepare("folder", tmp_path / "own", tmp_path / "packed", "--faces", "keep", "--pack")
    message = fails(capsys, "manifest", tmp_path / "packed" / "manifest.csv", tmp_path / "out")
    assert "clip happy/a is in frames.pack; give a manifest of videos or folders of frames" in message
