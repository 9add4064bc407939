"""Long videos in parts, compared with one pass: the same people, boxes and expressions?

The videos are made from the films of a folder: "cuts" shows the films with cuts or without a face one after the other
until it is long enough; "one take" shows the longest other film forwards and backwards, so that no shot begins.

    python -m benchmarks.parts FILMS --detector-model face_detection_yunet.onnx
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ifdd.faces.detection import choose_detector
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference import Recognition, WindowOptions
from ifdd.inference.batch.cutting import Cutting
from ifdd.inference.batch.jobs import Job
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.batch.worker import Settings, Worker
from ifdd.inference.results import RecognizedTrack
from ifdd.model.inspection.measuring import device_name
from ifdd.processes import available_cores
from ifdd.video import SourceOptions, read_frames, write_video

SIZE = (640, 360)
FPS = 25.0
TAKE = "one_face_crying_to_laughing"
"""The film without a cut."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path, help="folder of films")
    parser.add_argument("--seconds", type=float, default=180.0, help="length of the videos")
    parser.add_argument("--part-seconds", type=float, default=60.0)
    parser.add_argument("--checkpoint", default="ifdd_face")
    parser.add_argument("--detector-model", type=Path, help="YuNet's .onnx file")
    parser.add_argument("--out", type=Path, default=Path("results/parts.json"))
    options = parser.parse_args()
    films = sorted(path for path in options.films.iterdir() if path.suffix in (".mp4", ".mkv"))
    report: dict[str, Any] = {
        "machine": {"processor": device_name("cpu"), "cores": available_cores()},
        "checkpoint": options.checkpoint,
        "seconds": options.seconds,
        "part_seconds": options.part_seconds,
        "videos": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, chosen in (
            ("cuts", [film for film in films if film.stem != TAKE]),
            ("one take", [film for film in films if film.stem == TAKE]),
        ):
            video = write_long(Path(folder) / f"{name}.mp4", chosen, options.seconds, back=name == "one take")
            found = compare(video, options, Path(folder))
            report["videos"].append({"name": name, "films": [film.name for film in chosen], **found})
            print(report["videos"][-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def write_long(path: Path, films: Sequence[Path], seconds: float, back: bool) -> Path:
    """Write films one after the other until the video is long enough; ``back`` plays each backwards as well."""
    frames = [read_frames(film) for film in films]
    order = [part for film in frames for part in ([film, film[::-1]] if back else [film])]

    def images() -> Iterator[np.ndarray]:
        for image in islice(chain.from_iterable(cycle(order)), round(seconds * FPS)):
            yield cv2.resize(image, SIZE)

    write_video(path, images(), fps=FPS)
    return path


def compare(video: Path, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Recognise a video in one pass and in parts; return how the results differ."""
    whole, parts = (
        recognized(video, options, folder / f"{video.stem} {size}", size) for size in (None, options.part_seconds)
    )
    others = tracks_by_id(parts)
    pairs = [(track, others[track.id]) for track in whole.tracks if track.id in others]
    same = [pair for pair in pairs if pair[0].boxes == pair[1].boxes]
    return {
        "people": [len(whole.tracks), len(parts.tracks)],
        "people_with_equal_boxes": len(same),
        "people_with_equal_windows": sum(equal_windows(*pair) for pair in same),
        "same_expression": same_expression(whole, parts),
    }


def recognized(video: Path, options: argparse.Namespace, out: Path, part_seconds: float | None) -> Recognition:
    detector = choose_detector(options.detector_model, print)
    choices = WindowOptions(), TrackingOptions(), SourceOptions()
    settings = Settings(Path(options.checkpoint), detector, "cpu", *choices, out, ("json",), True, part_seconds)
    worker = Worker(settings, settings.build())
    cutting = Cutting(worker, Ledger(out, "settings"))
    outcomes = [outcome for piece in cutting.cut(Job(str(video), "video")) for outcome in cutting.take(worker(piece))]
    assert [outcome.error for outcome in outcomes] == [None], outcomes
    return Recognition.load(out / "video.json")


def equal_windows(one: RecognizedTrack, other: RecognizedTrack) -> bool:
    """Whether two tracks have the same windows, up to the rounding of sums."""
    first, second = one.windows, other.windows
    if not np.array_equal(first.start_seconds, second.start_seconds):
        return False
    return bool(np.allclose(first.probabilities, second.probabilities, atol=1e-5))


def same_expression(whole: Recognition, parts: Recognition) -> float:
    """Return the share of the time of all people, in steps of 0.1 s, in which they show the same expression."""
    agreed, total, others = 0, 0, tracks_by_id(parts)
    for track in whole.tracks:
        other = others.get(track.id)
        for now in np.arange(track.start_seconds + 0.05, track.end_seconds, 0.1):
            total += 1
            agreed += other is not None and label_at(track, now) == label_at(other, now)
    return agreed / total


def tracks_by_id(recognition: Recognition) -> dict[int, RecognizedTrack]:
    return {track.id: track for track in recognition.tracks}


def label_at(track: RecognizedTrack, now: float) -> str | None:
    return next((each.label for each in track.segments if each.start_seconds <= now < each.end_seconds), None)


if __name__ == "__main__":
    main()
