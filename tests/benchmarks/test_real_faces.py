"""The benchmark of real faces, on drawn ones: a folder of photographs and a video through the real code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import benchmarks.real_faces
from benchmarks.real_faces import Photograph, Reader, find_items, folder_hash, locate, main
from benchmarks.real_faces_scores import score, score_among
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from ifdd.faces.alignment import align_face
from ifdd.faces.boxes import FaceBox
from ifdd.faces.detection import DetectorChoice, HaarDetector
from ifdd.files import file_sha256
from ifdd.model import DEMONSTRATION, create_model, find_checkpoint, load_checkpoint, save_checkpoint
from ifdd.records import CheckpointRecord
from ifdd.synth import SynthConfig, render_clip
from ifdd.video.encode import write_video
from ifdd.video.images import decode_image
from tests.helpers.faces import REAL, needs_real

pytestmark = pytest.mark.slow

YUNET = REAL / "models" / "yunet_n_640_640.onnx"
DRAWN = SynthConfig(size=160, frames=16, fps=10.0)


@pytest.fixture(autouse=True)
def without_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the Haar cascade unless a file is given."""

    def choose(model: Path | None, notify: Callable[[str], object]) -> DetectorChoice:
        return DetectorChoice(model)

    monkeypatch.setattr(benchmarks.real_faces, "choose_detector", choose)


def write_picture(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four drawn photographs, one without a face, and a video."""
    root = tmp_path_factory.mktemp("faces")
    clips = [render_clip(DRAWN, seed=1, index=index) for index in range(3)]
    write_picture(root / "Happiness" / "a.jpg", clips[0].frames[8])
    write_picture(root / "Happiness" / "b.png", clips[1].frames[8])
    write_picture(root / "anger" / "c.jpg", clips[2].frames[8])
    write_picture(root / "anger" / "grey.jpg", np.full((120, 160, 3), 128, np.uint8))
    (root / "surprised").mkdir()
    write_video(root / "surprised" / "d.mp4", list(clips[0].frames), fps=10.0)
    (root / "surprised" / "notes.txt").write_text("not scored")
    return root


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("out") / "faces.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmarks.real_faces, "choose_detector", lambda model, notify: DetectorChoice(model))
        main([str(folder), "--checkpoint", str(find_checkpoint(DEMONSTRATION)), "--out", str(out)])
    return out, json.loads(out.read_text())


def test_every_file_is_read_and_counted(folder: Path, result: tuple[Path, dict[str, Any]]) -> None:
    _, report = result
    assert report["folder"]["classes"] == {"happy": 2, "angry": 2, "surprise": 1}
    assert (report["folder"]["photographs"], report["folder"]["videos"]) == (4, 1)
    assert report["folder"]["sha256"] == folder_hash(folder, find_items(folder, None))
    assert report["faces"]["whole photographs"] == 1
    assert report["faces"]["plain"] + report["faces"]["with a border"] == 3
    assert report["faces"]["whole videos"] == 0
    assert report["chance"] == {"uniform": pytest.approx(1 / 3), "majority": 0.4}
    named, drawn = report["checkpoints"]  # the same file, by path and by name
    assert (named["checkpoint"], drawn["checkpoint"]) == ("ifdd_tiny_synth.safetensors", DEMONSTRATION)
    assert named["sha256"] == drawn["sha256"]
    assert named["restricted"] == drawn["restricted"]
    assert str(folder.parent) not in json.dumps(report)
    assert np.sum(named["restricted"]["confusion"], axis=1).tolist() == [2, 2, 1]
    assert np.shape(named["all"]["confusion"]) == (7, 7)


def test_table_and_curves_are_written(result: tuple[Path, dict[str, Any]]) -> None:
    out, report = result
    table = out.with_suffix(".md").read_text()
    accuracy = report["checkpoints"][0]["restricted"]["accuracy"]["value"]
    assert f"{100 * accuracy:.1f} % (" in table
    assert report["command"] in table
    assert cv2.imread(str(out.with_suffix(".png"))) is not None


def test_each_accuracy_is_stored_in_its_own_file(tmp_path: Path) -> None:
    """A checkpoint that is given twice counts once, and the report names the files as they are afterwards."""
    for name in ("happy/a.png", "happy/b.png", "sad/a.png"):
        write_picture(tmp_path / "faces" / name, np.full((40, 40, 3), 128, np.uint8))
    words = [str(tmp_path / "faces"), "--store", "--out", str(tmp_path / "out.json")]
    paths = [tmp_path / "happy.safetensors", tmp_path / "sad.safetensors"]
    for always, path in enumerate(paths):
        model = create_model("ifdd_tiny", 7, "backbone_only", frames=8, size=32)
        torch.nn.init.zeros_(model.head.classifier.weight)
        torch.nn.init.constant_(model.head.classifier.bias[always : always + 1], 9.0)
        save_checkpoint(path, model, LABEL_SETS["dfew"], 1.0, CheckpointRecord())
    main([*words, *(f"--checkpoint={path}" for path in (paths[0], paths[0], paths[1]))])
    scored = json.loads((tmp_path / "out.json").read_text())["checkpoints"]
    assert [each["sha256"] for each in scored[:2]] == [file_sha256(path) for path in paths]
    stored = [load_checkpoint(path).record.measured for path in paths]
    assert [each and each.accuracy for each in stored] == pytest.approx([2 / 3, 1 / 3])


def test_a_photograph_is_read_as_a_still_clip_of_its_crop(folder: Path) -> None:
    detector = HaarDetector()
    reader = Reader(DEMONSTRATION, detector, flip=False)
    clip = render_clip(DRAWN, seed=1, index=0)
    photograph = locate(clip.frames[8], detector)
    crop = reader.crop(photograph)
    assert crop.shape == (64, 64, 3)
    expected = reader.recognizer.reader.read([np.stack([crop] * 16)])
    assert reader.read_photographs([photograph]) == pytest.approx(expected.numpy())
    halves = np.concatenate([np.zeros((40, 60, 3), np.uint8), np.full((40, 60, 3), 200, np.uint8)])
    whole = reader.crop(Photograph(halves, None, "not at all"))
    assert (whole[:30].max(), whole[34:].min()) == (0, 200)  # the middle square, 60 pixels of 80


@needs_real
def test_the_crop_is_the_one_that_the_checkpoint_expects(tmp_path: Path) -> None:
    detector = DetectorChoice(YUNET)()
    path = sorted((REAL / "expressions" / "sad").glob("*.jpg"))[0]
    photograph = locate(decode_image(path.read_bytes(), str(path)), detector)
    assert photograph.box is not None
    crops = []
    for alignment in ("box", "landmarks"):
        model = create_model("ifdd_tiny", 7, frames=8, size=64, alignment=alignment)
        save_checkpoint(tmp_path / "a.safetensors", model, LABEL_SETS["dfew"], 1.0, CheckpointRecord())
        crops.append(Reader(str(tmp_path / "a.safetensors"), detector, flip=True).crop(photograph).astype(int))
    aligned = align_face(photograph.image, photograph.box, detector, 64)
    assert (crops[1] == aligned).all()
    assert abs(crops[0] - aligned).mean() > 5


class OnlyWithBorder:
    """Finds a face in large pictures only."""

    name = "picky"

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        return [FaceBox(80.0, 80.0, 80.0, 80.0, 0.9)] if len(image) > 160 else []


def test_a_close_crop_is_searched_again_with_a_border() -> None:
    image = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    found = locate(image, OnlyWithBorder())
    assert (found.found, found.image.shape) == ("with a border", (320, 320, 3))
    assert (found.image[80:240, 80:240] == image).all()


def test_scores_by_hand() -> None:
    known, classes = ("happy", "sad", "fear"), ("sad", "happy")
    rows = np.array([[0.2, 0.3, 0.5], [0.6, 0.2, 0.2], [0.3, 0.1, 0.6], [0.1, 0.8, 0.1]])
    labels = ["sad", "happy", "sad", "sad"]
    scores = score(rows, labels, known, classes)
    restricted, full = scores["restricted"], scores["all"]
    # among sad and happy: sad 0.6, happy 0.75, happy 0.75 (wrong), sad 0.889
    assert restricted["confusion"] == [[2, 1], [0, 1]]
    assert restricted["accuracy"]["value"] == 0.75
    assert restricted["uar"]["value"] == pytest.approx((2 / 3 + 1) / 2)
    assert restricted["recalls"]["sad"]["value"] == pytest.approx(2 / 3)
    assert restricted["confidence"] == pytest.approx((0.6 + 0.75 + 0.75 + 8 / 9) / 4)
    assert restricted["curve"][24::25] == [1.0, 0.75, 0.6667, 0.75]  # two of equal confidence share one error
    assert restricted["coverage"]["50%"] == 0.75
    # among all: fear, happy, fear, sad
    assert full["confusion"] == [[1, 0, 0], [0, 1, 2], [0, 0, 0]]
    assert full["accuracy"]["value"] == 0.5
    assert full["uar"]["value"] == pytest.approx((1 + 1 / 3) / 2)
    assert full["recalls"].keys() == {"happy", "sad"}
    low, high = score_among(rows[:, :2], labels, known[:2])["accuracy"]["interval"]
    assert low < 0.75 < high


def test_the_hash_covers_names_and_contents(folder: Path, tmp_path: Path) -> None:
    for name in ("happy/a.jpg", "sad/b.jpg"):
        write_picture(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    before = folder_hash(tmp_path, find_items(tmp_path, None))
    write_picture(tmp_path / "sad" / "b.jpg", np.full((8, 8, 3), 99, np.uint8))
    changed = folder_hash(tmp_path, find_items(tmp_path, None))
    (tmp_path / "sad").rename(tmp_path / "fear")
    assert len({before, changed, folder_hash(tmp_path, find_items(tmp_path, None))}) == 3


def test_mistakes_give_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def error(*words: str) -> str:
        with pytest.raises(SystemExit, match="2"):
            main([*words, "--out", str(tmp_path / "out.json")])
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        return text

    assert "does not exist" in error(str(tmp_path / "nothing"))
    assert "fewer than two class folders" in error(str(tmp_path))
    assert "has no folder for fear" in error(str(folder), "--classes", "happy,fear")
    assert "unknown emotion 'glad'" in error(str(folder), "--classes", "glad")
    write_picture(tmp_path / "happy" / "a.jpg", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "contempt").mkdir()
    assert "contempt has no photographs or videos" in error(str(tmp_path))
    write_picture(tmp_path / "contempt" / "a.jpg", np.zeros((8, 8, 3), np.uint8))
    assert "ifdd_tiny_synth has no class contempt, only happy" in error(str(tmp_path))
    (tmp_path / "contempt").rename(tmp_path / "sad")
    (tmp_path / "sad" / "a.jpg").write_bytes(b"no picture")
    assert "a.jpg is not a readable image" in error(str(tmp_path))
    (tmp_path / "2024").mkdir()
    with pytest.raises(InputError, match="unknown emotion '2024'"):
        find_items(tmp_path, None)


@needs_real
def test_faces_in_close_photographs_are_found() -> None:
    reader = DetectorChoice(YUNET)()
    photographs = sorted((REAL / "expressions" / "sad").glob("*.jpg"))[:5]
    assert len(photographs) == 5
    for path in photographs:
        found = locate(decode_image(path.read_bytes(), str(path)), reader)
        assert found.box is not None
        assert 0.5 < max(found.box.width, found.box.height) / 160 < 1
