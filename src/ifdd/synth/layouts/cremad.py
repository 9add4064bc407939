"""SynthDFER in the layout of CREMA-D: Flash videos, actors, and three rows of votes a clip.

Age, race and ethnicity in the table of actors are drawn at random, without relation to the drawing.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ifdd.files import write_text
from ifdd.synth.layouts.acted import ActedLayout, women

CODES = {"angry": "ANG", "disgust": "DIS", "fear": "FEA", "happy": "HAP", "neutral": "NEU", "sad": "SAD"}
"""Canonical label -> code in a clip's name, in the order of the columns of votes."""

SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
LEVELS = ("LO", "MD", "HI")
"""Levels of the first sentence; the other sentences have one take each, of unspecified level."""

FIRST_ACTOR = 1001
RACES = ("Caucasian", "African American", "Asian", "Unknown")
VOTERS = 10
AGREEING = 6
"""Voters who always choose what was meant."""


def _names(people: int, person: int, label: str) -> list[str]:
    levels = ("XX",) if label == "neutral" else LEVELS
    takes = [(SENTENCES[0], level) for level in levels] + [(sentence, "XX") for sentence in SENTENCES[1:]]
    return [f"{FIRST_ACTOR + person}_{sentence}_{CODES[label]}_{level}" for sentence, level in takes]


def _write_tables(out: Path, clips: Sequence[tuple[str, str]], people: int, seed: int) -> None:
    rng = np.random.default_rng([seed, 18])
    lines = ['"ActorID","Age","Sex","Race","Ethnicity"']
    for person in range(people):
        sex = "Female" if person < women(people) else "Male"
        race, hispanic = RACES[int(rng.integers(len(RACES)))], "Hispanic" if rng.random() < 0.1 else "Not Hispanic"
        lines.append(f'{FIRST_ACTOR + person},{int(rng.integers(20, 75))},"{sex}","{race}","{hispanic}"')
    write_text(out / "VideoDemographics.csv", _text(lines))
    votes = ['"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"']
    summary = ['"","FileName","VoiceVote","FaceVote","MultiModalVote"']
    winners: dict[str, list[str]] = {}
    for kind in (1, 2, 3):  # voice, face, both
        for number, (name, label) in enumerate(clips, start=1):
            counts = _votes(label, np.random.default_rng([seed, 19, kind, number]))
            most = max(counts)
            vote = ":".join(letter for letter, count in zip("ADFHNS", counts, strict=True) if count == most)
            winners.setdefault(name, []).append(vote)
            row = ",".join(map(str, counts))
            votes.append(f'"{100_000 * kind + number}",{row},"{name}",{VOTERS},{most / VOTERS:g},"{vote}"')
    for number, (name, found) in enumerate(winners.items(), start=1):
        summary.append(",".join(f'"{cell}"' for cell in (number, name, *found)))
    write_text(out / "processedResults" / "tabulatedVotes.csv", _text(votes))
    write_text(out / "processedResults" / "summaryTable.csv", _text(summary))


def _votes(label: str, rng: np.random.Generator) -> list[int]:
    """Draw the votes of ten people, most of whom see what was meant."""
    counts = rng.multinomial(VOTERS - AGREEING, np.full(len(CODES), 1 / len(CODES)))
    counts[list(CODES).index(label)] += AGREEING
    return [int(count) for count in counts]


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


CREMAD = ActedLayout(
    actors=91,
    all_actors=False,
    names=_names,
    path=lambda name: f"VideoFlash/{name}.flv",
    top_names=("VideoFlash", "VideoDemographics.csv", "processedResults"),
    seconds=(1.0, 5.0),
    width=4 / 3,
    write_tables=_write_tables,
)
