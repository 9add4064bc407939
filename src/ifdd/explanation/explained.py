"""What a model made of one clip, as plain data: pictures and pages are drawn from it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from ifdd.explanation.attribution import HeatMap
from ifdd.model import IFDDConfig


class Group(NamedTuple):
    """One of the two groups of features, as a picture shows it."""

    name: str
    """Name with the paper's symbol."""
    heat: HeatMap | None
    """Its heat map; None if it has none."""
    positions: Float[np.ndarray, " positions"] | None
    """Frames of the clip, from 0, that it was sampled at; None in a model that does not split."""
    missing: str
    """Why there is no heat map; "" if there is one."""


@dataclass(frozen=True, eq=False)
class ExplainedClip:
    """What a model made of one clip, and where it looked, as plain data."""

    frames: UInt8[np.ndarray, "time height width 3"]
    """The clip, RGB."""
    correlation: Float[np.ndarray, "features features"]
    """R between the frames of the features; zeros in a model that does not split by content."""
    static_index: Float[np.ndarray, " static"]
    """Frames of the features, from 0, that the static group was sampled at, clamped to their range; real-valued."""
    dynamic_index: Float[np.ndarray, " dynamic"]
    """The same of the dynamic group."""
    dynamic: HeatMap
    """Heat map of the emotion features Y_D; see ``ifdd.explanation.attribution``."""
    static: HeatMap
    """Heat map of the context Y_S; all zero if the logits do not depend on it."""
    probabilities: Float[np.ndarray, " classes"]
    """One for each class; they sum to 1."""
    classes: tuple[str, ...]
    """Class names in the order of the probabilities."""
    target: int
    """Index of the class that the heat maps explain."""
    config: IFDDConfig
    """The model's configuration: its ``split`` and ``lifting`` say which parts of the figure it has."""
    checkpoint: str = ""
    """Name of the checkpoint; "" for a model that was not loaded from one."""
    source: str = ""
    """Where the clip comes from; "" if unknown."""
    label: str = ""
    """Class of the clip according to its dataset; "" if unknown."""
    origin: float = 0.0
    """Frame of the clip, from 0, on which the first frame of the features is centred."""
    synthetic: bool = False
    """Whether the checkpoint was trained on computer-generated faces only."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What this model lacks of the paper's figure, and what limits it, one line each."""
        lines = []
        if self.config.split == "none":
            lines.append(
                "This checkpoint has neither ISSM nor LADM: it does not split the frames, so there are no Y_D and Y_S. "
                "The heat map is that of all features."
            )
        elif self.config.split == "even_odd":
            lines.append("This checkpoint has no ISSM: it splits the frames by parity, whatever they show.")
        if self.config.split != "none" and self.config.lifting == "none":
            lines.append("This checkpoint has no LADM: its emotion features are the dynamic group itself.")
        if self.synthetic:
            lines.append("This checkpoint was trained on computer-generated faces.")
        return tuple(lines)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The emotion features and the context, with their heat maps and the frames they come from."""
        if self.config.split == "none":
            return (self._group("All features", self.dynamic, None),)
        lifted = self.config.lifting != "none"
        emotion, context = ("Emotion features Y_D", "Context Y_S") if lifted else ("Dynamic group", "Static group")
        return (
            self._group(emotion, self.dynamic, self.dynamic_index),
            self._group(context, self.static, self.static_index),
        )

    @property
    def has_correlation(self) -> bool:
        """Whether the model computes R."""
        return self.config.split == "issm"

    def in_frames(self, index: Float[np.ndarray, " positions"]) -> Float[np.ndarray, " positions"]:
        """Return the frames of the clip, from 0, at which frames of the features are centred."""
        return self.origin + index * (len(self.frames) / len(self.correlation))

    def _group(self, name: str, heat: HeatMap, index: np.ndarray | None) -> Group:
        missing = "" if heat.any() else self._without_heat(heat is self.static)
        return Group(name, heat if heat.any() else None, None if index is None else self.in_frames(index), missing)

    def _without_heat(self, of_context: bool) -> str:
        if of_context and self.config.lifting == "none":
            return "The model does not use the static group to classify."
        if of_context and self.config.lifting == "predictor_first":
            return "With the predictor first, the class does not depend on the context."
        return f"Nothing in it speaks for {self.classes[self.target]}."
