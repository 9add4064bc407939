"""The rigs by name: how people are drawn.

The rendered rig belongs to the extra [render], so it is imported only when it is used.
"""

import importlib
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ifdd.errors import InputError
from ifdd.synth.drawn.portrait import PortraitRig
from ifdd.synth.identity import Identity
from ifdd.synth.rig import Rig

RigMaker = Callable[[Identity, float], Rig]
"""Builds a rig from an identity and the scale (pixels per head unit) at which it will be seen."""

DEFAULT_RIG: RigMaker = PortraitRig

LIBRARIES = ("moderngl", "scipy")
"""What the extra [render] installs."""


def draw_or_render(identity: Identity, scale: float, data: Path | None) -> Rig:
    """Return the drawn rig for about half of all people, the rendered rig for the others."""
    return PortraitRig(identity, scale) if identity.texture_seed % 2 else render(identity, scale, data)


def render(identity: Identity, scale: float, data: Path | None) -> Rig:
    """Return the rendered rig."""
    return _rendered_person(identity, data)


@lru_cache(maxsize=1)
def _rendered_person(identity: Identity, data: Path | None) -> Rig:
    """Return the rig of a person, which serves any scale; it is kept for the next clip of the same person."""
    rig: Rig = _rendered("rig").RenderedRig(identity, data)
    return rig


RIGS: dict[str, Callable[[Path | None], RigMaker]] = {
    "drawn": lambda data: PortraitRig,
    "rendered": lambda data: partial(render, data=data),
    "both": lambda data: partial(draw_or_render, data=data),
}
"""Name -> function from the path of ICT-FaceKit (None: torch's cache) to a maker of rigs."""


RIG_VERSIONS = {"rendered": 8, "both": 8}
"""Version of a rig's pictures, recorded in a set's settings: increase it when the same seed gives other faces, so that
no set mixes two states of the rig. Sets of the rendered rig from before this record are refused."""


def make_rig_maker(name: str, data: Path | None) -> RigMaker:
    """Return the maker of a rig; the geometry of rendered heads is loaded, and downloaded if necessary.

    Raises:
        InputError: the extra [render] is not installed, or the geometry is not available.
    """
    if name != "drawn":
        missing = [library for library in LIBRARIES if find_spec(library) is None]
        if missing:
            raise InputError(
                f"rendered faces need {' and '.join(missing)}; install it with: pip install 'ifdd[render]'"
            )
        data = _rendered("assets").prepare_head_model(data)
    return RIGS[name](data)


def _rendered(module: str) -> Any:
    return importlib.import_module(f"ifdd.synth.rendered.{module}")
