"""The plan of a study: names, order, patterns, recipes, and mistakes in its settings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ifdd.command_line.options import describe
from ifdd.command_line.parser import parse
from ifdd.errors import InputError
from ifdd.evaluation.sampling import SamplingConfig
from ifdd.training.study.config import Cell, SetsConfig, plan_chains
from ifdd.training.study.grid import plan_runs, read_recipe
from ifdd.training.study.runner import watching
from ifdd.training.study.sets import set_config
from ifdd.training.study.study import study

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "configs" / "synth_tiny.yaml"
STUDIES = [ROOT / "configs" / "study.yaml", ROOT / "configs" / "study_gpu.yaml"]


def names(chains: Any) -> list[list[str]]:
    return [[cell.name for cell in chain.cells] for chain in chains]


def test_seeds_follow_each_other_within_a_variant_and_shares_within_a_seed() -> None:
    chains = plan_chains({"full": {}, "other": {}}, (1.0, 0.25), (0, 5), "", True)
    assert names(chains)[:2] == [
        ["full/visible_100/seed_0", "full/visible_25/seed_0"],
        ["full/visible_100/seed_5", "full/visible_25/seed_5"],
    ]
    assert [chain.variant for chain in chains] == ["full", "full", "other", "other"]


def test_a_study_is_refused_in_the_processes_of_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"STEP_NUM_TASKS": 2, "NTASKS": 2, "NTASKS_PER_NODE": 2, "PROCID": 0}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    with pytest.raises(InputError, match="srun started several processes, but a study starts its own"):
        study(recipe=RECIPE, variants={"full": {}})


def test_what_ends_the_runs_is_reported_whatever_the_last_look_meets() -> None:
    def look() -> None:
        raise InputError("a folder is damaged")

    with pytest.raises(ZeroDivisionError), watching(look):
        raise ZeroDivisionError
    with pytest.raises(InputError, match="a folder is damaged"), watching(look):
        pass


@pytest.mark.parametrize(
    ("only", "curriculum", "expected"),
    [
        ("other", True, [["other/visible_100/seed_0", "other/visible_12.5/seed_0"]]),
        ("full/visible_12.5/*", True, [["full/visible_100/seed_0", "full/visible_12.5/seed_0"]]),
        ("full/visible_12.5/*", False, [["full/visible_12.5/seed_0"]]),
        ("*/visible_100/*", True, [["full/visible_100/seed_0"], ["other/visible_100/seed_0"]]),
    ],
)
def test_patterns_choose_runs_and_what_they_start_from(only: str, curriculum: bool, expected: list[list[str]]) -> None:
    assert names(plan_chains({"full": {}, "other": {}}, (1.0, 0.125), (0,), only, curriculum)) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"only": "ful"}, "--only ful fits no run; runs have names such as full/visible_100/seed_0"),
        ({"seeds": (1, 1)}, r"seeds is \[1, 1\]; name different seeds"),
        ({"seeds": ()}, r"seeds is \[\]; name different seeds, at least one"),
        ({"variants": {}}, "variants is empty"),
        ({"variants": {"a/b": {}}}, "'a/b', which is not a name for a folder"),
    ],
)
def test_wrong_grids_are_refused(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"variants": {"full": {}}, "visible": (1.0,), "seeds": (0,), "only": "", "curriculum": True}
    with pytest.raises(InputError, match=message):
        plan_chains(**given | changes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"visible": ()}, r"sets\.visible is empty"),
        ({"visible": (0.5, 1.0)}, "from the largest to the smallest"),
        ({"visible": (0.05,)}, r"sets\.visible is 0\.05; it must be at least 0\.1"),
        ({"test": 0.0}, r"sets\.test is 0\.0; it must be above 0"),
        ({"identities": 5}, r"sets\.identities is 5 and sets\.test 0\.2; comparisons need at least two people"),
        ({"behaviour": {"visible": [1, 1]}}, r"sets\.behaviour cannot set visible"),
    ],
)
def test_wrong_sets_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SetsConfig(**settings)


def test_sets_differ_in_nothing_but_the_share_of_the_clip() -> None:
    sets = SetsConfig(behaviour={"speech": 0.5}, test=0.3)
    first, second = (set_config(sets, share) for share in (1.0, 0.12))
    assert (first.behaviour.visible, second.behaviour.visible) == ((1.0, 1.0), (0.12, 0.12))
    assert first.behaviour.speech == 0.5
    assert second.scene == first.scene
    with pytest.raises(InputError, match=r"sets\.behaviour\.talk does not exist"):
        set_config(SetsConfig(behaviour={"talk": 1}), 1.0)


def test_a_later_change_counts_and_overrides_add_up() -> None:
    changes = (
        {"model.overrides": {"dropout": 0.3}, "optimization.epochs": 5},
        {"model.overrides": {"frames": 8}, "optimization.epochs": 2, "optimization.warmup_epochs": 0.5},
    )
    recipe = read_recipe(RECIPE, Path("clips.csv"), changes, "variants.x")
    assert recipe.model.overrides == {"dropout": 0.3, "frames": 8}
    assert (recipe.optimization.epochs, recipe.data.manifest) == (2, Path("clips.csv"))
    assert recipe.evaluation == SamplingConfig()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.ablatoin": "full"}, r"variants\.x: .*model\.ablatoin"),
        ({"optimization.epochs": "many"}, r"variants\.x: --optimization\.epochs is 'many'; it must be an integer"),
        ("even_odd", r"variants\.x is 'even_odd'; give options of 'ifdd train'"),
    ],
)
def test_wrong_options_of_a_variant_are_refused(change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_recipe(RECIPE, Path("clips.csv"), (change,), "variants.x")


def test_runs_start_from_the_one_before_with_the_same_seed() -> None:
    recipes = tuple(
        read_recipe(RECIPE, Path("x"), ({"optimization.epochs": epochs},), "variants.full") for epochs in (9, 4)
    )
    (chain,) = plan_chains({"full": {}}, (1.0, 0.5), (3,), "", True)
    manifests = {1.0: Path("a.csv"), 0.5: Path("b.csv")}
    first, second = plan_runs(chain, (recipes[0], recipes[1]), manifests, Path("work"), "cpu", True)
    assert first.fold.folder == Path("work/runs/full/visible_100/seed_3")
    assert (first.fold.recipe.model.weights, first.fold.recipe.optimization.epochs) == (None, 9)
    assert second.fold.recipe.model.weights == str(first.fold.folder / "best.safetensors")
    assert (second.fold.recipe.optimization.epochs, second.fold.recipe.data.manifest) == (4, Path("b.csv"))
    assert [run.fold.recipe.run.seed for run in (first, second)] == [3, 3]
    _, alone = plan_runs(chain, (recipes[0], recipes[1]), manifests, Path("work"), "cpu", False)
    assert (alone.fold.recipe.model.weights, alone.fold.recipe.optimization.epochs) == (None, 9)


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_the_studies_in_configs_are_parsed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = SimpleNamespace(**parse(describe("study", study), [str(file)]))
    assert next(iter(found.variants)) == found.reference, "the first runs are those that all others are compared with"
    assert len(found.seeds) >= 3
    assert found.recipe.exists()
    for name, changes in found.variants.items():
        recipe = read_recipe(found.recipe, Path("x.csv"), (found.options, changes, found.continued), name)
        assert recipe.optimization.epochs < 20


def test_the_cell_at_an_odd_share_has_a_short_name() -> None:
    assert Cell("full", 0.12, 0).name == "full/visible_12/seed_0"
