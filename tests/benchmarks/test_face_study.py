"""The study of rendered faces: every run changes what it says, and nothing else."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import face_study
from benchmarks.face_study import Run, crop, options_of, read_study, reduce, settings_of, train, words_of
from docs.blocks import real_faces
from docs.blocks.real_faces import ordered
from ifdd.data.manifest import Manifest, Sample, write_manifest
from ifdd.data.preparation.prepare import prepare
from ifdd.errors import InputError
from ifdd.model import BACKBONES, create_model
from ifdd.records import BestEpoch, DatasetRecord, SubsetScores, TrainingClips, TrainingRecord
from tests.helpers.videos import write_clip_manifest

ROOT = Path(__file__).parents[2]
STUDY, FACTORS = (ROOT / "benchmarks" / f"face_{name}.yaml" for name in ("study", "factors"))
NAMES = [(study, name) for study in (STUDY, FACTORS) for name in yaml.safe_load(study.read_text())["runs"]]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Forget the backbones of the studies afterwards."""
    before = set(BACKBONES)
    yield
    for name in set(BACKBONES) - before:
        del BACKBONES[name]


def test_overrides_are_added_to_those_of_the_recipe() -> None:
    recipe, runs = read_study(STUDY)
    assert options_of(str(ROOT / recipe), runs["base"]) == {}
    given = yaml.safe_load((ROOT / recipe).read_text())["model"]["overrides"]
    assert options_of(str(ROOT / recipe), runs["light"]) == {"model.overrides": given | {"standardization": "none"}}
    assert options_of(str(ROOT / recipe), runs["local"]) == {"model.overrides": given | {"standardization": "local"}}
    assert options_of(str(ROOT / recipe), runs["tiny"]) == {"model.preset": "ifdd_tiny"}
    assert options_of(str(ROOT / recipe), runs["longer"]) == {"optimization.epochs": 20}
    assert options_of(str(ROOT / recipe), runs["whole"])["model.ablation"] == "full"


def test_every_factor_keeps_the_steps_unless_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, runs = read_study(FACTORS)
    assert {run.clips for run in runs.values()} == {0.125, 0.25, 1.0}
    for name, run in runs.items():
        epochs = run.options["optimization.epochs"]
        halves = {"longer": 4, "stills": 1, "stills_first": 1}.get(name, 2)
        assert epochs * run.clips * run.people == halves * 1.0 or run.manifest, name


@pytest.mark.parametrize(("study", "name"), NAMES)
def test_every_run_builds_a_model_for_its_crops(study: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    recipe, runs = read_study(study)
    model = yaml.safe_load((ROOT / recipe).read_text())["model"]
    options = options_of(str(ROOT / recipe), runs[name])
    overrides = options.get("model.overrides", model["overrides"])
    overrides = overrides | {"action_units": tuple(overrides["action_units"])}
    preset, ablation = (options.get(f"model.{name}", model[name]) for name in ("preset", "ablation"))
    config = create_model(preset, 7, ablation, **overrides).config
    assert config.size <= runs[name].size
    assert config.alignment == runs[name].alignment


def given(work: Path, **changes: object) -> argparse.Namespace:
    """Return the options of the command."""
    options = {"work": work, "manifest": Path("rendered/manifest.csv"), "detector_model": None, "training": ""}
    return argparse.Namespace(**(options | changes))


def finish(recipe: str, run: Run, options: argparse.Namespace) -> None:
    """Leave what a finished training of a run leaves, apart from its weights."""
    folder = options.work / run.name
    folder.mkdir()
    settings_of(words_of(recipe, run, options)).write(folder)
    best = BestEpoch(epoch=3, validation=SubsetScores(0.5, 0.5), selection="best WAR", chosen_on="validation")
    clips = TrainingClips(train=8, validation=2, unused=0, draws={"happy": 8})
    TrainingRecord("done", 3, 3, best, DatasetRecord("ab", True, None), clips).write(folder / TrainingRecord.FILE)


def test_a_run_starts_only_from_a_finished_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    recipe, runs = read_study(STUDY)
    with pytest.raises(InputError, match="whole starts from base, which is not finished; train base first"):
        train(recipe, runs["whole"], given(tmp_path))
    finish(recipe, runs["whole"], given(tmp_path))
    assert train(recipe, runs["whole"], given(tmp_path)) == tmp_path / "whole" / "last.safetensors"


def test_a_finished_run_is_scored_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    recipe, runs = read_study(STUDY)
    finish(recipe, runs["further"], given(tmp_path))
    (tmp_path / "there").mkdir()
    (tmp_path / "further").rename(tmp_path / "there" / "further")
    elsewhere = given(tmp_path / "there", training="--data.workers 8 --run.device cpu")
    assert train(recipe, runs["further"], elsewhere) == tmp_path / "there" / "further" / "last.safetensors"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"options": {"data.class_weights": {"sad": 3}}}, "data.class_weights"),
        ({"start": "further"}, "model.weights"),
        ({"clips": 0.5}, "data.manifest"),
        ({"manifest": "other/manifest.csv"}, "data.manifest"),
        ({"changes": "configs/face_third.yaml"}, "optimization.epochs"),
    ],
)
def test_a_finished_run_with_other_options_is_refused(
    changes: dict[str, Any], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights are not those of the run that the study describes now."""
    monkeypatch.chdir(ROOT)
    recipe, runs = read_study(STUDY)
    finish(recipe, runs["fourteen"], given(tmp_path))
    with pytest.raises(InputError, match=rf"{tmp_path / 'fourteen'} was trained with other options .*{named}"):
        train(recipe, replace(runs["fourteen"], **changes), given(tmp_path))


def test_crops_of_other_clips_are_refused(tmp_path: Path) -> None:
    rendered = write_clip_manifest(tmp_path, ["happy", "sad"], count=8)
    prepare("manifest", rendered, tmp_path / "faces_landmarks_96")
    crop(Run("base", "nothing"), given(tmp_path, manifest=tmp_path / "x" / ".." / rendered.name))
    with pytest.raises(
        InputError, match=r"faces_landmarks_96 holds crops of .*test.csv, not of .*b.csv; choose another"
    ):
        crop(Run("base", "nothing"), given(tmp_path, manifest=tmp_path / "b.csv"))
    rendered.write_text(rendered.read_text().replace("happy", "angry"))
    with pytest.raises(InputError, match=r"faces_landmarks_96 lacks clips of .*test.csv, or has others; delete"):
        crop(Run("base", "nothing"), given(tmp_path, manifest=rendered))


def test_a_preparation_that_failed_is_repeated(tmp_path: Path) -> None:
    run = Run("base", "nothing", alignment="box")
    rendered = write_clip_manifest(tmp_path, ["happy", "sad"], count=8)
    options, faces = given(tmp_path, manifest=rendered), tmp_path / "faces_box_96"
    frame = min(Manifest.read(rendered).samples[0].path.iterdir())
    whole = frame.read_bytes()
    frame.write_bytes(b"")
    with pytest.raises(InputError, match="ifdd prepare manifest"):
        crop(run, options)
    assert [path.name for path in faces.iterdir()] == ["prepare.json"]
    frame.write_bytes(whole)
    crop(run, options)
    assert len(Manifest.read(faces / "manifest.csv").samples) == 2


def test_a_row_names_what_was_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows from before have no hashes and stay."""
    share = {"value": 0.5, "interval": [0.4, 0.6]}
    scores = {"accuracy": share, "surest_half": share, "recalls": {"happy": share}}
    report = {
        "folder": {"photographs": 500, "sha256": "of the folder"},
        "checkpoints": [{"sha256": "of the weights", "restricted": scores}],
        "commit": "289c38af100a",
    }
    monkeypatch.setattr(face_study, "score", lambda words: Path(words[-1]).write_text(json.dumps(report)))
    monkeypatch.setattr(face_study, "validation", lambda checkpoint: 0.75)
    out = tmp_path / "table.json"
    out.write_text(json.dumps({"before": {"varies": "much"}}))
    face_study.record(Run("base", "nothing"), tmp_path / "last.safetensors", given(tmp_path, folder=tmp_path, out=out))
    table = json.loads(out.read_text())
    assert table["before"] == {"varies": "much"}
    named = [table["base"][name] for name in ("folder_sha256", "checkpoint_sha256", "commit")]
    assert named == ["of the folder", "of the weights", "289c38af100a"]


def test_the_page_shows_the_order_of_the_study() -> None:
    rows = {"lost": 1, "c": 2, "old": 3, "a": 4, "b": 5}
    assert ordered(rows, ["a", "b", "planned", "c"]) == [1, 4, 3, 5, 2]
    shown = [name for name, _ in real_faces.runs("face_study")]
    assert shown.index("seventh_middle") == shown.index("seventh_whole") + 1


def test_the_page_describes_runs_that_exist() -> None:
    """A run that the page does not describe shows the words of its result."""
    assert set(real_faces.STUDY) <= {name for name, _ in real_faces.runs("face_study")}
    assert set(real_faces.FACTORS) <= set(yaml.safe_load(FACTORS.read_text())["runs"])
    assert "| half of the clips, as many steps |" in real_faces.factors()


def test_a_share_of_the_training_clips_keeps_the_others(tmp_path: Path) -> None:
    subsets = ["train", "test", "train", "validation", "train", "train"]
    crops = tmp_path / "crops"
    crops.mkdir()
    (crops / "prepare.json").write_text("{}")
    for number in range(6):
        (crops / f"{number}.mp4").touch()
    samples = [Sample(str(n), crops / f"{n}.mp4", 8, "happy", subset) for n, subset in enumerate(subsets)]
    write_manifest(crops / "manifest.csv", samples)
    reduced = reduce(crops, 0.5, 1.0)
    assert reduced == tmp_path / "crops_0.5_1" / "manifest.csv"
    assert reduced.with_name("prepare.json").exists(), "says how the faces are cropped"
    kept = Manifest.read(reduced).samples
    assert [sample.clip_id for sample in kept] == ["0", "1", "2", "3"]
    assert Run("a", "nothing").clips == 1


def test_a_share_of_the_people_keeps_all_of_their_clips(tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    (crops / "prepare.json").write_text("{}")
    samples = []
    for number in range(12):
        (crops / f"{number}.mp4").touch()
        samples.append(Sample(str(number), crops / f"{number}.mp4", 8, "happy", "train", subject=f"s{number % 4}"))
    write_manifest(crops / "manifest.csv", samples)
    kept = Manifest.read(reduce(crops, 1.0, 0.5)).samples
    assert [sample.clip_id for sample in kept] == ["0", "1", "4", "5", "8", "9"]
    assert len(Manifest.read(reduce(crops, 0.5, 0.5)).samples) == 3
