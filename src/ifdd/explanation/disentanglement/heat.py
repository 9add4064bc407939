"""Where the heat maps of Y_D and Y_S lie: inside the regions of the action units that are active, or elsewhere."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ifdd.explanation.disentanglement.regions import REGIONS, UNIT_REGIONS, region_mask
from ifdd.explanation.disentanglement.truth import UNITS, ClipTruth
from ifdd.model import IFDD

EMOTIONAL, ACTIVE = 0.2, 0.3
"""Intensity of the emotion from which a frame counts as emotional, and of a unit from which it is active."""

PLACES = ("active regions", "other regions of the face", "elsewhere", "emotional frames")
"""The first three partition the pixels of the emotional frames; the last one is the share of all frames."""


@runtime_checkable
class HeatMaps(Protocol):
    """What is used of an ``ifdd.explanation.attribution.Attribution``."""

    @property
    def dynamic(self) -> Float[np.ndarray, "time height width"]:
        """Heat map of Y_D."""
        ...

    @property
    def static(self) -> Float[np.ndarray, "time height width"]:
        """Heat map of Y_S."""
        ...


Attribute = Callable[[IFDD, Tensor], HeatMaps]


class Energy(NamedTuple):
    """Shares of one clip for each of ``PLACES``; NaN where a clip has no such frames, or a map no heat there."""

    area: Float[np.ndarray, "places=4"]
    dynamic: Float[np.ndarray, "places=4"]
    static: Float[np.ndarray, "places=4"]


NOTHING = Energy(*(np.full(4, np.nan) for _ in range(3)))
"""The energy of a clip without an emotion."""


def measure_energy(maps: HeatMaps, truth: ClipTruth) -> Energy:
    """Return how the heat of one clip is distributed.

    Args:
        maps: heat maps of the clip.
        truth: truth of its frames.
    """
    active = [_active_regions(units) for units in truth.units]
    emotional = [frame for frame in range(len(active)) if truth.intensity[frame] >= EMOTIONAL and active[frame]]
    if not emotional:
        return NOTHING
    size = maps.dynamic.shape[1:]
    places = np.stack([_places(truth.landmarks[frame], active[frame], (size[0], size[1])) for frame in emotional], 1)
    in_time = truth.intensity >= EMOTIONAL

    def shares(heat: Float[np.ndarray, "time height width"]) -> Float[np.ndarray, "places=4"]:
        heat = heat.astype(float)
        inside, total = heat[emotional].sum(), heat.sum()
        in_space = (places * heat[emotional]).sum((1, 2, 3)) / inside if inside > 0 else np.full(3, np.nan)
        # a clip that is emotional throughout says nothing about time
        when = heat[in_time].sum() / total if total > 0 and not in_time.all() else np.nan
        return np.append(in_space, when)

    return Energy(shares(np.ones(maps.dynamic.shape)), shares(maps.dynamic), shares(maps.static))


def _active_regions(units: Float[np.ndarray, " units"]) -> tuple[str, ...]:
    """Return the regions of the units that are active in a frame."""
    found = {name for unit, value in zip(UNITS, units, strict=True) if value >= ACTIVE for name in UNIT_REGIONS[unit]}
    return tuple(name for name in REGIONS if name in found)


def _places(
    landmarks: Float[np.ndarray, "points=68 2"], active: tuple[str, ...], size: tuple[int, int]
) -> Float[np.ndarray, "places=3 height width"]:
    """Return the masks of the first three ``PLACES``: a partition of the pixels."""
    points = landmarks * np.array([size[1], size[0]])
    inside, face = region_mask(points, active, size), region_mask(points, REGIONS, size)
    return np.stack([inside, face & ~inside, ~face]).astype(float)
