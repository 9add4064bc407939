"""The settings of a study: its clips, its models and the grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ifdd.errors import InputError, check_range
from ifdd.names import printable


@dataclass(frozen=True)
class SetsConfig:
    """The SynthDFER sets of a study: the same people, scenes and movements, with the emotion visible ever shorter."""

    visible: tuple[float, ...] = (1.0, 0.5, 0.25, 0.12)
    """Shares of a clip during which the emotion is visible, from the largest to the smallest: one set each."""
    clips: int = 1400
    """Clips of each set."""
    seed: int = 1
    """Random seed of the sets; it does not depend on that of a training."""
    identities: int = 400
    """People of each set; no person occurs in two subsets."""
    validation: float = 0.1
    """Share of clips and people in the validation subset."""
    test: float = 0.2
    """Share of clips and people in the test subset."""
    preset: Literal["easy", "standard", "wild", "lifelike"] = "standard"
    """Difficulty, see 'ifdd synth'."""
    size: int = 64
    """Height and width of the frames in pixels."""
    frames: int = 16
    """Frames per clip."""
    behaviour: dict[str, Any] = field(default_factory=dict)
    """Changes to the preset's behaviour, other than visible."""
    scene: dict[str, Any] = field(default_factory=dict)
    """Changes to the preset's scene."""

    def __post_init__(self) -> None:
        """Check the ranges; the sets check the others."""
        if not self.visible:
            raise InputError("sets.visible is empty; name at least one share, such as [1.0]")
        for share in self.visible:
            check_range("sets.visible", share, at_least=0.1, at_most=1)
        if list(self.visible) != sorted(set(self.visible), reverse=True):
            raise InputError(
                f"sets.visible is {list(self.visible)}; name different shares, from the largest to the smallest"
            )
        check_range("sets.clips", self.clips, at_least=1)
        check_range("sets.seed", self.seed, at_least=0)
        for name in ("validation", "test"):  # both subsets are needed
            check_range(f"sets.{name}", getattr(self, name), above=0, below=1)
        if round(self.identities * self.test) < 2:
            raise InputError(
                f"sets.identities is {self.identities} and sets.test {self.test:g}; comparisons need at least two "
                "people in the test subset"
            )
        if "visible" in self.behaviour:
            raise InputError("sets.behaviour cannot set visible; it is what sets.visible varies")


class Cell(NamedTuple):
    """One run of the grid."""

    variant: str
    visible: float
    seed: int

    @property
    def name(self) -> str:
        """The name for messages, ``--only`` and the folder: full/visible_25/seed_0."""
        return f"{self.variant}/visible_{100 * self.visible:g}/seed_{self.seed}"


class Chain(NamedTuple):
    """The runs of one variant and seed; each starts from the weights of the one before, if the study says so."""

    variant: str
    seed: int
    cells: tuple[Cell, ...]


def plan_chains(
    variants: Mapping[str, Any], visible: Sequence[float], seeds: Sequence[int], only: str, curriculum: bool
) -> list[Chain]:
    """Return the runs of a study, in the order in which they are done.

    All seeds of a variant follow each other, so that an interrupted study has whole rows for its first variants.

    Args:
        variants: names of the variants, in order.
        visible: shares of the clip, from the largest to the smallest.
        seeds: seeds.
        only: patterns of names of cells, separated by commas, such as "full,even_odd/visible_100/*"; "" for all.
        curriculum: whether a run needs that at the larger share before it.

    Raises:
        InputError: a pattern fits no run, or variants or seeds are missing or repeated.
    """
    _check_names(variants)
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"seeds is {list(seeds)}; name different seeds, at least one")
    chains = []
    patterns = [word.strip() for word in only.split(",") if word.strip()]
    unused = set(patterns)
    for variant in variants:
        for seed in seeds:
            cells = [Cell(variant, share, seed) for share in visible]
            chosen = [index for index, cell in enumerate(cells) if _fits(cell, patterns, unused)]
            if chosen:
                kept = cells[: chosen[-1] + 1] if curriculum else [cells[index] for index in chosen]
                chains.append(Chain(variant, seed, tuple(kept)))
    if unused:
        raise InputError(
            f"--only {sorted(unused)[0]} fits no run; runs have names such as {Cell(next(iter(variants)), 1, 0).name}, "
            f"and the variants are {', '.join(variants)}"
        )
    return chains


def _fits(cell: Cell, patterns: Sequence[str], unused: set[str]) -> bool:
    fitting = [each for each in patterns if fnmatch(cell.name, each) or fnmatch(cell.name, f"{each}/*")]
    unused.difference_update(fitting)
    return bool(fitting) or not patterns


def _check_names(variants: Mapping[str, Any]) -> None:
    if not variants:
        raise InputError("variants is empty; name at least one, such as {full: {}}")
    for name in variants:
        if not name or name in (".", "..") or Path(name).name != name or printable(name) != name or "\\" in name:
            raise InputError(f"variants has the name {name!r}, which is not a name for a folder; choose another one")
