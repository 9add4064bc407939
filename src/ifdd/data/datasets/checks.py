"""The checks of a dataset before anything is trained: what would make scores wrong, and what is only reported."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from ifdd.data.datasets.inventory import ClipState
from ifdd.data.datasets.listing import Entry, Finding, Listing
from ifdd.data.manifest import SUBSETS

Verdict = Literal["ok", "noted", "wrong", "refused", "not checked"]

CHECKS: dict[str, str] = {
    "lists": "every fold has its lists",
    "encoding": "the lists are text that can be read",
    "lines": "every line is complete",
    "label base": "labels are numbered as in the official lists",
    "names": "every label is one of the classes",
    "label set": "single and compound lists are not mixed",
    "ids": "ids are written as in the official lists",
    "duplicates": "no list names a clip twice",
    "agreement": "a clip has the same label everywhere",
    "votes": "annotators' votes for soft labels",
    "subsets": "no clip is in two subsets of a fold",
    "partition": "every clip is tested in exactly one fold",
    "counts": "clips of each class are as many as published",
    "frames": "every clip has frames",
    "readable": "frames can be read",
    "faces": "a face was found in every clip",
    "length": "clips have 16 frames or more",
    "rates": "the frame rate of every clip is known, and the same",
    "unlisted": "every clip on disk is in a list",
}
"""Check -> the expected state."""

SHORT = 16
"""Clips with fewer frames are stretched on reading, and listed."""


class Checked(NamedTuple):
    """The outcome of one check."""

    name: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    reason: str = ""
    """Why the check was skipped; empty if it was made."""


def check_lists(listing: Listing) -> None:
    """Check the lists on their own; lines that contradict others are removed from ``listing.entries``."""
    _drop_duplicates(listing)
    _drop_second_sources(listing)
    _check_agreement(listing)
    _drop_second_subsets(listing, lambda entry: entry.clip_id, "clip {}")
    if listing.is_own:
        _drop_second_subsets(listing, lambda entry: os.path.realpath(entry.source), "{}")
    _check_partition(listing)
    _check_counts(listing)


def check_frames(listing: Listing, states: dict[str, ClipState]) -> None:
    """Check the clips on disk; those without readable frames are removed from ``listing.entries``."""
    kept = []
    for entry in listing.entries:
        state = states[entry.clip_id]
        if state.problem:
            listing.exclude(entry, f"{'no frames' if state.missing else 'unreadable'}: {state.problem}")
        else:
            kept.append(entry)
    remedy = "correct the path, or remove the clip" if listing.is_own else "copy it from the dataset"
    for clip_id, source in {entry.clip_id: entry.source for entry in listing.entries}.items():
        state = states[clip_id]
        if state.missing:
            message = f"clip {clip_id}: {state.problem}: {source}; {remedy}"
            listing.report("frames", "wrong", message, clip_id)
        elif state.problem:
            listing.report("readable", "wrong", f"clip {clip_id}: {state.problem}", clip_id)
        for notice in state.notices:
            listing.report("readable", "note", f"clip {clip_id}: {notice}", clip_id)
    listing.entries = kept


def check_lengths(listing: Listing, states: dict[str, ClipState]) -> None:
    """Note the clips under 16 frames, which some code drops although the protocols include them."""
    for clip_id in dict.fromkeys(entry.clip_id for entry in listing.entries):
        frames = states[clip_id].frames
        if frames < SHORT:
            message = f"clip {clip_id} has {frames} frames; it is kept, and stretched on reading"
            listing.report("length", "note", message, clip_id)


def check_unlisted(listing: Listing, listed: Iterable[str]) -> None:
    """Note the clips on disk that are in no list."""
    for clip_id in sorted(listing.on_disk.keys() - set(listed)):
        listing.report("unlisted", "note", f"clip {clip_id} is on disk but in no list; it is not used", clip_id)


def verdicts(listing: Listing, skipped: dict[str, str]) -> list[Checked]:
    """Return the outcome of every check; ``skipped`` gives the reasons for skipped ones."""
    of_check: dict[str, list[Finding]] = defaultdict(list)
    for finding in listing.findings:
        of_check[finding.check].append(finding)
    return [_verdict(name, tuple(of_check[name]), skipped.get(name, "")) for name in CHECKS]


def _verdict(name: str, findings: tuple[Finding, ...], skipped: str) -> Checked:
    severities = {finding.severity for finding in findings}
    if "refused" in severities:
        return Checked(name, "refused", findings)
    if "wrong" in severities:
        return Checked(name, "wrong", findings)
    if skipped:
        return Checked(name, "not checked", findings, skipped)
    return Checked(name, "noted" if findings else "ok", findings)


def _drop_duplicates(listing: Listing) -> None:
    """Keep the first of several equal lines of a list, and none of several contradictory ones."""
    groups: dict[tuple[int, str, str], list[Entry]] = defaultdict(list)
    for entry in listing.entries:
        groups[entry.fold, entry.subset, entry.clip_id].append(entry)
    dropped = set()
    for (_, _, clip_id), group in groups.items():
        if len(group) == 1:
            continue
        same = len({entry.label for entry in group}) == 1
        reason = "listed twice" if same else f"listed as {' and as '.join(entry.label for entry in group)}"
        for entry in group[1 if same else 0 :]:
            dropped.add(entry)
            listing.exclude(entry, reason)
        places = "; ".join(entry.where for entry in group)
        remedy = "keep one of them, or rename one" if listing.is_own else "keep one line"
        listing.report("duplicates", "wrong", f"clip {clip_id} is {reason} ({places}); {remedy}", clip_id)
    listing.entries = [entry for entry in listing.entries if entry not in dropped]


def _drop_second_sources(listing: Listing) -> None:
    """Keep the lines of one of several files that have the same id, because frames and times are known by the id."""
    first: dict[str, Entry] = {}
    kept = []
    for entry in listing.entries:
        other = first.setdefault(entry.clip_id, entry)
        if other.source == entry.source:
            kept.append(entry)
            continue
        message = f"clip {entry.clip_id} is {other.source} in {other.where} and {entry.source} in {entry.where}"
        listing.report("ids", "wrong", f"{message}; give different clips different ids", entry.clip_id)
        listing.exclude(entry, f"another file with the id of {other.source}")
    listing.entries = kept


def _check_agreement(listing: Listing) -> None:
    """Report clips whose label differs between folds or subsets."""
    first: dict[str, Entry] = {}
    for entry in listing.entries:
        other = first.setdefault(entry.clip_id, entry)
        if other.label != entry.label:
            message = f"clip {entry.clip_id} is {other.label} in {other.where} and {entry.label} in {entry.where}"
            listing.report("agreement", "wrong", f"{message}; check which is right", entry.clip_id)


def _drop_second_subsets(listing: Listing, key: Callable[[Entry], str], words: str) -> None:
    """Remove what a fold both trains and tests on from its training list.

    Args:
        listing: the lists.
        key: what must not be in two subsets: the id of a clip, or its file, which may have several ids.
        words: how messages call it, with ``{}`` for the key.
    """
    groups: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    for entry in listing.entries:
        groups[entry.fold, key(entry)].append(entry)
    dropped = set()
    for (fold, name), group in groups.items():
        subsets = list(dict.fromkeys(entry.subset for entry in group))
        if len(subsets) == 1:
            continue
        kept = min(subsets, key=("test", "validation", "train").index)
        others = [entry for entry in group if entry.subset != kept]
        dropped |= set(others)
        for entry in others:
            listing.exclude(entry, f"also in the {kept} list of the fold")
        shown = (entry.where if entry.clip_id == name else f"{entry.where}, as {entry.clip_id}" for entry in group)
        places = "; ".join(shown)
        message = f"{words.format(name)} is in {' and '.join(subsets)} of fold {fold} ({places}); remove it from one"
        listing.report("subsets", "wrong", message, others[0].clip_id)
    listing.entries = [entry for entry in listing.entries if entry not in dropped]


def _check_partition(listing: Listing) -> None:
    """Report clips tested in several folds or, if all lists exist, in none; without folds, do nothing."""
    folds = {entry.fold for entry in listing.entries if entry.fold}
    if not folds:
        return
    severity: Literal["note", "wrong"] = "note" if listing.is_own else "wrong"
    tested: dict[str, list[int]] = defaultdict(list)
    for entry in listing.entries:
        if entry.fold:
            tests = tested[entry.clip_id]
            if entry.subset == "test":
                tests.append(entry.fold)
    complete = {(entry.fold, entry.subset) for entry in listing.entries} >= set(listing.expected)
    for clip_id, tests in tested.items():
        if len(tests) > 1:
            message = (
                f"clip {clip_id} is tested in folds {', '.join(map(str, sorted(tests)))}; remove it from all but one"
            )
            listing.report("partition", severity, message, clip_id)
        elif not tests and complete:
            message = f"clip {clip_id} is tested in no fold; check whether a line of a test list is missing"
            listing.report("partition", severity, message, clip_id)


def _check_counts(listing: Listing) -> None:
    """Compare the number of clips per class with the published one."""
    counted = count(listing.entries, listing.labels)
    for (fold, subset), published in listing.published.items():
        where = f"fold {fold}, {subset}" if fold else subset
        if (fold, subset) not in counted:
            listing.report(
                "counts",
                "wrong",
                f"{where}: no clips, {sum(published)} are published; copy the list from the dataset again",
            )
            continue
        for label, found, should in zip(listing.classes, counted[fold, subset], published, strict=True):
            if found != should:
                message = (
                    f"{where}: {found} clips of {label}, {should} are published; copy the list from the dataset again"
                )
                listing.report("counts", "wrong", message)


def count(entries: Sequence[Entry], labels: Sequence[str]) -> dict[tuple[int, str], tuple[int, ...]]:
    """Return (fold, subset) -> number of clips per label, in order of fold and subset."""
    numbers = Counter((entry.fold, entry.subset, entry.label) for entry in entries)
    pairs = sorted({(fold, subset) for fold, subset, _ in numbers}, key=lambda pair: (pair[0], SUBSETS.index(pair[1])))
    return {(fold, subset): tuple(numbers[fold, subset, label] for label in labels) for fold, subset in pairs}
