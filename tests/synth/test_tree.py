"""SynthDFER in the official layouts, read back the slow and plain way."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import LABEL_SETS, canonical_label, parse_votes
from ifdd.data.manifest import read_manifest
from ifdd.errors import InputError
from ifdd.synth.command import synth
from ifdd.synth.config import SynthConfig
from ifdd.synth.tree import (
    FERV39K_FRAMES,
    MAFW_FRAMES,
    TOP_NAMES,
    TreeClip,
    plan_tree,
    render_tree_clip,
    resample,
    tree_config,
    write_lists,
)
from ifdd.video.frames import probe

pytestmark = pytest.mark.slow

DFEW_LISTS = "EmoLabel_DataSplit/{}(single-labeled)/set_{}.csv"
MAFW_LISTS = "Train & Test Set/single/no_caption/set_{1}/{0}.txt"


def plans(layout: str, count: int, identities: int = 400) -> list[TreeClip]:
    config = tree_config(layout, SynthConfig(label_set=layout, identities=identities, validation=0.0, test=0.0))
    return plan_tree(layout, config, 0, count, "mp4")


@pytest.fixture(scope="module")
def dfew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trees") / "dfew"
    main(["synth", str(out), "--clips", "14", "--layout", "dfew", "--size", "32", "--workers", "1"])
    return out


LAYOUTS = [("dfew", 7), ("ferv39k", 7), ("mafw", 11), ("cremad", 6), ("ravdess", 8)]


@pytest.mark.parametrize(("layout", "classes"), LAYOUTS)
@pytest.mark.parametrize("identities", [5, 24, 400])
def test_test_folds_partition_clips_and_people(layout: str, classes: int, identities: int) -> None:
    clips = plans(layout, 5 * classes, identities)
    for fold in range(1, 6):
        labels = [clip.plan.label for clip in clips if clip.fold == fold]
        assert sorted(labels) == sorted(LABEL_SETS[layout])
        people = {clip.plan.person for clip in clips if clip.fold == fold}
        assert people.isdisjoint({clip.plan.person for clip in clips if clip.fold != fold})
        assert max(people) < (24 if layout == "ravdess" else identities)
    assert len({clip.plan.clip_id for clip in clips}) == len({clip.path for clip in clips}) == len(clips)


def test_more_clips_do_not_change_the_first_ones() -> None:
    assert plans("ferv39k", 60)[:23] == plans("ferv39k", 23)


@pytest.mark.parametrize(("layout", "lengths"), [("ferv39k", FERV39K_FRAMES), ("mafw", MAFW_FRAMES)])
def test_lengths_run_from_the_shortest_to_the_longest(layout: str, lengths: tuple[int, int]) -> None:
    found = [clip.frames for clip in plans(layout, 2000)]
    assert (min(found), max(found)) == lengths
    assert sum(frames < 16 for frames in found) > 100


def test_dfew_lists_count_from_1_and_partition_the_clips(dfew: Path) -> None:
    numbers = [clip.plan.clip_id for clip in plans("dfew", 14)]
    assert numbers[:5] == ["1", "2", "3", "5", "6"]
    tested: list[str] = []
    for fold in range(1, 6):
        rows = {}
        for subset in ("train", "test"):
            text = (dfew / DFEW_LISTS.format(subset, fold)).read_text(encoding="ascii")
            assert text.startswith("video_name,label\n")
            rows[subset] = {row["video_name"]: int(row["label"]) for row in csv.DictReader(text.splitlines())}
        assert rows["train"].keys().isdisjoint(rows["test"])
        everything = rows["train"] | rows["test"]
        for clip in plans("dfew", 14):
            assert everything[clip.plan.clip_id] == 1 + LABEL_SETS["dfew"].index(clip.plan.label)
        assert set(everything.values()) == set(range(1, 8))
        tested += rows["test"]
    assert sorted(tested, key=int) == numbers


def test_dfew_votes_agree_with_the_labels(dfew: Path) -> None:
    with (dfew / "Annotation" / "annotation.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ["1happy", "2sad", "3neutral", "4angry", "5surprise", "6disgust", "7fear"]
    assert list(rows[0]) == [*names, "order", "label"]
    labels = {clip.plan.clip_id: clip.plan.label for clip in plans("dfew", 14)}
    assert [row["order"] for row in rows] == [str(number) for number in range(1, 19)]
    for row in rows:
        votes = [int(row[name]) for name in names]
        assert sum(votes) == 10
        if row["order"] in labels:
            assert LABEL_SETS["dfew"][int(row["label"]) - 1] == labels[row["order"]]
            assert votes[int(row["label"]) - 1] >= 7
        else:
            assert row["label"] == "0"
            assert max(votes) <= 5


def test_dfew_frames_are_numbered_images_of_both_kinds_with_their_truth(dfew: Path) -> None:
    wanted = plans("dfew", 14)
    for kind in ("clip_224x224", "clip_224x224_16f"):
        folders = sorted(path.name for path in (dfew / "Clip" / kind).iterdir())
        assert folders == sorted(f"{int(clip.plan.clip_id):05d}" for clip in wanted)
    assert len({clip.frames for clip in wanted}) > 5
    for clip in wanted:
        for kind, frames in (("clip_224x224", clip.frames), ("clip_224x224_16f", 16)):
            files = {file.name for file in (dfew / "Clip" / kind / f"{int(clip.plan.clip_id):05d}").iterdir()}
            assert files == {f"{number}.jpg" for number in range(1, frames + 1)}
    truth = json.loads((dfew / "truth" / "1.json").read_text())
    assert (truth["path"], len(truth["frames"])) == ("Clip/clip_224x224/00001", wanted[0].frames)
    assert truth["label"] == plans("dfew", 14)[0].plan.label
    assert not (dfew / "manifest.csv").exists()


def test_prepare_accepts_the_tree(dfew: Path, tmp_path: Path) -> None:
    main(["prepare", "dfew", str(dfew), str(tmp_path)])
    samples = read_manifest(tmp_path / "manifest.csv")
    assert len(samples) == 5 * 14
    for clip in plans("dfew", 14):
        mine = {sample.fold: sample for sample in samples if sample.path.name == f"{int(clip.plan.clip_id):05d}"}
        assert [fold for fold, sample in mine.items() if sample.subset == "test"] == [clip.fold]
        assert {(sample.label, sample.frames) for sample in mine.values()} == {(clip.plan.label, 16)}
        assert all(parse_votes(sample.votes)[clip.plan.label] >= 7 for sample in mine.values())


def test_ferv39k_is_one_split_of_frames_that_begin_anew_in_every_folder(tmp_path: Path) -> None:
    main(["synth", str(tmp_path), "--clips", "12", "--layout", "ferv39k", "--size", "32", "--workers", "1"])
    listed = []
    for subset in ("train", "test"):
        for line in (tmp_path / "4_setups" / "All_scenes" / f"{subset}_All.csv").read_text().splitlines():
            place, label = line.split(" ")
            assert place.split("/")[1] == label
            listed.append(place)
            images = list((tmp_path / "2_ClipsforFaceCrop" / place).glob("*.jpg"))
            assert 8 <= len(images) <= 47
            assert (tmp_path / "truth" / f"{place}.json").exists()
    assert len(set(listed)) == len(listed) == 12
    assert len({place.split("/")[2] for place in listed}) < 12


@pytest.mark.parametrize("format", ["mp4", "frames"])
def test_mafw_is_scenes_with_a_face_in_them(tmp_path: Path, format: str) -> None:
    words = ["--clips", "5", "--layout", "mafw", "--size", "32", "--workers", "1", "--format", format]
    main(["synth", str(tmp_path), *words])
    train, test = (tmp_path / MAFW_LISTS.format(subset, 1) for subset in ("train", "test"))
    assert not train.read_bytes().endswith(b"\n")
    lines = [*train.read_text().split("\n"), *test.read_text().split("\n")]
    assert len(lines) == 5
    for line in lines:
        video, label = line.split(" ")
        assert label in LABEL_SETS["mafw"]
        path = tmp_path / "clips" / video if format == "mp4" else tmp_path / "frames" / video.removesuffix(".mp4")
        truth = json.loads((tmp_path / "truth" / f"{video.removesuffix('.mp4')}.json").read_text())
        info = probe(path)
        assert (info.width, info.height, info.frames) == (80, 48, len(truth["frames"]))
        assert (truth["width"], truth["height"]) == (80, 48)
        sides = np.array([max(frame["box"]["width"], frame["box"]["height"]) for frame in truth["frames"]])
        assert ((sides > 15) & (sides < 32)).all()


@pytest.mark.parametrize(("layout", "shape", "published"), [("cremad", (64, 48), 7442), ("ravdess", (86, 48), 1440)])
def test_prepare_deals_the_actors_to_the_folds_that_were_planned(
    tmp_path: Path, layout: str, shape: tuple[int, int], published: int
) -> None:
    words = ["--clips", "16", "--layout", layout, "--size", "32", "--fps", "4", "--identities", "10", "--workers", "1"]
    main(["synth", str(tmp_path / "tree"), *words])
    main(["prepare", layout, str(tmp_path / "tree"), str(tmp_path / "data"), "--faces", "keep"])
    samples = read_manifest(tmp_path / "data" / "manifest.csv")
    assert 5 * 16 == len(samples) < published
    planned = {clip.path: clip for clip in plans(layout, 16, 10)}
    for sample in samples:
        clip = planned[sample.path.relative_to(tmp_path / "tree").as_posix()]
        assert (sample.subset == "test") == (sample.fold == clip.fold)
        truth = json.loads((tmp_path / "tree" / "truth" / f"{clip.plan.clip_id}.json").read_text())
        assert (sample.label, sample.frames) == (canonical_label(clip.plan.label), len(truth["frames"]))
    info = probe(samples[0].path)
    assert (info.width, info.height) == shape
    assert len(ClipDataset(samples, layout, 8, 32)) == 80
    record = json.loads((tmp_path / "data" / "prepare.json").read_text())
    assert (record["synthetic"], record["licence"]["data"]) == (True, "SynthDFER")


def test_a_person_has_only_so_many_takes() -> None:
    names = [clip.plan.clip_id for clip in plans("ravdess", 1200)]
    assert len(set(names)) == 1200
    with pytest.raises(InputError, match="5 people have no more takes of neutral; give fewer --clips or more"):
        plans("cremad", 1000, 5)


def test_votes_of_a_tree_agree_with_its_labels(tmp_path: Path) -> None:
    clips = plans("cremad", 30, 6)
    write_lists(tmp_path, "cremad", clips, 6, 0)
    with (tmp_path / "processedResults/tabulatedVotes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 90
    labels = {clip.plan.clip_id: clip.plan.label for clip in clips}
    for row in rows:
        counts = {name: int(row[name[0].upper()]) for name in LABEL_SETS["cremad"]}
        assert sum(counts.values()) == 10
        assert max(counts, key=lambda name: counts[name]) == labels[row["fileName"]]
    actors = (tmp_path / "VideoDemographics.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in actors] == ['"Sex"', *['"Female"'] * 3, *['"Male"'] * 3]


def test_an_interrupted_tree_is_resumed_and_can_grow(tmp_path: Path) -> None:
    def run(clips: int) -> dict[str, bytes]:
        synth(tmp_path, clips=clips, layout="dfew", size=32, workers=1)
        return {str(path): path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}

    whole = run(3)
    (tmp_path / "truth" / "2.json").unlink()
    (tmp_path / DFEW_LISTS.format("test", 3)).unlink()
    shutil.rmtree(tmp_path / "Clip" / "clip_224x224_16f" / "00003")
    kept = tmp_path / "Clip" / "clip_224x224" / "00001" / "1.jpg"
    stamp = kept.stat().st_mtime_ns
    assert run(3) == whole
    grown = run(6)
    assert kept.stat().st_mtime_ns == stamp
    assert {path for path in whole if "Clip" in path} < set(grown)


def test_images_are_the_frames_that_were_drawn(dfew: Path) -> None:
    config = tree_config("dfew", SynthConfig(size=32, validation=0.0, test=0.0))
    drawn = render_tree_clip("dfew", plans("dfew", 1)[0], config, 0).frames
    for number, picture in enumerate(drawn, 1):
        assert _difference(dfew / "Clip" / "clip_224x224" / "00001" / f"{number}.jpg", picture) < 3
    for number, index in ((1, 0), (16, len(drawn) - 1)):
        assert _difference(dfew / "Clip" / "clip_224x224_16f" / "00001" / f"{number}.jpg", drawn[index]) < 3


def _difference(path: Path, picture: np.ndarray) -> float:
    image = cv2.imread(str(path))
    assert image is not None
    return float(np.abs(cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(int) - picture).mean())


@pytest.mark.parametrize("length", [1, 12, 16, 48])
def test_resampled_frames_are_spread_from_the_first_to_the_last(length: int) -> None:
    frames = np.arange(length, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    chosen = [int(frame[0, 0, 0]) for frame in resample(frames)]
    assert (len(chosen), chosen[0], chosen[-1]) == (16, 0, length - 1)
    assert chosen == sorted(chosen)


@pytest.mark.parametrize("kind", ["clip_224x224", "clip_224x224_16f"])
def test_prepare_reads_both_kinds_of_frames(dfew: Path, tmp_path: Path, kind: str) -> None:
    main(["prepare", "dfew", str(dfew), str(tmp_path), "--frames", kind])
    samples = read_manifest(tmp_path / "manifest.csv")
    frames = {clip.plan.clip_id: clip.frames if kind == "clip_224x224" else 16 for clip in plans("dfew", 14)}
    assert len(samples) == 5 * 14
    assert all(sample.frames == frames[str(int(sample.path.name))] for sample in samples)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    synth(tmp_path / "tree", clips=1, layout="dfew", size=32, workers=1)
    with pytest.raises(InputError, match="layout: dfew, not ferv39k"):
        synth(tmp_path / "tree", clips=1, layout="ferv39k", size=32, workers=1)
    with pytest.raises(InputError, match="identities is 4"):
        synth(tmp_path / "few", clips=1, layout="dfew", identities=4, workers=1)
    with pytest.raises(InputError, match="--layout mafw needs clips; say how many with --clips N"):
        synth(tmp_path / "none", layout="mafw", story="happy")
    mine = tmp_path / "mine"
    (mine / "Clip").mkdir(parents=True)
    with pytest.raises(InputError, match="another dataset"):
        synth(mine, clips=1, layout="dfew", workers=1)


@pytest.mark.parametrize(
    ("layout", "people"), [("dfew", 400), ("ferv39k", 400), ("mafw", 400), ("cremad", 91), ("ravdess", 24)]
)
def test_nothing_of_a_real_dataset_is_replaced(tmp_path: Path, layout: str, people: int) -> None:
    """Also not what only a larger set would write, or lists that were unpacked before the clips."""
    written = tmp_path / "written"
    written.mkdir()
    clips = plans(layout, 1000, people)
    write_lists(written, layout, clips, people, 0)
    names = {path.name for path in written.iterdir()} | {Path(clip.path).parts[0] for clip in clips}
    assert names == set(TOP_NAMES[layout]) - {"frames"}  # MAFW's with --format frames
    for name in TOP_NAMES[layout]:
        mine = tmp_path / f"mine {name}"
        (mine / name).mkdir(parents=True)
        with pytest.raises(InputError, match="another dataset"):
            synth(mine, clips=5, layout=layout, size=32, workers=1)  # type: ignore[arg-type]
        assert [path.name for path in mine.rglob("*")] == [name]
