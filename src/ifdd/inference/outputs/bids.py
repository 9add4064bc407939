"""BIDS events: ``NAME_events.tsv``, a segment a row, and ``NAME_events.json``, which describes its columns.

The form is that of task events in the Brain Imaging Data Structure (https://bids-specification.readthedocs.io,
"Events"): onset and duration first, in seconds as players count them, missing values as ``n/a``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ifdd.files import escape_bytes, write_pieces, write_text
from ifdd.inference.outputs.style import name_of, played_segments
from ifdd.inference.results import UNCERTAIN, Results

ENDING = "_events.tsv"

SIDECAR = "_events.json"
"""The end of the name of the file that describes the columns."""

MISSING = "n/a"


def write_events(results: Results, path: Path) -> None:
    """Write the segments as BIDS events, and their description next to them.

    Args:
        results: the results.
        path: a path that ends in ``_events.tsv``; the description ends in ``_events.json``.

    Raises:
        InputError: the folder cannot be written to.
    """
    description = json.dumps(sidecar(results), indent=2, ensure_ascii=False) + "\n"
    write_text(path.with_suffix(".json"), escape_bytes(description), private=True)
    write_pieces(path, event_lines(results), private=True)


def event_lines(results: Results) -> Iterator[str]:
    """Yield the lines of the events, by onset, then by person."""
    yield "onset\tduration\ttrial_type\tperson\tprobability\tquality\tflaw\n"
    segments = [segment for track in results.tracks for segment in played_segments(results, track)]
    for segment in sorted(segments, key=lambda segment: (segment.start_seconds, segment.track)):
        duration = segment.end_seconds - segment.start_seconds
        name = name_of(segment, results.classes)
        yield (
            f"{segment.start_seconds:.4f}\t{duration:.4f}\t{name}\t{segment.track}\t{segment.probability:.6f}\t"
            f"{segment.quality:.4f}\t{segment.flaw or MISSING}\n"
        )


def sidecar(results: Results) -> dict[str, Any]:
    """Return the description of the columns, and what made them."""
    model = results.model
    labels = {name: f"the expression is recognised as {name}" for name in results.classes}
    return {
        "onset": {"Description": "Start of the segment, as players count time", "Units": "s"},
        "duration": {"Description": "Length of the segment", "Units": "s"},
        "trial_type": {
            "LongName": "Facial expression",
            "Description": "The expression that the model recognised; it does not tell what the person feels",
            "Levels": labels | {UNCERTAIN: "no class is probable enough, or the face is hard to read"},
        },
        "person": {"Description": "Number of the track: one person within a shot"},
        "probability": {"Description": "Mean probability of the class, or of the most probable one, 0 to 1"},
        "quality": {"Description": "Mean quality of the face, 0 to 1"},
        "flaw": {"Description": "What lowers the quality most, if it is the reason for uncertain"},
        "GeneratedBy": [
            {
                "Name": "ifdd",
                "Model": model.name,
                "Checkpoint": model.checkpoint or MISSING,
                "CheckpointSHA256": model.checkpoint_sha256 or MISSING,
                "FaceDetector": model.face_detector,
                "Notice": model.notice or MISSING,
            }
        ],
        "Sources": [str(results.video.path)],
    }
