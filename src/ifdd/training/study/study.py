"""``ifdd study``: train and test a grid of models, and compare them."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Group
from rich.live import Live
from rich.table import Table

from ifdd.console import SafeConsole, console, progress_bar
from ifdd.data.manifest import Manifest
from ifdd.errors import InputError, check_range
from ifdd.evaluation.tables import percent
from ifdd.files import check_writable, exists, parse_json, refuse_replacing
from ifdd.model import choose_device
from ifdd.model.inspection.counting import count_parts
from ifdd.processes import available_cores
from ifdd.training.classes import training_classes
from ifdd.training.engine.processes import launched, reported_once
from ifdd.training.engine.stopping import requeued
from ifdd.training.recipe import Recipe
from ifdd.training.study.baselines import register_baselines
from ifdd.training.study.config import SetsConfig, plan_chains
from ifdd.training.study.grid import Run, check_own, model_config, plan_runs, read_recipe
from ifdd.training.study.report import ModelSize, study_table, write_study
from ifdd.training.study.results import StudyResults, summarise
from ifdd.training.study.runner import Progress, make_jobs, run_jobs, watching
from ifdd.training.study.sets import manifest_path, write_clips

SET_BY_STUDY = {"run.seed": "seeds", "run.device": "device", "data.manifest": "sets"}
"""Option of a recipe -> that of the study which decides it."""

SAME = ("recipe", "sets", "options", "continued", "curriculum", "baselines")
"""Options that all runs of a study share."""


class Settings(NamedTuple):
    """The options of a study that decide its results."""

    recipe: Path
    variants: dict[str, Any]
    sets: SetsConfig
    options: dict[str, Any]
    continued: dict[str, Any]
    curriculum: bool
    baselines: dict[str, Any]
    reference: str
    seeds: tuple[int, ...]

    def plain(self) -> dict[str, Any]:
        """Return the settings as values of JSON."""
        values = self._asdict() | {"recipe": str(self.recipe), "sets": asdict(self.sets)}
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain


@requeued()
@reported_once()
def study(
    *,
    recipe: Path,
    variants: dict[str, Any],
    sets: SetsConfig = SetsConfig(),  # noqa: B008 (frozen)
    options: dict[str, Any] = {},  # noqa: B006 (never changed)
    continued: dict[str, Any] = {},  # noqa: B006 (never changed)
    curriculum: bool = True,
    baselines: dict[str, Any] = {},  # noqa: B006 (never changed)
    reference: str = "full",
    seeds: tuple[int, ...] = (0, 1, 2),
    work: Path = Path("runs/study"),
    out: Path = Path("study.json"),
    jobs: int = 1,
    device: str = "auto",
    only: str = "",
) -> None:
    """Train and test variants of a recipe on SynthDFER, the emotion visible ever shorter, with several seeds.

    Every variant has the same clips, recipe and seeds. Running the same command again resumes an interrupted study:
    finished runs are kept. Writes WORK/clips, WORK/runs/VARIANT/visible_PERCENT/seed_N (the training, its log.txt and
    evaluation/) and, after every run, OUT: accuracy of every variant with intervals over the seeds, size of the
    models, and the differences from the reference with interval, effect size and p-value.

    Args:
        recipe: YAML file of options of 'ifdd train' that all runs share.
        variants: Name of a variant -> options of 'ifdd train' in which it differs, such as {even_odd: {model.ablation:
            even_odd}}; the first ones are trained first.
        sets: The clips.
        options: Options of 'ifdd train' that differ from the recipe in all runs.
        continued: Further options of the runs that start from the weights of another one.
        curriculum: Start each run from the weights of the same variant and seed at the next larger share of the clip,
            where the emotion is easier to find; no: start each from random weights.
        baselines: Name of a backbone outside the package -> its builder, as file.py:function; the file is run. A
            variant uses it with the options {model.ablation: backbone_only, model.overrides: {backbone: NAME}}.
        reference: Variant that the others are compared with.
        seeds: Seeds of the trainings.
        work: Folder for clips and runs.
        out: JSON file to write the results to.
        jobs: Number of runs at once, each in a process of its own; several small runs share one GPU.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).
        only: Runs to do now, as patterns separated by commas: full,even_odd/visible_100/*. Runs that they start from
            are done too. OUT has all finished runs.
    """
    check_range("--jobs", jobs, at_least=1)
    launcher = launched()[2]
    if launcher is not None:
        raise InputError(
            f"{launcher} started several processes, but a study starts its own; run it in one process, with --jobs"
        )
    chosen = choose_device(device, "--device")
    check_writable(out)
    refuse_replacing(out, "the recipe that is read", recipe)
    settings = Settings(recipe, variants, sets, options, continued, curriculum, baselines, reference, seeds)
    register_baselines(baselines)
    recipes = _recipes(settings, work)
    manifests = {share: manifest_path(work, share) for share in sets.visible}

    def plan(patterns: str) -> list[list[Run]]:
        chains = plan_chains(variants, sets.visible, seeds, patterns, curriculum)
        return [plan_runs(chain, recipes[chain.variant], manifests, work, chosen, curriculum) for chain in chains]

    grid, wanted = plan(""), plan(only)
    for run in chain.from_iterable(grid):
        check_own(run)  # before hours of rendering
    _check_results(out, settings)
    write_clips(sets, work, available_cores())
    report = Report(settings, chosen, out, grid, wanted, Manifest.read(manifests[sets.visible[0]]))
    with report.live(), watching(report.update):
        run_jobs(make_jobs(wanted, baselines, jobs), jobs)
    console.print(report.table())
    console.print(f"Written to {out}", highlight=False, markup=False)


def _check_results(out: Path, settings: Settings) -> None:
    """Refuse to replace a file that is not of this study; variants, shares and seeds may have been added since.

    Raises:
        InputError: it is of another study, or no result of one.
    """
    if not exists(out):
        return
    try:
        before = parse_json(out.read_text(encoding="utf-8"))["settings"]
        variants, sets = before["variants"], before["sets"]
        theirs = before | {"recipe": Path(before["recipe"]).name, "sets": sets | {"visible": None}}
        ours = settings.plain()
        ours |= {"recipe": settings.recipe.name, "sets": ours["sets"] | {"visible": None}}
        others = [name for name in SAME if theirs[name] != ours[name]]
        now = variants | ours["variants"]
        others += [f"variants.{name}" for name, options in variants.items() if now[name] != options]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{out} is not from 'ifdd study', and would be replaced; choose another --out") from error
    if others:
        raise InputError(f"{out} is of a study with other {', '.join(others)}; choose another --out")


def _recipes(settings: Settings, work: Path) -> dict[str, tuple[Recipe, Recipe]]:
    """Return for each variant the recipe of a first run, and of one that starts from another.

    Raises:
        InputError: an option is wrong, the reference is unknown, or an option is one that the study sets.
    """
    if settings.reference not in settings.variants:
        raise InputError(
            f"reference is {settings.reference!r}, which is not a variant; use one of {', '.join(settings.variants)}"
        )
    manifest = manifest_path(work, settings.sets.visible[0])
    found = {}
    for name, changes in settings.variants.items():
        shared = (settings.options, changes)
        where = f"variants.{name}"
        first = read_recipe(settings.recipe, manifest, shared, where)
        later = read_recipe(settings.recipe, manifest, (*shared, settings.continued), where)
        _refuse_set((*shared, settings.continued), where)
        for recipe in (first, later):
            _check_free(recipe, where)
            model_config(recipe, 7, where)
        found[name] = (first, later)
    return found


def _refuse_set(options: Sequence[Mapping[str, Any]], where: str) -> None:
    """Refuse options that the study sets itself."""
    for option, instead in SET_BY_STUDY.items():
        if any(option in each for each in options):
            raise InputError(f"{where}: {option} has no effect, because a study sets it: use {instead}")


def _check_free(recipe: Recipe, where: str) -> None:
    """Refuse options that would make the runs of a study differ in more than their variant."""
    fixed = {"data.fold": recipe.data.fold, "data.soft_labels": recipe.data.soft_labels or None}
    fixed |= {"run.devices": None if recipe.run.devices == 1 else recipe.run.devices}
    for option, value in fixed.items():
        if value is not None:
            raise InputError(f"{where}: {option} is {value}; a study does not take this option, so leave it out")


class Report:
    """What is shown and written while a study runs.

    Args:
        settings: the study's options.
        device: device of the runs.
        out: JSON file to write to.
        grid: the runs of the study, by chain; all finished ones count in the results.
        wanted: those to do now.
        manifest: the clips of one set; the test clips and people of all sets are the same.
    """

    def __init__(
        self,
        settings: Settings,
        device: str,
        out: Path,
        grid: Sequence[Sequence[Run]],
        wanted: Sequence[Sequence[Run]],
        manifest: Manifest,
    ) -> None:
        self.settings, self.device, self.out = settings, device, out
        self.progress = Progress(list(chain.from_iterable(grid)), {run.cell for run in chain.from_iterable(wanted)})
        self.sizes = _sizes(grid, settings, manifest)
        self.test_clips = manifest.select("test")
        self.screen = SafeConsole(file=sys.stderr)  # a run in this process writes elsewhere what it has to say
        self.bar = progress_bar("epochs")
        self.task = self.bar.add_task("study", total=self.progress.total)
        self._live = Live(
            console=self.screen, refresh_per_second=1, redirect_stdout=False, redirect_stderr=False, transient=True
        )
        self.update()

    def live(self) -> Live:
        """Return the display, a context manager."""
        return self._live

    def update(self) -> None:
        """Look at the runs; write the results if there are new ones, and show where the study is."""
        new = self.progress.look()
        self.bar.update(self.task, completed=self.progress.done)
        if new or not self.out.exists():
            write_study(self.out, self.settings.plain(), self.sizes, self.results(), self.device)
        if self._live.is_started:
            for result in new:
                self.screen.print(f"{result.cell.name}: WAR {percent(result.war)} %", highlight=False, markup=False)
        self._live.update(Group(self.table(), self.bar))

    def results(self) -> StudyResults:
        """Return what the finished runs say, in the order of the grid."""
        finished = self.progress.results
        in_order = [finished[run.cell] for run in self.progress.runs if run.cell in finished]
        return summarise(in_order, self.settings.reference, self.test_clips)

    def table(self) -> Table:
        """Return the table."""
        settings = self.settings
        total = len(self.progress.runs)
        return study_table(self.sizes, settings.sets.visible, self.results(), settings.reference, total)


def _sizes(grid: Sequence[Sequence[Run]], settings: Settings, manifest: Manifest) -> dict[str, ModelSize]:
    """Return the size of each variant's model."""
    sizes: dict[str, ModelSize] = {}
    for run in (runs[0] for runs in grid):
        name, recipe = run.cell.variant, run.fold.recipe
        if name in sizes:
            continue
        config = model_config(recipe, len(training_classes(recipe.data, manifest)), f"variants.{name}")
        parts = count_parts(config)
        parameters, macs = (sum(getattr(part, field) for part in parts) for field in ("parameters", "macs"))
        sizes[name] = ModelSize(parameters, macs / 1e9, config.backbone in settings.baselines)
    return sizes
