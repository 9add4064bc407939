"""What the layouts of acted datasets have in common: every actor has a limited number of takes of each emotion."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ifdd.errors import InputError


@dataclass(frozen=True)
class ActedLayout:
    """A layout whose file names tell actor, emotion and take.

    The first half of the people, rounded up, are women, so that person p belongs to fold 1 + p % 5 by the rule of
    ``ifdd prepare``.
    """

    actors: int
    """Number of actors of the dataset."""
    all_actors: bool
    """Whether a tree always has that many people, because no table tells who they are; otherwise at most as many."""
    names: Callable[[int, int, str], Sequence[str]]
    """Number of people, person, canonical label -> names of the takes."""
    path: Callable[[str], str]
    """Name of a clip -> path in the tree."""
    top_names: tuple[str, ...]
    """All files and folders at the root of the tree that the official dataset has, too."""
    seconds: tuple[float, float]
    """Duration of the shortest and the longest clip."""
    width: float
    """Width of a picture as a multiple of its height."""
    write_tables: Callable[[Path, Sequence[tuple[str, str]], int, int], None]
    """Write the tables: folder, (name, canonical label) of the clips, number of people, seed."""


class Takes:
    """The takes that are still free."""

    def __init__(self, layout: ActedLayout, people: int, folds: int) -> None:
        self._layout, self._people, self._folds = layout, people, folds
        self._used: Counter[tuple[int, str]] = Counter()

    def take(self, person: int, label: str) -> tuple[int, str]:
        """Return a person of the same fold who has a free take of the label, and its name.

        Raises:
            InputError: all takes of the label in this fold are used.
        """
        for candidate in self._same_fold(person):
            names = self._layout.names(self._people, candidate, label)
            number = self._used[candidate, label]
            if number < len(names):
                self._used[candidate, label] += 1
                return candidate, names[number]
        more = "" if self._people == self._layout.actors else " or more --identities"
        raise InputError(f"{self._people} people have no more takes of {label}; give fewer --clips{more}")

    def _same_fold(self, person: int) -> Iterator[int]:
        """Yield the people of a person's fold, beginning with that person."""
        fold = range(person % self._folds, self._people, self._folds)
        start = person // self._folds
        yield from (*fold[start:], *fold[:start])


def women(people: int) -> int:
    """Return how many of the people are women, those with the lowest numbers."""
    return (people + 1) // 2
