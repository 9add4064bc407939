"""Tracking and timelines compared with the ground truth of drawn crowds: several people, hard cuts, known emotions.

Each video (SynthDFER, preset ``standard``) has shots of several people, different ones in every shot. They stand next
to each other, with hands that come and go, or walk past each other, occlude one another, enter and leave. People are
tracked as by ``ifdd recognize``, with each detector, searching every frame, every k-th one, or by time (the default).
Faces more than half hidden need not be found. The timeline is scored too, with YuNet if its file is given. The ground
truth is the emotion that the drawing was asked to show: it begins 0.1 s after its nominal start, which counts here, and
takes 0.5 s to rise. Speed is in CPU seconds.

    python benchmarks/timeline.py --detector-model yunet_n_640_640.onnx
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import cv2
import torch

from ifdd.analysis.agreement.segments import Stretch, score_segments, score_time
from ifdd.faces.detection import FaceDetector, HaarDetector, YuNetDetector
from ifdd.faces.tracking import SearchSchedule, Track, Tracker
from ifdd.inference import Boxes, Recognizer, WindowOptions
from ifdd.model import DEMONSTRATION, find_checkpoint
from ifdd.synth.config import PRESETS
from ifdd.synth.videos.crowd import CrowdConfig, CrowdFrame, render_crowd
from ifdd.synth.videos.story import StoryConfig
from ifdd.video.encode import write_video
from ifdd.video.frames import iter_frames
from ifdd.video.shots import ShotBoundaryDetector

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.scoring import Box, score_identities

EVERY = {"yunet": (1, 2, 5, None), "haar": (1, None)}
"""Frames from one search to the next; None: by time, which is every third here."""
HIDDEN = 0.5
"""Share of a face from which it need not be found."""
OVERLAPS = (0.1, 0.25, 0.5)


class Crowd(NamedTuple):
    """A video on disk and its ground truth."""

    path: Path
    boxes: list[dict[int, Box]]
    hidden: list[dict[int, Box]]
    cuts: list[int]
    stretches: list[Stretch]
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=DEMONSTRATION, help="a model of the seven basic emotions")
    parser.add_argument("--detector-model", type=Path, help="YuNet's .onnx file; without it, only Haar is measured")
    parser.add_argument("--videos", type=int, default=3, help="videos of each kind, each with 18 s and nine people")
    parser.add_argument("--out", type=Path, default=Path("results/timeline.json"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    detectors: list[FaceDetector] = [HaarDetector()]
    if options.detector_model is not None:
        detectors.insert(0, YuNetDetector(options.detector_model))
    person = StoryConfig(seconds=3.0, width=320, height=360)
    report: dict[str, Any] = {
        "machine": {"processor": platform.machine(), "python": platform.python_version()},
        "videos": {"count": options.videos, "preset": "standard", "seeds": "1000 + number"},
        "people": {},
        "tracking": [],
        "timeline": [],
    }
    for kind in ("standing", "walking"):
        config = CrowdConfig(person=person, walking=kind == "walking")
        report["videos"][kind] = asdict(config)
        with tempfile.TemporaryDirectory() as folder:
            crowds = [write_crowd(Path(folder), number, config) for number in range(options.videos)]
            report["people"][kind] = sum(len({s.person for s in crowd.stretches}) for crowd in crowds)
            for detector in detectors:
                for every in EVERY[detector.name]:
                    report["tracking"].append({"crowd": kind, **follow_all(crowds, detector, every)})
            for flip in (False, True):
                row = read_all(crowds, find_checkpoint(options.checkpoint), detectors[0], flip)
                report["timeline"].append({"crowd": kind, **row})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report["timeline"], indent=1))


def write_crowd(folder: Path, number: int, config: CrowdConfig) -> Crowd:
    """Draw and encode one video."""
    frames: list[CrowdFrame] = list(render_crowd(PRESETS["standard"], 1000 + number, config))
    path = folder / f"crowd{number}.mp4"
    write_video(path, (frame.image for frame in frames), config.person.fps)
    step = 1 / config.person.fps
    stretches: list[Stretch] = []
    boxes: list[dict[int, Box]] = []
    hidden: list[dict[int, Box]] = []
    for frame in frames:
        seen = [truth for truth in frame.people if truth.occlusion <= HIDDEN]
        boxes.append({truth.person: truth.box for truth in seen})
        hidden.append({truth.person: truth.box for truth in frame.people if truth.occlusion > HIDDEN})
        stretches += [Stretch(truth.person, frame.seconds, frame.seconds + step, truth.label) for truth in seen]
    cuts = [index for index, frame in enumerate(frames) if frame.cut]
    return Crowd(path, boxes, hidden, cuts, join(stretches), frames[-1].seconds + step)


def join(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Join consecutive stretches of the same person and label, across gaps in which the face was hidden."""
    joined: list[Stretch] = []
    for stretch in sorted(stretches):
        last = joined[-1] if joined else None
        if last is not None and (last.person, last.label) == (stretch.person, stretch.label):
            joined[-1] = last._replace(end_seconds=stretch.end_seconds)
        else:
            joined.append(stretch)
    return joined


def follow_all(crowds: Sequence[Crowd], detector: FaceDetector, every: int | None) -> dict[str, Any]:
    """Track the faces in all videos; scores are means over videos, counts are sums."""
    results, cuts_found, false_cuts, cuts, tracks, taken = [], 0, 0, 0, 0, 0.0
    for crowd in crowds:
        started = time.process_time()
        found, seen_cuts, length = follow(crowd.path, detector, every)
        taken += time.process_time() - started
        results.append(score_identities(crowd.boxes, found, hidden=crowd.hidden))
        cuts += len(crowd.cuts)
        cuts_found += len(set(crowd.cuts) & set(seen_cuts))
        false_cuts += len(set(seen_cuts) - set(crowd.cuts))
        tracks += length
    return {
        "detector": detector.name,
        "detect_every": every,
        "idf1": round(mean(result.idf1 for result in results), 4),
        "lowest_idf1": round(min(result.idf1 for result in results), 4),
        "precision": round(mean(result.precision for result in results), 4),
        "recall": round(mean(result.recall for result in results), 4),
        "switches": sum(result.switches for result in results),
        "tracks": tracks,
        "cuts": cuts,
        "cuts_found": cuts_found,
        "false_cuts": false_cuts,
        "times_real_time": round(sum(crowd.seconds for crowd in crowds) / taken, 2),
    }


def follow(path: Path, detector: FaceDetector, every: int | None) -> tuple[list[dict[int, Box]], list[int], int]:
    """Return the boxes of every frame by track, the shot boundaries, and the number of tracks of one video."""
    tracker, shots, schedule = Tracker(), ShotBoundaryDetector(), SearchSchedule(every)
    tracks: list[Track] = []
    boundaries: list[int] = []
    count, seconds, step = 0, 0.0, 0.0
    for frame in iter_frames(path):
        step, seconds, count = frame.seconds - seconds, frame.seconds, count + 1
        boundary = shots.is_boundary(frame.image, frame.seconds)
        boundaries += [frame.index] if boundary else []
        boxes = detector.detect(frame.image) if schedule.is_due(seconds, boundary) else None
        tracks += tracker.update(frame.index, seconds, boxes, boundary, frame.image).ended
    tracks += tracker.finish(seconds + step)
    return boxes_of(count, [(track.id, Boxes.of(track.points)) for track in tracks]), boundaries, len(tracks)


def boxes_of(count: int, tracks: Sequence[tuple[int, Boxes]]) -> list[dict[int, Box]]:
    """Return each frame's boxes by id, including predicted ones."""
    frames: list[dict[int, Box]] = [{} for _ in range(count)]
    for number, boxes in tracks:
        for frame, (left, top, right, bottom) in zip(boxes.frames.tolist(), boxes.xyxy.tolist(), strict=True):
            frames[frame][number] = (left, top, right - left, bottom - top)
    return frames


def read_all(crowds: Sequence[Crowd], checkpoint: Path, detector: FaceDetector, flip: bool) -> dict[str, Any]:
    """Read the timelines of all videos; scores are means over videos, onset errors are pooled."""
    recognizer = Recognizer.from_checkpoint(checkpoint, detector, windows=WindowOptions(flip=flip))
    scores: dict[float, list[float]] = {overlap: [] for overlap in OVERLAPS}
    onsets: list[float] = []
    right: list[float] = []
    taken = 0.0
    for crowd in crowds:
        started = time.process_time()
        recognition = recognizer.recognize(crowd.path)
        taken += time.process_time() - started
        tracks = [(track.id, track.boxes) for track in recognition.tracks]
        found_boxes = boxes_of(len(crowd.boxes), tracks)
        pairs = score_identities(crowd.boxes, found_boxes, hidden=crowd.hidden).pairs
        found = [
            # a track that stands for nobody keeps an id that nobody has
            Stretch(pairs.get(part.track, -part.track), part.start_seconds, part.end_seconds, part.label)
            for part in recognition.segments
        ]
        for overlap in OVERLAPS:
            scores[overlap].append(score_segments(crowd.stretches, found, overlap).f1)
        onsets += score_segments(crowd.stretches, found, 0.25).onset_errors
        right.append(score_time(crowd.stretches, found))
    return {
        "detector": detector.name,
        "checkpoint": {
            key: getattr(recognizer.model_info, key)
            for key in ("name", "frames", "size", "clip_seconds", "checkpoint_sha256")
        },
        "stride_seconds": recognizer.windows.stride(recognizer.reader.clip_seconds),
        "flip": flip,
        "segment_f1": {str(overlap): round(mean(values), 4) for overlap, values in scores.items()},
        "right_time": round(mean(right), 4),
        "onsets": len(onsets),
        "median_onset_error_ms": round(1000 * median(map(abs, onsets))) if onsets else None,
        "median_onset_shift_ms": round(1000 * median(onsets)) if onsets else None,
        "times_real_time": round(sum(crowd.seconds for crowd in crowds) / taken, 2),
    }


if __name__ == "__main__":
    main()
