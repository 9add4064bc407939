"""The rendered rig's geometry and renderer, where they are available."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ifdd.errors import InputError
from ifdd.synth.identity import Identity, sample_identity
from ifdd.synth.rendered.mesh import HeadMesh
from ifdd.synth.rendered.renderer import shared_renderer
from ifdd.synth.rendered.rig import RenderedRig, shared_mesh

FACEKIT = Path(__file__).parents[4] / "shared" / "real" / "ict_facekit"
SIZE = 128


@cache
def without_renderer() -> str:
    """Return why nothing can be rendered here; empty if it can."""
    try:
        shared_renderer()
    except InputError as error:
        return str(error)
    return ""


@pytest.fixture(scope="session")
def facekit() -> Path:
    """The folder with the converted geometry and some original files."""
    if not FACEKIT.is_dir():
        pytest.skip(f"needs ICT-FaceKit in {FACEKIT}")
    return FACEKIT


@pytest.fixture(scope="session")
def mesh(facekit: Path) -> HeadMesh:
    return shared_mesh(facekit)


@pytest.fixture(scope="session")
def needs_renderer() -> None:
    if reason := without_renderer():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def person() -> Identity:
    return sample_identity(np.random.default_rng(3), even_skin_tones=True)


@pytest.fixture(scope="session")
def rig(facekit: Path, needs_renderer: None, person: Identity) -> RenderedRig:
    return RenderedRig(person, facekit)
