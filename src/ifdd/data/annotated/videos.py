"""Which annotations belong to which video, whose face it shows, and which people go to which subset."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ifdd.annotations.annotation import Annotation
from ifdd.annotations.reading import READERS, read_annotations
from ifdd.data.labels import clean_label, known_label
from ifdd.errors import InputError
from ifdd.folders import Walk
from ifdd.names import listed
from ifdd.tables import read_table
from ifdd.video.paths import is_video_file

COLUMNS = ("video", "annotation", "subject")

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
"""Subset -> share of the clips that it should have; people stay together."""

FEWEST_PEOPLE = 3
"""One for each subset."""


class AnnotatedVideo(NamedTuple):
    """A video of one person with labels."""

    path: Path
    subject: str
    """Who is seen."""
    labels: tuple[Annotation, ...]


def find_annotated(
    root: Path, tier: str = "", renamed: Mapping[str, str] | None = None, synonyms: bool = False
) -> tuple[list[AnnotatedVideo], list[str]]:
    """Return the annotated videos of a lab, and notes on what is not used.

    Args:
        root: a folder, searched at any depth, in which annotations lie beside the video of the same name; a video is
            then a person of its own. Or a table with the columns video, annotation and subject, relative to its folder.
        tier: the tier with the labels; "" for the only one.
        renamed: label -> class, or "" to leave it out.
        synonyms: whether other spellings of an emotion are its class.

    Raises:
        InputError: there are no annotated videos, a file cannot be read, or a video has several tiers.
    """
    notes: list[str] = []
    triples = list(_from_table(root)) if root.is_file() else _from_folder(root, notes)
    renamed = renamed or {}
    videos = []
    labels_found: set[str] = set()
    for video, annotation, subject in triples:
        found = read_annotations(annotation)
        notes += [f"{annotation.name}: {note}" for note in found.notes]
        labels_found.update(each.label.strip() for each in found.annotations)
        if tier and tier not in found.tiers:
            raise InputError(
                f"{annotation} has no tier {tier!r}; it has {', '.join(map(repr, found.tiers))}: correct --tier"
            )
        if not tier and len(found.tiers) > 1:
            tiers = ", ".join(map(repr, found.tiers))
            raise InputError(f"{annotation} has the tiers {tiers}; choose that of the person in sight with --tier")
        used = found.of(tier or found.tiers[0])
        labels = _labelled(used, renamed, synonyms, annotation)
        videos.append(AnnotatedVideo(video, subject, tuple(each for each in labels if each.label)))
    unused = set(renamed) - labels_found
    if unused:
        raise InputError(f"--rename: no annotation has the label {sorted(unused)[0]!r}; correct the name")
    return videos, notes


def _labelled(
    used: Iterable[Annotation], renamed: Mapping[str, str], synonyms: bool, file: Path
) -> Iterator[Annotation]:
    """Yield annotations with their class, which is empty if they are left out."""
    for each in used:
        try:
            yield each._replace(label=_class_of(each.label, renamed, synonyms))
        except InputError as error:
            remedy = f"; --rename '{each.label.strip()}=' leaves its annotations out"
            raise InputError(f"{file}: {error}{remedy}") from None


def _class_of(label: str, renamed: Mapping[str, str], synonyms: bool) -> str:
    name = renamed.get(label.strip(), label)
    if not name:
        return ""
    return (known_label(name) if synonyms else None) or clean_label(name)


def _from_folder(root: Path, notes: list[str]) -> list[tuple[Path, Path, str]]:
    triples, alone, walk = [], [], Walk()
    for folder in walk.through(root):
        paths = [folder.path / name for name in folder.files]
        videos: dict[str, list[Path]] = {}
        for path in filter(is_video_file, paths):
            videos.setdefault(path.stem, []).append(path)
        for path in paths:
            if path.suffix.lower() not in READERS:
                continue
            beside = videos.get(path.stem, [])
            if len(beside) > 1:
                names = " and ".join(video.name for video in beside)
                raise InputError(f"{path} lies beside the videos {names}; keep one of them, or give a table")
            if beside:
                triples.append((beside[0], path, path.relative_to(root).with_suffix("").as_posix()))
            else:
                alone.append(path.name)
    if walk.unreadable:
        raise InputError(f"cannot read the folder {walk.unreadable[0]}; check its permissions")
    if not triples:
        raise InputError(
            f"{root} has no video with annotations beside it; put {', '.join(READERS)} files of the same name beside "
            "the videos, or give a table with the columns video, annotation and subject"
        )
    twice = [name for name, count in Counter(str(video) for video, _, _ in triples).items() if count > 1]
    if twice:
        raise InputError(f"{twice[0]} has several files of annotations; keep one of them, or give a table")
    if alone:
        notes.append(f"annotations without a video of the same name are not used: {listed(sorted(alone), 5)}")
    return sorted(triples)


def _from_table(path: Path) -> Iterable[tuple[Path, Path, str]]:
    table = read_table(path.read_bytes(), str(path), COLUMNS)
    for name in COLUMNS:
        if name not in table.header:
            raise InputError(f"{path} has no column '{name}' ({table.form}); the list needs {', '.join(COLUMNS)}")
    if not table.rows:
        raise InputError(f"{path} has no lines; add one for each video")
    for line, cells in table.rows:
        row = dict(zip(table.header, map(str.strip, cells), strict=False))
        video, annotation = (path.parent / row.get(name, "").replace("\\", "/") for name in COLUMNS[:2])
        for name, file in (("video", video), ("annotation", annotation)):
            if not file.is_file():
                raise InputError(f"{path}, line {line}: the {name} {file} does not exist; correct the path")
        if not row.get("subject"):
            raise InputError(
                f"{path}, line {line}: the subject is empty; name the person, so that subsets share nobody"
            )
        yield video, annotation, row["subject"]


def assign_subsets(clips: Mapping[str, int], seed: int = 0) -> dict[str, str]:
    """Return person -> subset, so that the subsets share nobody and have about ``SHARES`` of the clips.

    People are taken in random order; each goes to the subset that lacks most of its share, after every subset has one.

    Args:
        clips: person -> number of clips.
        seed: random seed.

    Raises:
        InputError: there are fewer people than subsets.

    Example:
        >>> from collections import Counter
        >>> from ifdd.data.annotated.videos import assign_subsets
        >>> sorted(Counter(assign_subsets({f"p{number}": 10 for number in range(20)}).values()).items())
        [('test', 3), ('train', 14), ('validation', 3)]
    """
    if len(clips) < FEWEST_PEOPLE:
        raise InputError(
            f"the annotated videos show {len(clips)} people; train, validation and test need {FEWEST_PEOPLE}, since "
            "they share nobody: annotate more people, or name them in a table of video, annotation and subject"
        )
    people = sorted(clips)
    order = [people[place] for place in np.random.default_rng(seed).permutation(len(people))]
    total = sum(clips.values())
    counts = dict.fromkeys(SHARES, 0)
    chosen: dict[str, str] = {}
    for number, person in enumerate(order):
        empty = [subset for subset in SHARES if subset not in chosen.values()]
        must = len(order) - number <= len(empty)  # everybody who is left founds a subset
        subset = max(empty if must else SHARES, key=lambda name: SHARES[name] * total - counts[name])
        chosen[person] = subset
        counts[subset] += clips[person]
    return chosen
