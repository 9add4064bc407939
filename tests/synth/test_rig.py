"""The rooms of SynthDFER that every rig shares."""

from pathlib import Path

import ifdd.synth
from ifdd.synth.drawn.hair import BEARD_OPACITY
from ifdd.synth.identity import BEARDS


def test_only_the_choice_of_the_rig_and_the_hand_import_the_drawn_one() -> None:
    room = Path(ifdd.synth.__file__).parent
    files = (file for file in room.rglob("*.py") if "drawn" not in file.relative_to(room).parts)
    assert {file.stem for file in files if "ifdd.synth.drawn" in file.read_text(encoding="utf-8")} == {"rigs", "render"}


def test_every_beard_can_be_painted() -> None:
    assert set(BEARD_OPACITY) == set(BEARDS) - {"none"}
