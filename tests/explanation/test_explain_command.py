"""``ifdd explain``: which clip is explained, what is written, and what is refused."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.data.manifest import Manifest, Sample, write_manifest
from ifdd.errors import InputError
from ifdd.explanation.clips import VideoReading, clip_of_faces, clip_of_manifest, clip_of_video
from ifdd.faces.detection import DetectorChoice
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference import HaarDetector, Recognizer
from ifdd.model import IFDD, load_checkpoint, save_checkpoint
from ifdd.synth import PRESETS, SynthConfig, render_clip
from ifdd.synth.videos.story import StoryConfig, render_story
from ifdd.video import SourceOptions, write_video
from ifdd.video.encode import write_images
from tests.helpers.html import check_page


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn person for 4 s, in whom OpenCV's cascade finds a face."""
    path = tmp_path_factory.mktemp("video") / "story.mp4"
    config = StoryConfig(seconds=2.0, fps=10.0, width=240, height=240)
    pictures = render_story(["neutral", "happy"], PRESETS["easy"], 11, config)[1]
    write_video(path, [picture for picture, _ in pictures], fps=10.0)
    return path


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 16 face crops, and a manifest with a clip of them and one of three frames."""
    folder = tmp_path_factory.mktemp("faces")
    drawn = render_clip(SynthConfig(size=64, frames=16, fps=10.0), seed=3, index=0)
    for name, frames in (("clip", drawn.frames), ("short", drawn.frames[:3])):
        (folder / name).mkdir()
        write_images(folder / name, frames)
    samples = [
        Sample("clip", folder / "clip", 16, "happy", "test"),
        Sample("short", folder / "short", 3, "sad", "test"),
    ]
    write_manifest(folder / "manifest.csv", samples)
    return folder


def reading() -> VideoReading:
    return VideoReading(DetectorChoice(), SourceOptions(), TrackingOptions(), "cpu")


def test_the_most_confident_window_of_recognize_is_chosen(video: Path) -> None:
    recognizer = Recognizer.from_checkpoint("ifdd_tiny_synth", HaarDetector(), device="cpu")
    entries = recognizer.recognize(video).timeline
    surest = max(entries, key=lambda entry: max(entry.probabilities) * entry.quality)
    loaded = load_checkpoint("ifdd_tiny_synth")
    chosen = clip_of_video(str(video), loaded, reading())
    assert chosen.middle_seconds == pytest.approx((surest.start_seconds + surest.end_seconds) / 2)
    assert chosen.person == surest.track
    assert recognizer.reader.read([chosen.frames])[0].tolist() == pytest.approx(surest.probabilities, abs=1e-5)
    first = clip_of_video(str(video), loaded, reading(), person=1, at=0.5)
    assert first.source == "story.mp4, person 1, 0.0 to 1.6 s"


@pytest.mark.parametrize(
    ("person", "at", "message"),
    [
        (7, None, "has no person 7; it has 1"),
        (None, 9.0, "nobody is in sight at 9 s"),
        (1, 9.0, "person 1 is not in sight at 9 s"),
    ],
)
def test_nobody_there_is_an_error(video: Path, person: int | None, at: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        clip_of_video(str(video), load_checkpoint("ifdd_tiny_synth"), reading(), person, at)


def test_a_video_without_faces_is_an_error(tmp_path: Path) -> None:
    write_video(tmp_path / "grey.mp4", [np.full((64, 64, 3), 128, np.uint8)] * 20, fps=10.0)
    with pytest.raises(InputError, match="no face found"):
        clip_of_video(str(tmp_path / "grey.mp4"), load_checkpoint("ifdd_tiny_synth"), reading())


def test_clips_are_read_as_by_evaluate(faces: Path) -> None:
    loaded = load_checkpoint("ifdd_tiny_synth")
    one = clip_of_manifest(Manifest.read(faces / "manifest.csv"), "clip", loaded)
    other = clip_of_faces(faces / "clip", loaded)
    assert (one.frames == other.frames).all()
    assert one.frames.shape == (16, 64, 64, 3)
    assert (one.label, other.label) == ("happy", "")


def run(words: Sequence[object], out: Path) -> None:
    main(["explain", *map(str, words), "--out", str(out), "--device", "cpu", "--detector", "haar"])


def test_the_command_writes_a_picture_and_a_page(
    video: Path, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run([video, "--checkpoint", "ifdd_tiny_synth", "--against", checkpoint, "--at", 3], tmp_path / "out")
    names = ["story_explanation.html", "story_explanation.png"]  # 'ifdd recognize' may write story.png
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    page = check_page((tmp_path / "out" / names[0]).read_text(encoding="utf-8"))
    assert len(page.texts_of("h2")) == 3
    assert "ifdd_tiny_synth: " in capsys.readouterr().out


def test_a_clip_of_a_manifest_is_named_after_it(faces: Path, tmp_path: Path) -> None:
    run([faces / "manifest.csv", "--clip", "clip", "--checkpoint", "ifdd_tiny_synth", "--target", "fear"], tmp_path)
    page = check_page((tmp_path / "clip_explanation.html").read_text(encoding="utf-8"))
    assert page.texts_of("h2")[0].startswith("ifdd_tiny_synth: fear ")
    assert "Labelled happy" in page.texts_of("p")


def test_the_whole_id_of_a_clip_names_its_files(faces: Path, tmp_path: Path) -> None:
    names = ("train/happy/001", "train/sad/001", "anna.01", "anna.02", "../up", "/")
    clips = [Sample(name, faces / "clip", 16, "happy", "test") for name in names]
    write_manifest(faces / "ids.csv", clips)
    for name in names:
        run([faces / "ids.csv", "--clip", name, "--checkpoint", "ifdd_tiny_synth"], tmp_path / "out")
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    expected = (*names[:4], "up", "clip")
    assert written == {f"out/{name}_explanation.png" for name in expected}


def test_a_folder_of_faces_has_no_suffix(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "anna.01").symlink_to(faces / "clip")
    run([tmp_path / "anna.01", "--faces", "--checkpoint", "ifdd_tiny_synth"], tmp_path / "out")
    assert (tmp_path / "out" / "anna.01_explanation.html").exists()


def test_a_clip_of_another_alignment_is_noted(
    faces: Path, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_checkpoint(checkpoint)
    aligned = IFDD(replace(loaded.config, alignment="landmarks"))
    save_checkpoint(tmp_path / "aligned.safetensors", aligned, loaded.classes, 1.0, loaded.record)
    words = [faces / "manifest.csv", "--clip", "clip", "--checkpoint", "ifdd_tiny_synth"]
    run(words, tmp_path / "out")
    assert "aligned by" not in capsys.readouterr().err
    run([*words, "--against", tmp_path / "aligned.safetensors"], tmp_path / "out")
    assert "are aligned by box, but" in capsys.readouterr().err


def test_a_damaged_record_of_the_preparation_is_noted(
    faces: Path, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(faces / "manifest.csv", tmp_path / "manifest.csv")
    (tmp_path / "clip").symlink_to(faces / "clip")
    (tmp_path / "short").symlink_to(faces / "short")
    (tmp_path / "prepare.json").write_text("{")
    run([tmp_path / "manifest.csv", "--clip", "clip", "--checkpoint", checkpoint, "--against", checkpoint], tmp_path)
    errors = capsys.readouterr().err
    assert errors.count("note: not checked whether the clips suit the checkpoint: ") == 1
    assert f"{tmp_path / 'prepare.json'} is damaged" in errors
    assert (tmp_path / "clip_explanation.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["short", "--faces"], "has 3 different pictures, too short to explain; the checkpoint takes 16 frames"),
        (["manifest.csv", "--clip", "short"], "too short to explain"),
        (["manifest.csv", "--clip", "none"], "has no clip 'none'"),
        (["manifest.csv"], "is a table; name the clip of the manifest to explain with --clip"),
        (["missing.mp4"], "no such video"),
        (["clip", "--faces", "--at", "1"], "leave them out with --faces"),
        (["clip", "--faces", "--clip", "clip"], "leave one of them out"),
        (["clip", "--faces", "--checkpoint", "missing.safetensors"], "missing.safetensors"),
        (["clip", "--faces", "--target", "bored"], "--target 'bored' is not a class of ifdd_tiny_synth"),
        (["clip", "--person", "0"], "--person"),
        (["https://example.com/a.mp4", "--against", "ifdd_face"], "can be read only once"),
    ],
)
def test_a_mistake_is_one_line(
    faces: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(faces / words[0]) if "://" not in words[0] else words[0], *words[1:]]
    checkpoint = [] if "--checkpoint" in words else ["--checkpoint", "ifdd_tiny_synth"]
    with pytest.raises(SystemExit) as stopped:
        run([*words, *checkpoint], tmp_path / "out")
    assert stopped.value.code == 2
    told = capsys.readouterr().err.strip()
    assert message in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "out").exists()
