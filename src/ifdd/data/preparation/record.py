"""The record of a preparation: what is written to prepare.json."""

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ifdd.data.datasets import Listing
from ifdd.data.datasets.checks import CHECKS, SHORT, Checked, count
from ifdd.data.datasets.inventory import ClipState
from ifdd.data.datasets.rates import rates_record
from ifdd.data.manifest import Sample, dataset_hash
from ifdd.records import CheckRecord, ExcludedRecord, FacesRecord, FindingRecord, LengthRecord, PrepareRecord
from ifdd.records.licences import data_licence


def describe(
    listing: Listing,
    states: dict[str, ClipState],
    samples: Sequence[Sample],
    checked: Sequence[Checked],
    *,
    synthetic: bool,
    root: Path,
    out: Path,
    options: dict[str, Any],
    faces: FacesRecord | None,
) -> PrepareRecord:
    """Return the record of all checks, before a manifest or a pack is written to ``out``; options are as in the record.

    Of clips that were prepared before, it has the first dataset, its kind of labels and its licence.
    """
    earlier = listing.earlier
    kept = {} if earlier is None else {name: value for name, value in earlier.options.items() if name == "labels"}
    outcomes = {check.verdict for check in checked}
    lengths = [states[clip_id].frames for clip_id in {sample.clip_id for sample in samples}]
    return PrepareRecord(
        dataset=listing.dataset,
        synthetic=synthetic,
        root=str(root),
        options=options | kept,
        manifest=None,
        faces=faces,
        pack=None,
        label_set=listing.label_set,
        classes=listing.classes,
        frames=listing.variant,
        lists=tuple(listing.lists),
        verdict="refused" if "refused" in outcomes else "incomplete" if "wrong" in outcomes else "complete",
        dataset_hash=dataset_hash(samples),
        clips=len(lengths),
        lines=len(samples),
        length=LengthRecord(
            least=min(lengths, default=0),
            mean=round(fmean(lengths), 2) if lengths else 0.0,
            most=max(lengths, default=0),
            short=sum(length < SHORT for length in lengths),
        ),
        counts=_by_fold(count(listing.entries, listing.labels), listing.classes),
        published=_by_fold(listing.published, listing.classes),
        checks=tuple(_check_record(check) for check in checked),
        excluded=tuple(ExcludedRecord(**excluded._asdict()) for excluded in listing.excluded),
        licence=earlier.known_licence if earlier else data_licence(listing.dataset, synthetic),
        rates=rates_record(states[clip_id] for clip_id in {sample.clip_id for sample in samples}),
        source=None if earlier is None else earlier.source or earlier.dataset,
        relative_root=os.path.relpath(root, out),
    )


def _check_record(check: Checked) -> CheckRecord:
    findings = (FindingRecord(each.severity, each.message, each.clip_id) for each in check.findings)
    return CheckRecord(check.name, CHECKS[check.name], check.verdict, check.reason, tuple(findings))


def _by_fold(
    counts: dict[tuple[int, str], tuple[int, ...]], classes: Sequence[str]
) -> dict[str, dict[str, dict[str, int]]]:
    """Return fold -> subset -> class -> clips."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for (fold, subset), numbers in sorted(counts.items(), key=lambda item: item[0][0]):
        found.setdefault(str(fold), {})[subset] = dict(zip(classes, numbers, strict=True))
    return found
