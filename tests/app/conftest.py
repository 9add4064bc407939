"""A session with the bundled model for drawn faces, and a drawn video."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ifdd.app.engine import Engine
from ifdd.app.places import Places, open_places
from ifdd.app.session import Session, open_session
from ifdd.faces.detection import DetectorChoice
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference.batch.worker import Settings
from ifdd.inference.windows import WindowOptions
from ifdd.model import DEMONSTRATION, load_model
from ifdd.synth import SynthConfig, render_clip
from ifdd.video import write_video
from ifdd.video.sources import SourceOptions


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of one drawn person, 1.6 s."""
    path = tmp_path_factory.mktemp("drawn") / "drawn.mp4"
    clip = render_clip(SynthConfig(size=112, frames=16, fps=10.0), seed=1, index=0)
    write_video(path, list(clip.frames), fps=10.0)
    return path


def make_engine(places: Places) -> Engine:
    out = places.results
    settings = Settings(
        Path(DEMONSTRATION), DetectorChoice(), "cpu", WindowOptions(), TrackingOptions(), SourceOptions(), out,
        ("json",), True,
    )  # fmt: skip
    return Engine(settings, load_model(DEMONSTRATION))


@contextmanager
def session_of(folder: Path | None, results: Path | None = None, most_bytes: int = 1_000_000) -> Iterator[Session]:
    with open_places(folder, results) as places, open_session(places, make_engine(places), most_bytes) as session:
        yield session


@pytest.fixture(scope="module")
def session(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Return a session with a folder that holds the drawn video, a link that leads out of it, and a text."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "one.mp4").write_bytes(drawn.read_bytes())
    (folder / "out.mp4").symlink_to(drawn)
    (folder / "notes.txt").write_text("private")
    assert os.path.realpath(folder / "out.mp4") != str(folder / "out.mp4")
    with session_of(folder) as opened:
        yield opened
