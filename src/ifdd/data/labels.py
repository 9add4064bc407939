"""Emotion names: each benchmark's official order, and one spelling for all of them.

Labels travel by NAME through ifdd, never by number: FERV39k alone is published in two numberings, MAFW in
three.
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
}
"""Name of a label set -> its class names in the order of the dataset's own documentation."""

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
}
"""Canonical name (DFEW's for its seven, MAFW's for the other four) -> the other spellings in use."""

_CANONICAL = {spelling: name for name, others in SPELLINGS.items() for spelling in (name, *others)}


def canonical_label(name: str) -> str:
    """Return the one canonical spelling of an emotion, whatever its case ("Happiness" -> "happy").

    Raises:
        InputError: no emotion of this name is known.
    """
    try:
        return _CANONICAL[name.strip().lower()]
    except KeyError:
        raise InputError(f"unknown emotion {name!r}; known names are {', '.join(SPELLINGS)}") from None


def class_names(classes: str | Sequence[str]) -> tuple[str, ...]:
    """Return the class names of a label set ("dfew"), or a list of names of one's own after checking it.

    Raises:
        InputError: no such label set, an unknown or repeated emotion, or no class at all.
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
    """Return the index of each label in ``classes``, matched by canonical name ("anger" finds "angry").

    Raises:
        InputError: a label does not occur among the classes.
    """
    names = class_names(classes)
    index = {canonical_label(name): position for position, name in enumerate(names)}
    wanted = [canonical_label(label) for label in labels]
    missing = sorted(set(wanted) - set(index))
    if missing:
        raise InputError(
            f"no class for the labels {', '.join(missing)}; the classes are {', '.join(names)}: "
            "leave those clips out or choose a label set that has them"
        )
    return [index[name] for name in wanted]
