"""The rigs by name: how people are drawn."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ifdd.synth.drawn.portrait import PortraitRig
from ifdd.synth.identity import Identity
from ifdd.synth.rendered.assets import load_head_model
from ifdd.synth.rendered.rig import RenderedRig
from ifdd.synth.rig import Rig

RigMaker = Callable[[Identity, float], Rig]
"""Builds a rig from an identity and the scale (pixels per head unit) at which it will be seen."""

DEFAULT_RIG: RigMaker = PortraitRig

RIGS: dict[str, Callable[[Path | None], RigMaker]] = {
    "drawn": lambda data: PortraitRig,
    "rendered": lambda data: partial(RenderedRig, data=data),
    "both": lambda data: partial(draw_or_render, data=data),
}
"""Name -> function from the path of ICT-FaceKit (None: torch's cache) to a maker of rigs."""


def draw_or_render(identity: Identity, scale: float, data: Path | None) -> Rig:
    """Return the drawn rig for about half of all people, the rendered rig for the others."""
    if identity.texture_seed % 2:
        return PortraitRig(identity, scale)
    return RenderedRig(identity, scale, data)


def make_rig_maker(name: str, data: Path | None) -> RigMaker:
    """Return the maker of a rig; the geometry of rendered heads is loaded, and downloaded if necessary.

    Raises:
        InputError: the geometry is not available, as for ``load_head_model``.
    """
    if name != "drawn":
        load_head_model(data)
    return RIGS[name](data)
