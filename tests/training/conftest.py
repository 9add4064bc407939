"""A tiny SynthDFER dataset on disk, written by ``ifdd synth``."""

from pathlib import Path

import pytest

from ifdd.__main__ import main


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth")
    words = ["--clips", "35", "--size", "40", "--preset", "easy", "--identities", "40", "--workers", "1"]
    main(["synth", str(out), *words])
    return out / "manifest.csv"
