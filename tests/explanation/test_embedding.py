"""``ifdd embed``: groups that are there are seen, others are not, and what is written is complete."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.data.manifest import Manifest, Sample, write_manifest
from ifdd.explanation.embedding import embedding, plot_embedding, silhouette
from ifdd.model import IFDD, load_checkpoint, save_checkpoint
from ifdd.records import CheckpointRecord, DatasetRecord
from ifdd.video import write_video
from tests.helpers.legends import drop_hidden_labels

EMOTIONS, PEOPLE = ("happy", "sad"), ("anna", "ben", "cleo")


def samples(count: int = 30, subject: bool = True) -> list[Sample]:
    return [
        Sample(f"{n:02}", Path("clip.mp4"), 16, EMOTIONS[n % 2], "test", subject=PEOPLE[n % 3] if subject else "")
        for n in range(count)
    ]


def test_clips_of_one_emotion_lie_together_and_those_of_one_person_do_not() -> None:
    clips = samples()
    generator = np.random.default_rng(0)
    features = generator.normal(size=(30, 8)) + 10 * np.array([[clip.label == "happy"] for clip in clips])
    found = embedding(features.astype(np.float32), clips, [clip.label for clip in clips])
    assert found.by_emotion is not None
    assert found.by_person is not None
    assert found.by_emotion > 0.5 > 0.1 > found.by_person
    happy = np.array([clip.label == "happy" for clip in clips])
    middles = found.points[happy].mean(0), found.points[~happy].mean(0)
    nearer = np.linalg.norm(found.points - middles[0], axis=1) < np.linalg.norm(found.points - middles[1], axis=1)
    assert (nearer == happy).all()
    assert len(plot_embedding(found, "a $title$").axes) == 2


def test_people_may_be_unknown() -> None:
    clips = samples(12, subject=False)
    features = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    found = embedding(features, clips, ["happy"] * 12)
    assert found.by_person is None
    assert any("unknown" in text.get_text() for text in plot_embedding(found, "").axes[1].texts)


def test_the_legend_names_every_group(monkeypatch: pytest.MonkeyPatch) -> None:
    drop_hidden_labels(monkeypatch)
    clips = [replace(clip, label="_own" if clip.label == "sad" else "happy") for clip in samples(12)]
    clips = [replace(clip, subject="" if clip.subject == "ben" else clip.subject) for clip in clips]
    features = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    figure = plot_embedding(embedding(features, clips, ["happy"] * 12), "")
    shown = [{text.get_text() for text in legend.get_texts()} for area in figure.axes if (legend := area.get_legend())]
    assert shown == [{"happy", "_own"}, {"anna", "cleo", "unknown"}]


def test_clips_of_the_training_and_of_another_alignment_are_noted(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_clips(tmp_path, 10)
    manifest.write_text(manifest.read_text().replace(",test,", ",train,"))
    loaded = load_checkpoint(checkpoint)
    record = CheckpointRecord(dataset=DatasetRecord(Manifest.read(manifest).dataset_hash, None, None))
    aligned = IFDD(replace(loaded.config, alignment="landmarks"))
    save_checkpoint(tmp_path / "own.safetensors", aligned, loaded.classes, 1.0, record)
    words = ["--subset", "train", "--out", str(tmp_path / "out"), "--workers", "0", "--device", "cpu"]
    for name, noted in ((checkpoint, False), (tmp_path / "own.safetensors", True)):
        main(["embed", str(name), str(manifest), *words])
        errors = capsys.readouterr().err
        assert ("are aligned by box, but" in errors) == noted
        assert ("note: the model was trained on these clips" in errors) == noted


def test_one_group_has_no_silhouette() -> None:
    assert silhouette(np.zeros((3, 1)), ["a", "a", "a"]) is None
    assert silhouette(np.zeros((3, 1)), ["a", "b", "c"]) is None


def write_clips(folder: Path, count: int) -> Path:
    write_video(folder / "clip.mp4", list(np.random.default_rng(0).integers(0, 255, (16, 64, 64, 3), np.uint8)), 10.0)
    clips = [
        Sample(clip.clip_id, folder / clip.path, 16, clip.label, clip.subset, subject=clip.subject)
        for clip in samples(count)
    ]
    write_manifest(folder / "manifest.csv", clips)
    return folder / "manifest.csv"


def test_the_command_writes_a_picture_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_clips(tmp_path, 10)
    words = ["--out", str(tmp_path / "out"), "--workers", "0", "--device", "cpu"]
    (tmp_path / "prepare.json").write_text("{")
    main(["embed", "ifdd_tiny_synth", str(manifest), *words])
    assert "note: not checked whether the clips suit the checkpoint: " in capsys.readouterr().err
    assert (tmp_path / "out" / "embedding.png").stat().st_size > 10_000
    with (tmp_path / "out" / "embedding.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip_id"] for row in rows] == [f"{n:02}" for n in range(10)]
    assert {row["subject"] for row in rows} == set(PEOPLE)
    assert len({row["prediction"] for row in rows}) == 1  # it is the same clip ten times


def test_too_few_clips_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["embed", "ifdd_tiny_synth", str(write_clips(tmp_path, 9)), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "has 9 clips of the subset test; t-SNE needs 10" in capsys.readouterr().err


def test_a_seed_that_no_generator_takes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["embed", "ifdd_tiny_synth", str(write_clips(tmp_path, 9)), "--seed", "-1"])
    assert "--seed is -1; it must be at least 0" in capsys.readouterr().err
