"""Emotion names: each benchmark's official order, and one canonical spelling.

ifdd identifies labels by NAME, never by number: FERV39k alone is published in two numberings, MAFW in three. A compound
label joins its emotions with ``_``.
"""

from collections.abc import Iterable, Sequence

from ifdd.errors import InputError

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


def class_names(classes: str | Sequence[str]) -> tuple[str, ...]:
    """Return the class names of a label set ("dfew"), or the given names once checked.

    Raises:
        InputError: the label set is unknown, an emotion is unknown or repeated, or the list is empty.
    """
    if isinstance(classes, str):
        if classes not in LABEL_SETS:
            raise InputError(f"unknown label set {classes!r}; choose one of {', '.join(LABEL_SETS)}")
        return LABEL_SETS[classes]
    canonical = [canonical_label(name) for name in classes]
    if not canonical:
        raise InputError("the list of classes is empty; name at least one emotion")
    repeated = sorted({name for name in canonical if canonical.count(name) > 1})
    if repeated:
        raise InputError(f"the list of classes names {', '.join(repeated)} more than once; name each emotion once")
    return tuple(classes)


def class_indices(labels: Iterable[str], classes: str | Sequence[str]) -> list[int]:
    """Return the index of each label in ``classes``, matched by canonical name ("anger" matches "angry").

    Raises:
        InputError: a label is not among the classes.

    Example:
        >>> from ifdd.data.labels import class_indices
        >>> class_indices(["anger", "happy"], "dfew")
        [3, 0]
    """
    names = class_names(classes)
    index = {canonical_label(name): position for position, name in enumerate(names)}
    wanted = [canonical_label(label) for label in labels]
    missing = sorted(set(wanted) - set(index))
    if missing:
        raise InputError(
            f"no class for the labels {', '.join(missing)}; the classes are {', '.join(names)}: "
            "exclude those clips, or choose a label set that contains them"
        )
    return [index[name] for name in wanted]


def parse_votes(votes: str) -> dict[str, int]:
    """Return canonical name -> number of annotators from a text such as "happy:7 sad:2 neutral:1".

    Raises:
        InputError: the text has another format, an unknown or repeated emotion, or a count below 1.
    """
    counts: dict[str, int] = {}
    for part in votes.split():
        name, _, count = part.rpartition(":")
        if not (count.isascii() and count.isdigit() and int(count) > 0):
            raise InputError(f"votes are {votes!r}; write them as 'happy:7 sad:2 neutral:1'")
        label = canonical_label(name)
        if label in counts:
            raise InputError(f"votes {votes!r} name {label} twice; name each emotion once")
        counts[label] = int(count)
    return counts


def soft_label(votes: str, classes: str | Sequence[str]) -> list[float]:
    """Return the share of votes for each class; the shares sum to 1.

    Args:
        votes: at least one vote, as ``parse_votes`` reads them.
        classes: as for ``class_names``.

    Raises:
        InputError: there are no votes, or some are for an emotion that is not a class.

    Example:
        >>> from ifdd.data.labels import soft_label
        >>> soft_label("happy:3 neutral:1", "dfew")
        [0.75, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0]
    """
    counts = parse_votes(votes)
    if not counts:
        raise InputError("there are no votes for a soft label; use the label instead")
    shares = [0.0] * len(class_names(classes))
    for index, count in zip(class_indices(counts, classes), counts.values(), strict=True):
        shares[index] = count / sum(counts.values())
    return shares
