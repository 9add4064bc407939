"""The command, end to end on tiny sets."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.data.manifest import read_manifest
from ifdd.errors import InputError
from ifdd.synth import PRESETS, SynthConfig, SynthDataset, render_clip
from ifdd.synth.behaviour.action_units import ACTION_UNITS
from ifdd.synth.claim import claim, is_claimed
from ifdd.synth.command import Rendering, synth
from ifdd.synth.config import BehaviourConfig, RigName, SceneConfig
from ifdd.synth.plan import person_identity
from ifdd.synth.rigs import DEFAULT_RIG, RIG_VERSIONS, RigMaker
from ifdd.synth.videos.crowd import CrowdConfig
from ifdd.synth.videos.story import StoryConfig, render_story


def read_all(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_a_set_is_written_and_read(tmp_path: Path) -> None:
    out = tmp_path / "set"
    main(["synth", str(out), "--clips", "8", "--size", "48", "--frames", "4", "--workers", "1", "--seed", "3"])
    samples = read_manifest(out / "manifest.csv")
    assert len(samples) == 8
    for sample in samples:
        with av.open(str(sample.path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            assert float(container.streams.video[0].average_rate or 0) == 10
        assert len(frames) == sample.frames == 4
        assert frames[0].shape == (48, 48, 3)
        truth = json.loads((out / "clips" / f"{sample.clip_id}.json").read_text())
        assert (truth["subject"], truth["subset"], truth["label"]) == (sample.subject, sample.subset, sample.label)
        assert len(truth["frames"]) == 4
        assert len(truth["frames"][0]["landmarks"]) == 68
        assert truth["fps"] == 10
        assert truth["scene"].keys() == {"background", "light_contrast", "fill_lights", "grey", "resolution"}
        assert truth["frames"][0]["light"].keys() == set("xyz")
        assert 0 < truth["frames"][0]["brightness"] < 1
        assert truth["identity"]["hair_style"] == sample.attributes["hair"]
        assert list(sample.attributes)[:5] == ["skin_tone", "age", "glasses", "beard", "hair"]
        assert list(sample.attributes)[5:] == [f"au{number:02d}" for number in sorted(ACTION_UNITS)]
        assert (truth["seed"], truth["preset"]) == (3, "standard")


def test_the_manifest_has_the_mean_intensity_of_each_action_unit(tmp_path: Path) -> None:
    out = tmp_path / "set"
    words = ["synth", str(out), "--clips", "3", "--size", "32", "--frames", "4", "--workers", "1"]
    main(words)
    clip = render_clip(SynthConfig(size=32, frames=4), 0, 1)
    mean = np.mean([frame.activation for frame in clip.truth], axis=(0, 1))
    units = read_manifest(out / "manifest.csv")[1].attributes
    for number, expected in zip(ACTION_UNITS, mean, strict=True):
        assert float(units[f"au{number:02d}"]) == pytest.approx(expected, abs=0.002)
    assert mean.max() > 0.1
    (out / "manifest.csv").unlink()  # a set that an earlier version wrote gets the columns too
    main(words)
    assert read_manifest(out / "manifest.csv")[1].attributes == units
    (out / "clips" / "000002.json").write_text("{}")
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2


@pytest.mark.slow
def test_workers_and_number_of_clips_do_not_change_the_frames(tmp_path: Path) -> None:
    options = {"size": 40, "frames": 2, "format": "frames"}
    synth(tmp_path / "one", clips=17, workers=1, **options)  # type: ignore[arg-type]
    synth(tmp_path / "two", clips=17, workers=2, **options)  # type: ignore[arg-type]
    assert read_all(tmp_path / "one") == read_all(tmp_path / "two")
    synth(tmp_path / "few", clips=5, workers=1, **options)  # type: ignore[arg-type]
    many, few = read_all(tmp_path / "one" / "clips"), read_all(tmp_path / "few" / "clips")
    assert few.items() <= many.items()
    image = cv2.imread(str(tmp_path / "one" / "clips" / "000000" / "00002.png"))
    assert image is not None
    assert image.shape == (40, 40, 3)


def test_an_interrupted_set_is_resumed_and_can_grow(tmp_path: Path) -> None:
    def run(clips: int) -> None:
        synth(tmp_path / "set", clips=clips, size=40, frames=2, workers=1)

    run(4)
    whole = read_all(tmp_path / "set")
    kept = tmp_path / "set" / "clips" / "000000.mp4"
    (tmp_path / "set" / "clips" / "000002.json").unlink()  # what an interruption leaves: a video without its truth
    (tmp_path / "set" / "manifest.csv").unlink()
    stamp = kept.stat().st_mtime_ns
    run(4)
    assert read_all(tmp_path / "set") == whole
    assert kept.stat().st_mtime_ns == stamp
    run(6)
    assert len(read_manifest(tmp_path / "set" / "manifest.csv")) == 6
    assert kept.stat().st_mtime_ns == stamp


def test_other_settings_do_not_mix(tmp_path: Path) -> None:
    synth(tmp_path / "set", clips=1, size=40, frames=2, workers=1)
    with pytest.raises(InputError, match=r"config\.size: 40, not 48"):
        synth(tmp_path / "set", clips=1, size=48, frames=2, workers=1)
    with pytest.raises(InputError, match="seed"):
        synth(tmp_path / "set", clips=1, size=40, frames=2, seed=1, workers=1)
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.csv").write_text("mine")
    with pytest.raises(InputError, match="another dataset"):
        synth(other, clips=1, workers=1)
    assert (other / "manifest.csv").read_text() == "mine"


def test_the_manifest_says_which_habits_a_person_shows(tmp_path: Path) -> None:
    words = {"clips": 40, "size": 32, "frames": 2, "preset": "lifelike", "workers": 1}
    synth(tmp_path / "without", **words)  # type: ignore[arg-type]
    synth(tmp_path / "with", behaviour={"squint": 0.5, "raised_brows": 0.4}, **words)  # type: ignore[arg-type]
    plain, some = (read_manifest(tmp_path / name / "manifest.csv") for name in ("without", "with"))
    assert not any("habits" in sample.attributes for sample in plain)
    habits = [sample.attributes.pop("habits") for sample in some]
    assert set(habits) == {"none", "squint", "raised_brows", "squint raised_brows"}
    for before, after, shown in zip(plain, some, habits, strict=True):
        units = [number for number in before.attributes if number.startswith("au")]
        same = all(before.attributes[number] == after.attributes[number] for number in units)
        files = (tmp_path / name / "clips" / f"{before.clip_id}.json" for name in ("without", "with"))
        truths = (json.loads(file.read_text()) for file in files)
        scenes = [(truth["scene"], [frame["light"] for frame in truth["frames"]]) for truth in truths]
        assert scenes[0] == scenes[1]
        # a stronger expression hides a habit
        assert same if shown == "none" else (not same or before.label != "neutral")


def test_a_set_of_an_earlier_version_can_grow(tmp_path: Path) -> None:
    words = {"size": 40, "frames": 2, "workers": 1}
    synth(tmp_path, clips=1, **words)  # type: ignore[arg-type]
    note = tmp_path / "synth.json"
    settings = json.loads(note.read_text())
    for name in ("repertoire", "speech_neutral", "squint", "raised_brows"):
        del settings["config"]["behaviour"][name]
    note.write_text(json.dumps(settings))
    synth(tmp_path, clips=2, **words)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"behaviour\.repertoire: prototypical, not lifelike"):
        synth(tmp_path, clips=2, behaviour={"repertoire": "lifelike"}, **words)  # type: ignore[arg-type]


def test_a_set_of_another_state_of_the_rendered_rig_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Rendering(SynthConfig(rig="rendered"), 0, "mp4", "lifelike", DEFAULT_RIG).settings
    claim(tmp_path, settings(), ())
    claim(tmp_path, settings(), ())
    older = RIG_VERSIONS["rendered"]
    monkeypatch.setitem(RIG_VERSIONS, "rendered", older + 1)
    with pytest.raises(InputError, match=f"rig_version: {older}, not {older + 1}"):
        claim(tmp_path, settings(), ())
    unversioned = {name: value for name, value in settings().items() if name != "rig_version"}
    (tmp_path / "synth.json").write_text(json.dumps(unversioned))
    with pytest.raises(InputError, match=f"rig_version: None, not {older + 1}"):
        claim(tmp_path, settings(), ())


def test_a_set_of_another_state_of_the_lifelike_repertoire_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SynthConfig(PRESETS["lifelike"].behaviour, PRESETS["lifelike"].scene)
    settings = Rendering(config, 0, "mp4", "lifelike", DEFAULT_RIG).settings
    assert "repertoire_version" not in Rendering(SynthConfig(), 0, "mp4", "standard", DEFAULT_RIG).settings()
    unversioned = {name: value for name, value in settings().items() if name != "repertoire_version"}
    for number, recorded in enumerate((settings(), unversioned)):
        folder = tmp_path / str(number)
        with monkeypatch.context() as changes:
            claim(folder, recorded, ())
            claim(folder, settings(), ())
            changes.setattr("ifdd.synth.command.REPERTOIRE_VERSION", 2)
            with pytest.raises(InputError, match="repertoire_version: 1, not 2"):
                claim(folder, settings(), ())


def test_a_set_of_the_time_of_one_rig_is_known_by_its_name_of_today(tmp_path: Path) -> None:
    def settings(rig: RigName) -> dict[str, Any]:
        return Rendering(SynthConfig(rig=rig), 0, "mp4", "standard", DEFAULT_RIG).settings()

    assert not is_claimed(tmp_path, settings("drawn"))
    older = settings("drawn")
    older["config"]["rig"] = "portrait"
    (tmp_path / "synth.json").write_text(json.dumps(older))
    claim(tmp_path, settings("drawn"), ())
    assert is_claimed(tmp_path, settings("drawn"))
    assert not is_claimed(tmp_path, settings("rendered"))
    with pytest.raises(InputError, match=r"config\.rig: drawn, not rendered"):
        claim(tmp_path, settings("rendered"), ())


@pytest.mark.parametrize(("text", "reason"), [("[]", "it is not a JSON object"), ("{", "Expecting")])
def test_settings_that_cannot_be_read_are_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "synth.json").write_text(text)
    with pytest.raises(InputError, match=rf"synth\.json cannot be read \({reason}.*; choose another folder"):
        synth(tmp_path, clips=1, size=40, frames=2, workers=1)


def test_a_truth_that_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    synth(tmp_path, clips=1, size=40, frames=2, workers=1)
    truth = tmp_path / "clips" / "000000.json"
    truth.unlink()
    truth.mkdir()
    with pytest.raises(InputError, match=r"cannot read .*000000\.json: Is a directory; check its permissions"):
        synth(tmp_path, clips=1, size=40, frames=2, workers=1)


def test_a_preset_can_be_changed(tmp_path: Path) -> None:
    words = ["--clips", "1", "--size", "48", "--frames", "2", "--workers", "1", "--preset", "easy"]
    main(["synth", str(tmp_path), *words, "--scene.occlusion", "1", "--behaviour.visible", "[0.5, 0.6]"])
    config = json.loads((tmp_path / "synth.json").read_text())["config"]
    assert config["scene"]["occlusion"] == 1
    assert config["behaviour"]["visible"] == [0.5, 0.6]
    assert config["scene"]["backgrounds"] == ["plain"]


def test_a_story_is_told(tmp_path: Path) -> None:
    words = ["--story", "happy,neutral,surprise", "--story-video.seconds", "1.6", "--story-video.fps", "10"]
    main(["synth", str(tmp_path), *words, "--story-video.width", "160", "--story-video.height", "90"])
    with av.open(str(tmp_path / "story.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    record = json.loads((tmp_path / "story.json").read_text())
    assert frames[0].shape == (90, 160, 3)
    assert len(frames) == len(record["frames"]) == 48
    assert [segment["label"] for segment in record["segments"]] == ["happy", "neutral", "surprise"]
    assert record["segments"][1] == {"start_seconds": 1.6, "end_seconds": 3.2, "label": "neutral"}
    assert np.median([frame["box"]["height"] for frame in record["frames"]]) == pytest.approx(0.4 * 90, rel=0.2)
    assert not list(tmp_path.glob(".partial-*"))
    shown = record["context"]
    assert (shown["behaviour"]["strength"], shown["behaviour"]["yaw"]) == ([1, 1], 12)
    assert (shown["scene"]["occlusion"], shown["scene"]["jitter"]) == (0, 0.05)


SHORT = StoryConfig(seconds=1.5, fps=2.0, width=64, height=64)


def film(folder: Path, kind: str) -> None:
    """Write a short story or crowd."""
    story, crowd = "happy" if kind == "story" else "", CrowdConfig(1, 1, 1, SHORT)
    synth(folder, story=story, story_video=SHORT, crowd=kind == "crowd", crowd_video=crowd)


def test_a_video_of_other_settings_or_of_others_is_kept(tmp_path: Path) -> None:
    def story(folder: Path, emotion: str = "happy", seed: int = 0) -> None:
        synth(folder, story=emotion, story_video=SHORT, seed=seed)

    story(tmp_path)
    whole = read_all(tmp_path)
    story(tmp_path)  # the same again
    assert read_all(tmp_path) == whole
    with pytest.raises(InputError, match=r"story\.mp4 has different settings \(seed: 0, not 1\); delete it or choose"):
        story(tmp_path, seed=1)
    record = json.loads((tmp_path / "story.json").read_text())
    for name in ("rig", "story"):  # as in an earlier version, which recorded the preset as context
        del record[name]
    record["context"]["behaviour"]["yaw"] = 15.0
    (tmp_path / "story.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"different settings \(segments: "):
        story(tmp_path, "sad")
    assert (tmp_path / "story.mp4").read_bytes() == whole["story.mp4"]
    story(tmp_path)
    assert read_all(tmp_path) == whole
    (tmp_path / "story.mp4").unlink()
    story(tmp_path, "sad")  # a truth alone is of no use
    assert json.loads((tmp_path / "story.json").read_text())["segments"][0]["label"] == "sad"


@pytest.mark.parametrize("kind", ["story", "crowd"])
@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        (".mp4", r"{}\.mp4 exists without its truth, {}\.json; delete it"),
        (".json", r"{}\.json was not written by ifdd"),
    ],
)
def test_a_file_of_the_user_is_not_replaced_by_a_video(tmp_path: Path, kind: str, suffix: str, message: str) -> None:
    mine = tmp_path / f"{kind}{suffix}"
    mine.write_text("{}")
    with pytest.raises(InputError, match=message.format(kind, kind)):
        film(tmp_path, kind)
    assert mine.read_text() == "{}"


@pytest.mark.parametrize("kind", ["story", "crowd"])
def test_an_interruption_leaves_no_video_with_the_truth_of_another(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    film(tmp_path, kind)
    assert {path.name for path in tmp_path.iterdir()} == {f"{kind}.mp4", f"{kind}.json"}
    monkeypatch.setattr(f"ifdd.synth.videos.{kind}.write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        film(tmp_path, kind)
    assert [path.name for path in tmp_path.iterdir()] == [f"{kind}.mp4"]


def test_the_person_of_a_story_is_that_of_the_set(tmp_path: Path) -> None:
    config = SynthConfig(rig="rendered")
    for even in (False, True):
        person, _ = render_story(["happy"], PRESETS["easy"], 1, StoryConfig(person=5), even_skin_tones=even)
        assert person == person_identity(1, 5, even)
    assert config.even_skin_tones
    assert person_identity(1, 5, True).skin != person_identity(1, 5, False).skin


def test_a_set_in_memory_has_the_rig_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def maker(name: str, data: Path | None) -> RigMaker:
        asked.append(name)
        return DEFAULT_RIG

    for module in ("dataset", "render"):
        monkeypatch.setattr(f"ifdd.synth.{module}.make_rig_maker", maker)
    config = SynthConfig(PRESETS["easy"].behaviour, PRESETS["easy"].scene, size=32, frames=1, rig="rendered")
    render_clip(config, 1, 0)
    SynthDataset(replace(config, rig="drawn"), 1, 1)[0]
    assert asked == ["rendered", "drawn"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--clips", "2", "--preset", "hard"], "--preset is 'hard'; use one of easy, standard, wild, lifelike"),
        ([], "nothing to do"),
        (["--clips", "2", "--size", "41"], "even"),
        (["--story", "happy,bored"], "bored"),
        (["--story", "happy", "--story-video.width", "65"], "even"),
        (["--story", "happy", "--story-video.seconds", "9999"], "it must be at least 1.5 and at most 600"),
        (["--crowd", "--crowd-video.person.seconds", "9999"], "it must be at least 1.5 and at most 600"),
        (["--clips", "1", "--scene.backgrounds", "plain"], "scene.backgrounds is 'plain'; it must be a list"),
        (["--clips", "1", "--behaviour.sway", "60"], "behaviour.sway is 60.0; it must be at least 0 and at most 15"),
        (["--clips", "1", "--scene.jitter", "inf"], "scene.jitter is inf; it must be at least 0 and at most 2"),
        (["--crowd", "--rig", "rendered"], "--rig is rendered; the people of a crowd are drawn, so use --rig drawn"),
        (
            ["--clips", "1", "--rig", "rendered", "--rig-data", "gone"],
            "gone does not exist; give ict_facekit_light.npz",
        ),
        (
            ["--clips", "1", "--layout", "ferv39k", "--format", "mp4"],
            "--layout ferv39k always writes frames; leave it out",
        ),
        (
            ["--clips", "1", "--layout", "ravdess", "--format", "frames"],
            "--format is frames, but --layout ravdess always",
        ),
        (["--clips", "-1"], "--clips is -1; it must be at least 0"),
        (["--clips", "1", "--workers", "-1"], "--workers is -1; it must be at least 0"),
        (["--clips", "1", "--colour", "red"], "colour"),
        (["--clips", "1", "--scene.fog", "1"], "scene.fog does not exist; use one of backgrounds"),
        (["--clips", "1", "--scene.occlusion", "often"], "scene.occlusion is 'often'; it must be a number"),
        (["--clips", "1", "--scene.backgrounds", "[beach]"], "scene.backgrounds has the unknown kind 'beach'"),
        (["--clips", "1", "--behaviour.visible", "[0.5]"], "behaviour.visible is [0.5]; it must be a list"),
        (["--clips", "1", "--behaviour.yaw", "90"], "behaviour.yaw is 90.0; it must be at least 0 and at most 45"),
    ],
)
def test_bad_input_gets_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["synth", str(tmp_path / "set"), *options])
    assert stop.value.code == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "set" / "manifest.csv").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        synth(tmp_path / "file" / "set", clips=1, size=40, frames=2, workers=1)


@pytest.mark.parametrize("config", [BehaviourConfig, SceneConfig])
def test_the_help_names_every_setting(config: type[BehaviourConfig] | type[SceneConfig]) -> None:
    words = set(re.findall(r"\w+", synth.__doc__ or ""))
    assert {setting.name for setting in fields(config)} <= words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--story", "anger_disgust"], "SynthDFER cannot show 'anger_disgust'; it shows neutral, calm, happy"),
        (["--crowd", "--crowd-video.classes", "[happy_surprise]"], "SynthDFER cannot show 'happy_surprise'"),
        (["--clips", "6", "--layout", "cremad", "--balance", "dfew"], "label set cremad has others; use uniform"),
    ],
)
def test_emotions_without_a_face_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        main(["synth", str(tmp_path / "out"), *words])
    assert message in capsys.readouterr().err


def test_a_manifest_that_was_edited_is_kept(tmp_path: Path) -> None:
    words: dict[str, Any] = {"size": 40, "frames": 2, "workers": 1}
    synth(tmp_path, clips=1, **words)
    synth(tmp_path, clips=2, **words)
    manifest = tmp_path / "manifest.csv"
    edited = manifest.read_text().replace(",test,", ",train,").replace(",train,", ",test,", 1)
    manifest.write_text(edited)
    with pytest.raises(InputError, match=r"manifest\.csv was changed since 'ifdd synth' wrote it; rename it"):
        synth(tmp_path, clips=3, **words)
    assert manifest.read_text() == edited
    manifest.rename(tmp_path / "mine.csv")
    synth(tmp_path, clips=3, **words)
    assert len(read_manifest(manifest)) == 3
