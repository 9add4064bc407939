"""Class names: each benchmark's official order, one canonical spelling of emotions, and names of your own.

ifdd identifies labels by NAME, never by number: FERV39k alone is published in two numberings, MAFW in three. A compound
label joins its emotions with ``_``. Any other names may be classes: levels, codes, words with spaces. They are kept as
they are written; an emotion's other spellings ("happiness" for "happy") are its class only where that is asked for.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

from ifdd.errors import InputError

ABSTENTION = "uncertain"
"""What recognition says instead of a class; no class has this name."""

LABEL_SETS: dict[str, tuple[str, ...]] = {
    "dfew": ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear"),
    "ferv39k": ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    "mafw": (
        "anger",
        "disgust",
        "fear",
        "happiness",
        "neutral",
        "sadness",
        "surprise",
        "contempt",
        "anxiety",
        "helplessness",
        "disappointment",
    ),
    "cremad": ("anger", "disgust", "fear", "happy", "neutral", "sad"),
    "ravdess": ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    "mafw_compound": (
        "anger",
        "disgust",
        "fear",
        "happiness",
        "neutral",
        "sadness",
        "surprise",
        "contempt",
        "anxiety",
        "helplessness",
        "disappointment",
        "anger_disgust",
        "anxiety_helplessness",
        "fear_surprise",
        "happiness_contempt",
        "disgust_contempt",
        "sadness_anxiety",
        "anger_surprise",
        "fear_anxiety",
        "fear_sadness",
        "helplessness_disappointment",
        "surprise_anxiety",
        "happiness_surprise",
        "sadness_helplessness_disappointment",
        "fear_surprise_anxiety",
        "sadness_helplessness",
        "anger_sadness",
        "sadness_disappointment",
        "anger_anxiety",
        "anger_helplessness",
        "disgust_helplessness",
        "sadness_surprise",
        "anxiety_helplessness_disappointment",
        "sadness_anxiety_helplessness",
        "disgust_disappointment",
        "disgust_anxiety",
        "anger_disgust_contempt",
        "disgust_surprise",
        "disgust_sadness",
        "fear_sadness_anxiety",
        "anger_disgust_anxiety",
        "disgust_anxiety_helplessness",
        "disgust_helplessness_disappointment",
    ),
}
"""Label set -> class names in the order of the dataset's documentation. MAFW does not number its compounds; they have
the order of its lists."""

SPELLINGS: dict[str, tuple[str, ...]] = {
    "happy": ("happiness", "joy"),
    "sad": ("sadness",),
    "neutral": ("neutrality",),
    "angry": ("anger",),
    "surprise": ("surprised",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid"),
    "contempt": ("contemptuous",),
    "anxiety": ("anxious",),
    "helplessness": ("helpless",),
    "disappointment": ("disappointed",),
    "calm": ("calmness",),
}
"""Canonical name (DFEW's for its seven emotions, MAFW's for four others, RAVDESS's calm) -> the other spellings in
use."""

_CANONICAL = {spelling: name for name, others in SPELLINGS.items() for spelling in (name, *others)}
_VOTE = re.compile(r"\s*(\S.*?):([0-9]{1,9})(?=\s|$)\s*")
_PLACE = {_CANONICAL[name]: place for place, name in enumerate((*LABEL_SETS["mafw"], "calm"))}


def canonical_label(name: str) -> str:
    """Return the canonical spelling of an emotion in any case ("Happiness" -> "happy").

    The parts of a compound are spelt canonically and sorted in MAFW's order ("Disgust_anger" -> "angry_disgust").

    Raises:
        InputError: the emotion is unknown, or a compound names one twice.

    Example:
        >>> from ifdd.data.labels import canonical_label
        >>> canonical_label("Happiness"), canonical_label("Disgust_anger")
        ('happy', 'angry_disgust')
    """
    try:
        parts = [_CANONICAL[part] for part in name.strip().lower().split("_")]
    except KeyError:
        raise InputError(f"unknown emotion {name!r}; known names are {', '.join(SPELLINGS)}") from None
    if len(set(parts)) < len(parts):
        raise InputError(f"the compound {name!r} names an emotion twice; name each once")
    return "_".join(sorted(parts, key=_PLACE.__getitem__))


def clean_label(name: str) -> str:
    """Return a class name on one line, in composed Unicode and without outer or repeated spaces.

    Raises:
        InputError: the name is empty, has control characters, or is what recognition says instead of a class.

    Example:
        >>> from ifdd.data.labels import clean_label
        >>> clean_label(" very  engaged "), clean_label("0")
        ('very engaged', '0')
    """
    cleaned = " ".join(unicodedata.normalize("NFC", name).split())
    if not cleaned or not cleaned.isprintable():
        raise InputError(f"the class name {name!r} is empty or has control characters; write a name on one line")
    if cleaned.casefold() == ABSTENTION:
        raise InputError(f"a class cannot be named {name!r}, which means that no class was recognised; rename it")
    return cleaned


def known_label(name: str) -> str | None:
    """Return the canonical spelling of an emotion, as ``canonical_label``; None for any other name."""
    try:
        return canonical_label(name)
    except InputError:
        return None


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort distinct names: known emotions in the order of ``SPELLINGS``, then others, numbers in them by value.

    Example:
        >>> from ifdd.data.labels import natural_order
        >>> natural_order(["10", "sad", "2", "happy"])
        ['happy', 'sad', '2', '10']
    """
    places = {name: place for place, name in enumerate(_CANONICAL)}

    def key(name: str) -> tuple[int, list[tuple[int, int, str]], str]:
        parts = filter(None, re.split("([0-9]{1,18})", name))
        values = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
        return places.get(name, len(places)), values, name

    return sorted(set(names), key=key)


def class_names(classes: str | Sequence[str]) -> tuple[str, ...]:
    """Return the class names of a label set ("dfew"), or the given names once checked.

    Raises:
        InputError: the label set is unknown, a name is empty or repeated, or the list is empty.
    """
    if isinstance(classes, str):
        if classes not in LABEL_SETS:
            raise InputError(f"unknown label set {classes!r}; choose one of {', '.join(LABEL_SETS)}")
        return LABEL_SETS[classes]
    names = tuple(clean_label(name) for name in classes)
    if not names:
        raise InputError("the list of classes is empty; name at least two classes")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"the list of classes names {', '.join(repeated)} more than once ({', '.join(names)}); name each class once"
        )
    return names


def class_indices(labels: Iterable[str], classes: str | Sequence[str], synonyms: bool = False) -> list[int]:
    """Return the index of each label in ``classes``.

    A label is a class if it has the class's name; upper and lower case are the same if no two names differ in case
    alone. The classes of a benchmark's label set are emotions, which labels may spell in any way ("anger" for "angry");
    a label in canonical spelling, as prepared benchmarks have it, is the one class of that emotion in any list.
    Two labels are never the same class, unless ``synonyms`` asks for it.

    Args:
        labels: labels of clips.
        classes: as for ``class_names``.
        synonyms: other spellings of an emotion are its class, in a list of your own too; several are merged.

    Raises:
        InputError: a label is not among the classes; or two labels are one class, although synonyms are off.

    Example:
        >>> from ifdd.data.labels import class_indices
        >>> class_indices(["anger", "happy"], "dfew")
        [3, 0]
        >>> class_indices(["0", "2"], ["0", "1", "2"])
        [0, 2]
    """
    names, given = class_names(classes), list(labels)
    by_meaning = synonyms or names in LABEL_SETS.values()
    found = {label: _index_of(clean_label(label), names, by_meaning) for label in dict.fromkeys(given)}
    missing = natural_order(label for label, index in found.items() if index is None)
    if missing:
        with_synonyms = all(_index_of(clean_label(label), names, True) is not None for label in missing)
        remedy = (
            "switch on synonyms, which reads other spellings of an emotion as the same class"
            if with_synonyms
            else "name all labels as classes, exclude those clips, or choose a label set that contains them"
        )
        raise InputError(
            f"no class for the labels {', '.join(missing)}; the labels are {', '.join(natural_order(found))}, the "
            f"classes are {', '.join(names)}: {remedy}"
        )
    if not synonyms:
        _check_apart(found, names)
    return [index for label in given if (index := found[label]) is not None]


def _index_of(label: str, names: Sequence[str], by_meaning: bool) -> int | None:
    """Return the index of a label's class; None if there is none."""
    alike: list[Callable[[str], str | None]] = [lambda name: name, str.casefold]
    for spelling in alike:
        matches = [place for place, name in enumerate(names) if spelling(name) == spelling(label)]
        if len(matches) == 1:
            return matches[0]
    emotion = known_label(label)
    if emotion is None or not (by_meaning or emotion == label):
        return None
    matches = [place for place, name in enumerate(names) if known_label(name) == emotion]
    return matches[0] if len(matches) == 1 else None


def _check_apart(found: Mapping[str, int | None], names: Sequence[str]) -> None:
    """Check that no two labels are the same class."""
    first: dict[int | None, str] = {}
    for label, index in found.items():
        other = first.setdefault(index, label)
        if other != label and index is not None:
            raise InputError(
                f"the labels {other} and {label} would both be the class {names[index]}; rename one of them, or switch "
                "on synonyms, which merges them"
            )


def parse_votes(votes: str) -> dict[str, int]:
    """Return name -> number of annotators from a text such as "happy:7 sad:2 very engaged:1".

    Raises:
        InputError: the text has another format, a repeated name, or a count below 1.
    """
    counts: dict[str, int] = {}
    matches = list(_VOTE.finditer(votes))
    if "".join(match[0] for match in matches) != votes or any(int(match[2]) < 1 for match in matches):
        if votes.strip():
            raise InputError(f"votes are {votes!r}; write them as 'happy:7 sad:2 neutral:1'")
        return counts
    for match in matches:
        label = clean_label(match[1])
        if label in counts:
            raise InputError(f"votes {votes!r} name {label} twice; name each class once")
        counts[label] = int(match[2])
    return counts


def soft_label(votes: str, classes: str | Sequence[str], synonyms: bool = False) -> list[float]:
    """Return the share of votes for each class; the shares sum to 1.

    Args:
        votes: at least one vote, as ``parse_votes`` reads them.
        classes: as for ``class_names``.
        synonyms: as for ``class_indices``; the votes of spellings of one emotion are added.

    Raises:
        InputError: there are no votes, or some are for a name that is not a class.

    Example:
        >>> from ifdd.data.labels import soft_label
        >>> soft_label("happy:3 neutral:1", "dfew")
        [0.75, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0]
    """
    counts = parse_votes(votes)
    if not counts:
        raise InputError("there are no votes for a soft label; use the label instead")
    shares = [0.0] * len(class_names(classes))
    for index, count in zip(class_indices(counts, classes, synonyms), counts.values(), strict=True):
        shares[index] += count / sum(counts.values())
    return shares
