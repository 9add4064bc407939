"""All measurements of one checkpoint on the clips of a manifest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

from ifdd.console import progress_bar
from ifdd.data.dataset import ClipDataset
from ifdd.errors import InputError, check_range
from ifdd.explanation.disentanglement import dynamic_index
from ifdd.explanation.disentanglement.factors import Factor
from ifdd.explanation.disentanglement.features import BACKBONE, CONTEXT, EMOTION, ClipFeatures, Pooling
from ifdd.explanation.disentanglement.heat import NOTHING, PLACES, Attribute, measure_energy
from ifdd.explanation.disentanglement.leakage import Leak, measure_leakage
from ifdd.explanation.disentanglement.probes import PROBES, Probe, make_folds, probe_factor
from ifdd.explanation.disentanglement.resampling import (
    Draws,
    Resampled,
    Tally,
    combine,
    mean_tally,
    parts_of,
    resample,
)
from ifdd.explanation.disentanglement.truth import ClipTruth
from ifdd.model import IFDD
from ifdd.processes import in_processes
from ifdd.records import (
    DynamicIndexRecord,
    Estimate,
    FactorRecord,
    HeatMapsRecord,
    KnowledgeRecord,
    LeakageRecord,
    PlaceRecord,
    ProbeRecord,
    SelectionRecord,
    SeparationRecord,
)

Advance = Callable[[], object]
Features = Float[np.ndarray, "clips width"]
People = Int[np.ndarray, " clips"]


@dataclass(frozen=True)
class ProbeOptions:
    """How features are probed."""

    pooling: Pooling = "mean"
    """From the tokens of a clip to one row: their mean, or mean and standard deviation."""
    folds: int = 5
    """Folds of the cross-validation."""
    maps: int = 200
    """Clips whose heat maps are measured; 0: none."""
    resamples: int = 1000
    """Resamples of the bootstrap."""
    seed: int = 0
    """Seed of folds, probes, controls and resamples."""
    workers: int = 0
    """Processes that fit probes."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range("--folds", self.folds, at_least=2)
        check_range("--maps", self.maps, at_least=0)
        check_range("--resamples", self.resamples, at_least=100)
        check_range("--seed", self.seed, at_least=0, below=2**32)
        check_range("--workers", self.workers, at_least=0)


class _Job(NamedTuple):
    """One probe to fit, with or without shuffling."""

    factor: int
    features: str
    probe: Probe
    shuffled: bool


class Probed(NamedTuple):
    """The scores of all probes."""

    scores: dict[_Job, Resampled]
    tallies: dict[_Job, Tally]


def probe_all(features: dict[str, Features], factors: Sequence[Factor], draws: Draws, options: ProbeOptions) -> Probed:
    """Fit every probe to every factor and every kind of features, with its control and a progress bar."""
    jobs = [
        _Job(factor, name, probe, shuffled)
        for factor, name, probe, shuffled in product(range(len(factors)), features, PROBES, (False, True))
    ]
    work = partial(_fit, features, tuple(factors), options)
    tallies: dict[_Job, Tally] = {}
    with progress_bar("probes") as bar:
        task = bar.add_task("probing", total=len(jobs))
        results = in_processes(work, jobs, max(options.workers, 1))
        try:
            for job, tally in zip(jobs, results, strict=True):
                tallies[job] = tally
                bar.advance(task)
        finally:
            results.close()
    return Probed({job: resample(tally, draws) for job, tally in tallies.items()}, tallies)


def _fit(features: dict[str, Features], factors: tuple[Factor, ...], options: ProbeOptions, job: _Job) -> Tally:
    factor = factors[job.factor]
    folds = make_folds(factor.people, options.folds, not factor.is_identity, options.seed)
    with threadpool_limits(1):  # the matrices are small, and threads that wait for each other cost more than they save
        return probe_factor(
            features[job.features][factor.rows], factor, folds, job.probe, options.seed, shuffled=job.shuffled
        )


def describe_factors(probed: Probed, features: Sequence[str], factors: Sequence[Factor]) -> tuple[FactorRecord, ...]:
    """Return the matrix of factors and features."""
    return tuple(
        FactorRecord(
            name=factor.name,
            group=factor.group,
            metric="balanced accuracy" if factor.values.ndim == 1 else "R2",
            chance=factor.chance,
            outputs=len(factor.outputs),
            clips=len(factor.rows),
            people_disjoint=not factor.is_identity,
            probes=tuple(
                _describe_probe(probed, _Job(number, name, probe, False), factor)
                for name, probe in product(features, PROBES)
            ),
        )
        for number, factor in enumerate(factors)
    )


def _describe_probe(probed: Probed, job: _Job, factor: Factor) -> ProbeRecord:
    parts = parts_of(probed.tallies[job])
    named = {} if factor.is_identity else dict(zip(factor.outputs, map(float, parts), strict=True))
    return ProbeRecord(
        features=job.features,
        probe=job.probe,
        score=probed.scores[job].estimate(),
        knowledge=_knowledge(probed.scores[job], factor.chance).estimate(),
        shuffled=probed.scores[job._replace(shuffled=True)].estimate(),
        outputs={name: value if np.isfinite(value) else None for name, value in named.items()},
    )


def _knowledge(score: Resampled, chance: float) -> Resampled:
    return Resampled((score.value - chance) / (1 - chance), (score.replicates - chance) / (1 - chance))


def describe_knowledge(
    probed: Probed, features: Sequence[str], factors: Sequence[Factor]
) -> tuple[tuple[KnowledgeRecord, ...], tuple[SeparationRecord, ...]]:
    """Return what the features know of emotion and context, and the scores of the separation."""
    groups = {factor.group for factor in factors}
    if groups != {"emotion", "context"}:
        return (), ()
    contrasts: dict[tuple[str, Probe], Resampled] = {}
    knowledge = []
    for name, probe in product(features, PROBES):
        known: dict[str, list[Resampled]] = {"emotion": [], "context": []}
        for number, factor in enumerate(factors):
            found = _knowledge(probed.scores[_Job(number, name, probe, False)], factor.chance)
            known[factor.group].append(Resampled(max(found.value, 0.0), np.maximum(found.replicates, 0.0)))
        contrast = _contrast(known["emotion"], known["context"])
        contrasts[name, probe] = contrast
        knowledge.append(
            KnowledgeRecord(
                features=name,
                probe=probe,
                emotion=combine({1.0: known["emotion"]}).estimate(),
                context=combine({1.0: known["context"]}).estimate(),
                contrast=contrast.estimate(),
            )
        )
    if EMOTION not in features:
        return tuple(knowledge), ()
    separation = [
        SeparationRecord(
            probe=probe,
            emotion=contrasts[EMOTION, probe].estimate(),
            context=combine({-1.0: [contrasts[CONTEXT, probe]]}).estimate(),
            total=_contrast([contrasts[EMOTION, probe]], [contrasts[CONTEXT, probe]]).estimate(),
        )
        for probe in PROBES
    ]
    return tuple(knowledge), tuple(separation)


def _contrast(first: list[Resampled], second: list[Resampled]) -> Resampled:
    return combine({1.0: first, -1.0: second})


def describe_leakage(
    features: dict[str, Features], people: People, number_of_people: int, draws: Draws, options: ProbeOptions
) -> tuple[LeakageRecord, ...]:
    """Return how well each half is predicted from the other, and both from the backbone's features."""
    if EMOTION not in features:
        return ()
    pairs = ((EMOTION, CONTEXT), (CONTEXT, EMOTION), (BACKBONE, CONTEXT), (BACKBONE, EMOTION))
    records = []
    with progress_bar("fits") as bar:
        task = bar.add_task("leakage", total=2 * len(pairs))
        for source, target in pairs:
            leak = Leak(features[source], features[target], people, number_of_people)
            found = []
            for shuffled in (False, True):
                tally = measure_leakage(leak, options.folds, options.seed, shuffled)
                found.append(resample(tally, draws).estimate())
                bar.advance(task)
            records.append(LeakageRecord(source=source, target=target, r2=found[0], shuffled=found[1]))
    return tuple(records)


def describe_dynamic_index(
    model: IFDD, found: ClipFeatures, truths: Sequence[ClipTruth], people: People, draws: Draws, seed: int
) -> DynamicIndexRecord | None:
    """Return whether the dynamic index lands on emotional frames; None if no clip's intensity varies."""
    frames = model.backbone.stages[-1].frames
    courses = np.array([truth.intensity for truth in truths])
    if courses.shape[1] % frames:
        return None
    intensity = dynamic_index.feature_intensity(courses, frames)
    ways: dict[Literal["model", "even/odd", "random"], dynamic_index.Selection] = {
        "model": dynamic_index.select_by_model(found, intensity),
        "even/odd": dynamic_index.select_by_parity(intensity),
        "random": dynamic_index.select_at_random(intensity, seed),
    }
    counted = int(np.isfinite(ways["model"].gain).sum())
    if not counted:
        return None

    def estimate(values: Float[np.ndarray, " clips"]) -> Estimate:
        return resample(mean_tally(values, people, draws.counts.shape[1]), draws).estimate()

    return DynamicIndexRecord(
        clips=counted,
        frames=frames,
        selections=tuple(
            SelectionRecord(
                split=name,
                intensity=estimate(way.intensity),
                change=estimate(way.change),
                gain=estimate(way.gain),
            )
            for name, way in ways.items()
        ),
        static_shift=float(np.abs(found.static_position - np.arange(0, frames, 2)).mean()),
        dynamic_shift=float(np.abs(found.dynamic_position - np.arange(1, frames, 2)).mean()),
        static_spread=float(found.static_position.std(0).mean()),
        dynamic_spread=float(found.dynamic_position.std(0).mean()),
    )


def describe_heat_maps(
    model: IFDD,
    dataset: ClipDataset,
    truths: Sequence[ClipTruth],
    people: People,
    draws: Draws,
    options: ProbeOptions,
    attribute: Attribute,
) -> HeatMapsRecord | None:
    """Return where the heat maps of clips with an emotion lie; None without such clips."""
    shown = [place for place, truth in enumerate(truths) if truth.intensity.max() > 0]
    order = np.random.default_rng([options.seed, 6]).permutation(len(shown))
    chosen = sorted(shown[place] for place in order[: options.maps])
    device = next(model.parameters()).device
    energies = [NOTHING] * len(truths)
    with progress_bar("clips") as bar:
        task = bar.add_task("heat maps", total=len(chosen))
        for place in chosen:
            clip, _ = dataset[place]
            energies[place] = measure_energy(attribute(model, clip.to(device).float() / 255), truths[place])
            bar.advance(task)
    area, dynamic, static = (np.array(each) for each in zip(*energies, strict=True))
    counted = int(np.isfinite(area[:, 0]).sum())
    if not counted:
        return None

    def estimate(values: Float[np.ndarray, " clips"]) -> Estimate | None:
        if not np.isfinite(values).any():
            return None
        return resample(mean_tally(values, people, draws.counts.shape[1]), draws).estimate()

    places = []
    for column, place in enumerate(PLACES):
        whole, of_emotion, of_context = area[:, column], dynamic[:, column], static[:, column]
        known: dict[str, Any] = {
            "area": estimate(np.where(np.isfinite(of_emotion), whole, np.nan)),
            "emotion": estimate(of_emotion),
            "emotion_less_area": estimate(of_emotion - whole),
        }
        if None not in known.values():
            places.append(
                PlaceRecord(
                    place=place,
                    context=estimate(of_context),
                    context_less_area=estimate(of_context - whole),
                    emotion_less_context=estimate(of_emotion - of_context),
                    **known,
                )
            )
    last = model.backbone.stages[-1]
    return HeatMapsRecord(clips=counted, grid=(last.height, last.width), places=tuple(places))


def check_enough(people: int, folds: int, clips: int) -> None:
    """Check that people can be divided into folds, each with people held out.

    Raises:
        InputError: there are too few.
    """
    needed = max(2 * folds, 10)
    if people < needed or clips < 5 * folds:
        raise InputError(
            f"there are {people} people with {clips} clips; probes of {folds} folds need {needed} people and "
            f"{5 * folds} clips: choose another subset, such as --subset all, more clips, or fewer --folds"
        )
