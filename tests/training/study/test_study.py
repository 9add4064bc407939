"""A study of two runs from the command line: results, resuming, only what is asked for, and foreign runs."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ifdd.__main__ import main
from ifdd.model.backbones import BACKBONES
from ifdd.training.study import runner
from ifdd.training.study.grid import Run

BASELINE = Path(__file__).parents[3] / "benchmarks" / "baselines" / "frame_average.py"
RECIPE = {
    "model": {"preset": "ifdd_tiny", "overrides": {"size": 32, "frames": 8}},
    "data": {
        "manifest": "not/used.csv",
        "synthetic": True,
        "fps": 10,
        "train_sampling": "uniform_segments",
        "batch_size": 8,
        "workers": 0,
        "cache": True,
    },
    "optimization": {"epochs": 1, "warmup_epochs": 0},
}
SETTINGS: dict[str, Any] = {
    "recipe": "recipe.yaml",
    "seeds": [0],
    "sets": {"visible": [1.0, 0.5], "clips": 28, "identities": 8, "size": 32, "frames": 8, "preset": "easy"}
    | {"validation": 0.25, "test": 0.25},
    "continued": {"optimization.learning_rate": 5e-5},
    "baselines": {"test_average": f"{BASELINE}:frame_average"},
    "variants": {
        "full": {},
        "average": {"model.ablation": "backbone_only", "model.overrides": {"backbone": "test_average"}},
    },
    "out": "study.json",
    "work": "work",
    "device": "cpu",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study")
    (out / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    (out / "study.yaml").write_text(yaml.safe_dump(SETTINGS, sort_keys=False))
    return out


@pytest.fixture(autouse=True)
def within(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(folder)
    before = dict(BACKBONES)
    yield
    BACKBONES.clear()
    BACKBONES.update(before)


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("study.json").read_text())
    return found


def weights() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path("work/runs").rglob("best.safetensors")}


def failing(text: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Run the study, which must end with one line that has this text."""
    with pytest.raises(SystemExit) as stopped:
        main(["study", "study.yaml", *words])
    lines = capsys.readouterr().err.strip().splitlines()
    assert stopped.value.code == 2
    assert text in lines[-1]


def test_a_run_is_interrupted_and_the_study_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train_and_test = runner._train_and_test

    def interrupted(run: Run) -> None:
        if run.cell.visible == 0.5:
            raise KeyboardInterrupt
        train_and_test(run)

    with monkeypatch.context() as patched:
        patched.setattr(runner, "_train_and_test", interrupted)
        with pytest.raises(SystemExit) as stopped:
            main(["study", "study.yaml"])
    assert stopped.value.code == 130
    assert [(cell["variant"], cell["visible"]) for cell in document()["cells"]] == [("full", 1.0)]
    before = weights()
    assert len(before) == 1
    main(["study", "study.yaml"])
    assert before.items() <= weights().items(), "the finished run was trained again"
    assert len(weights()) == 4
    shown = capsys.readouterr().out
    assert "4 of 4 runs" in shown
    assert "full (reference)" in shown


def test_the_results() -> None:
    found = document()
    names = [(cell["variant"], cell["visible"]) for cell in found["cells"]]
    assert names == [("full", 1.0), ("full", 0.5), ("average", 1.0), ("average", 0.5)], "the order of the file"
    for cell in found["cells"]:
        path = Path("work/runs", cell["variant"], f"visible_{100 * cell['visible']:g}", "seed_0", "evaluation")
        scores = json.loads((path / "evaluation.json").read_text())["scores"]
        assert (cell["war"], cell["uar"]) == ([scores["war"]], [scores["uar"]])
        assert cell["mean"] == scores["war"]
        assert cell["interval"] is None
    means = {(cell["variant"], cell["visible"]): cell["mean"] for cell in found["cells"]}
    for each in found["comparisons"]:
        expected = means["average", each["visible"]] - means["full", each["visible"]]
        assert math.isclose(each["difference"], expected, abs_tol=1e-12)
        assert each["p"] <= each["p_holm"] <= 1
    assert [each["variant"] for each in found["comparisons"]] == ["average", "average"]
    assert found["models"]["average"]["baseline"]
    assert not found["models"]["full"]["baseline"]
    assert found["models"]["full"]["parameters"] > 2e6
    assert found["settings"]["variants"] == SETTINGS["variants"]


def test_a_run_starts_from_the_weights_at_the_larger_share() -> None:
    folder = Path("work/runs/full/visible_50/seed_0")
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert recipe["model"]["weights"] == "work/runs/full/visible_100/seed_0/best.safetensors"
    assert recipe["optimization"]["learning_rate"] == 5e-5
    assert "all weights" in (folder / "log.txt").read_text()
    assert {file.name for file in folder.glob("*.*")} >= {"best.safetensors", "training.json", "recipe.yaml"}
    assert not [file for file in folder.iterdir() if file.name in ("resume.ckpt", "last.safetensors")]


def test_a_finished_study_trains_nothing_and_only_shows_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    before, written = weights(), document()
    main(["study", "study.yaml", "--only", "full"])
    assert weights() == before
    assert "4 of 4 runs" in capsys.readouterr().out
    assert document()["cells"] == written["cells"]


def test_runs_of_another_recipe_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "the run full/visible_100/seed_0 in work/runs/full/visible_100/seed_0 belongs to another recipe "
        "(optimization.epochs: 1 -> 2); choose another --work, or delete that folder to train the run again"
    )
    failing(text, ["--options", "{optimization.epochs: 2}"], capsys)


def test_clips_of_other_settings_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    failing("holds a set with different settings (seed: 1, not 2)", ["--sets.seed", "2", "--out", "other.json"], capsys)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--sets.seed", "2"], "study.json is of a study with other sets; choose another --out"),
        (["--options", "{optimization.epochs: 2}"], "study.json is of a study with other options"),
        (["--variants.full", "{model.ablation: even_odd}"], "is of a study with other variants.full"),
    ],
)
def test_the_results_of_another_study_are_kept(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    written = document()
    failing(text, [*words, "--work", "elsewhere"], capsys)
    assert document() == written
    assert not Path("elsewhere").exists()


def test_a_file_of_somebody_else_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.json").write_text('{"a": 1}')
    failing(
        "mine.json is not from 'ifdd study', and would be replaced; choose another --out",
        ["--out", "mine.json"],
        capsys,
    )
    assert Path("mine.json").read_text() == '{"a": 1}'


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--reference", "fool"], "reference is 'fool', which is not a variant; use one of full, average"),
        (["--jobs", "0"], "--jobs is 0; it must be at least 1"),
        (["--only", "none"], "--only none fits no run"),
        (["--variants", "{full: {model.ablation: none}}"], "variants.full: unknown ablation 'none'"),
        (["--options", "{run.seed: 4}"], "variants.full: run.seed has no effect, because a study sets it: use seeds"),
        (["--continued", "{run.seed: 4}"], "variants.full: run.seed has no effect, because a study sets it: use seeds"),
        (["--options", "{data.fold: 2}"], "variants.full: data.fold is 2; a study does not take this option"),
        (["--baselines", "{test_average: absent.py:f}"], "baselines.test_average: absent.py does not exist"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(text, [*words, "--work", "elsewhere"], capsys)
    assert not Path("elsewhere").exists()
