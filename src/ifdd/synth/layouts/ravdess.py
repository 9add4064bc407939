"""SynthDFER in the layout of RAVDESS: videos of speech, then of song, without sound."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from ifdd.data.labels import LABEL_SETS, canonical_label
from ifdd.synth.layouts.acted import ActedLayout, women

CODES = {canonical_label(name): f"{number:02d}" for number, name in enumerate(LABEL_SETS["ravdess"], start=1)}
"""Canonical label -> code in a file's name."""

PICTURES = "02"
"""Modality of a video without sound."""
ONLY_SPOKEN = ("disgust", "surprise")
"""Emotions that are spoken only."""


def _names(people: int, person: int, label: str) -> list[str]:
    first_man = women(people)
    number = 2 * person + 2 if person < first_man else 2 * (person - first_man) + 1
    intensities = ("01",) if label == "neutral" else ("01", "02")
    channels = ("01",) if label in ONLY_SPOKEN or number == 18 else ("01", "02")
    return [
        "-".join((PICTURES, channel, CODES[label], intensity, statement, repetition, f"{number:02d}"))
        for channel, statement, repetition, intensity in product(channels, ("01", "02"), ("01", "02"), intensities)
    ]


def _write_tables(out: Path, clips: Sequence[tuple[str, str]], people: int, seed: int) -> None:
    """RAVDESS has no tables: names tell everything."""


RAVDESS = ActedLayout(
    actors=24,
    all_actors=True,
    names=_names,
    path=lambda name: f"Actor_{name[-2:]}/{name}.mp4",
    top_names=tuple(f"Actor_{number:02d}" for number in range(1, 25)),
    seconds=(3.0, 5.0),
    width=16 / 9,
    write_tables=_write_tables,
)
