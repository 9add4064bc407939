"""The rooms of SynthDFER that every rig shares."""

from pathlib import Path

import ifdd.synth
from ifdd.synth.drawn.hair import BEARD_OPACITY
from ifdd.synth.identity import BEARDS


def test_only_what_chooses_the_rig_imports_the_drawn_one() -> None:
    files = Path(ifdd.synth.__file__).parent.glob("*.py")
    assert {file.stem for file in files if "ifdd.synth.drawn" in file.read_text(encoding="utf-8")} == {"render"}


def test_every_beard_can_be_painted() -> None:
    assert set(BEARD_OPACITY) == set(BEARDS) - {"none"}
