"""Speed, memory and time per stage for a long video.

The video is a drawn crowd: four people next to each other in shots of 15 s with hard cuts; 1280 x 720, 25 frames per
second, H.264. One minute is drawn and encoded; its packets are repeated until the video has the requested length. It is
read as by ``ifdd recognize``, and the JSON is written. Each measurement has its own process.

    python benchmarks/video.py --detector-model yunet_n_640_640.onnx

Shares are those of CPU time when the stages take turns in one thread. Speed and memory are those of the pipeline, in
which they run concurrently.
"""

import argparse
import cProfile
import json
import multiprocessing
import os
import platform
import pstats
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import av
from av.video.stream import VideoStream

from ifdd.data.labels import LABEL_SETS
from ifdd.faces.detection import choose_detector
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference import WindowOptions
from ifdd.inference.batch.worker import Settings, Worker, build_worker
from ifdd.inference.pipeline import Progress
from ifdd.model import DEFAULT, Checkpoint, create_model, load_checkpoint
from ifdd.model.inspection.measuring import device_name
from ifdd.records import CheckpointRecord
from ifdd.synth.config import PRESETS
from ifdd.synth.videos.crowd import CrowdConfig, render_crowd
from ifdd.synth.videos.story import StoryConfig
from ifdd.video.encode import best_encoder
from ifdd.video.sources import SourceOptions, open_video

CROWD = CrowdConfig(shots=4, people=4, emotions=3, person=StoryConfig(seconds=5.0, width=320, height=720, face=0.27))
ENCODING = {"libx264": {"crf": "20", "preset": "veryfast"}, "mpeg4": {"qscale": "3"}}
"""Encoder -> options that give about the bit rate of usual 720p videos."""

STAGES = {
    "decode": ("sources.py", "__iter__"),
    "cuts": ("shots.py", "is_boundary"),
    "detect": ("stream.py", "analyze"),
    "follow": ("tracker.py", "update"),
    "align": ("alignment.py", "update"),
    "crop": ("windows.py", "crop"),
    "quality": ("quality.py", "frame_quality"),
    "model": ("stream.py", "read_windows"),
    "write": ("recognition.py", "write"),
}
"""Stage -> the function that does it. To analyze is to look for cuts and for faces; "align" has crops of its own."""


@dataclass(frozen=True)
class Setup:
    """What reads; handed to each process."""

    checkpoint: str
    detector_model: Path | None
    preset: str | None = None
    """Instead of the checkpoint: an untrained model of this preset, for clips of a second."""

    def build(self, processes: int = 1) -> Worker:
        """Return the worker of this process, one of several as in ``ifdd recognize --workers``."""
        checkpoint = load_checkpoint(self.checkpoint)
        if self.preset is not None:
            checkpoint = Checkpoint(
                create_model(self.preset, num_classes=7), LABEL_SETS["dfew"], 1.0, CheckpointRecord()
            )
        detector, parts = choose_detector(self.detector_model, print), (WindowOptions(), TrackingOptions())
        settings = Settings(
            Path(self.checkpoint), detector, "auto", *parts, SourceOptions(), Path(), formats=("json",), brief=True
        )
        return build_worker(settings, processes, checkpoint)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=DEFAULT, help="the one that 'ifdd recognize' reads with by default")
    parser.add_argument("--small", default="ifdd_tiny_synth", help="a smaller one, whose speed is measured on the part")
    parser.add_argument("--detector-model", type=Path, help="YuNet's .onnx file")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the video")
    parser.add_argument("--part-seconds", type=float, default=60.0, help="of it read for shares and the comparison")
    parser.add_argument("--preset", default="ifdd_mvit_xs", help="another model, whose share is measured on 2 s")
    parser.add_argument("--keep", type=Path, help="folder for the videos, which are taken from there if they are there")
    parser.add_argument("--out", type=Path, default=Path("results/video.json"))
    options = parser.parse_args()
    setup = Setup(options.checkpoint, options.detector_model)
    small = Setup(options.small, options.detector_model)
    other = Setup(options.checkpoint, options.detector_model, options.preset)
    with tempfile.TemporaryDirectory() as folder:
        video = make_video(options.keep or Path(folder), options.minutes)
        parts = {name: in_process(partial(f, setup, video, options.part_seconds)) for name, f in PARTS.items()}
        report: dict[str, Any] = {
            "machine": {
                "processor": device_name("cpu"),
                "cores": len(os.sched_getaffinity(0)),
                "python": platform.python_version(),
            },
            "video": {"minutes": options.minutes, "megabytes": round(video.stat().st_size / 1e6, 1)},
            **parts,
            "pipeline_to_turns": round(parts["side_by_side"]["x_real_time"] / parts["in_turns"]["x_real_time"], 2),
            "small_model": {
                "checkpoint": options.small,
                "side_by_side": in_process(partial(time_pipeline, small, video, options.part_seconds)),
                "two_workers": in_process(partial(time_workers, small, video, options.part_seconds)),
            },
            "other_model": {
                "preset": options.preset,
                **in_process(partial(measure_shares, other, video, min(2.0, options.part_seconds))),
            },
            "whole": in_process(partial(read_whole, setup, video)),
        }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.out}; 'python docs/build.py' fills in docs/recognition-accuracy.md")


def in_process(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a fresh process finds, whose memory nothing else has used."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(work).result()


def measure_shares(setup: Setup, video: Path, seconds: float) -> dict[str, Any]:
    """Read the first part with the stages in turns, profiled by CPU time; return each stage's share."""
    recognizer = setup.build().recognizer
    profile = cProfile.Profile(time.process_time)
    with tempfile.TemporaryDirectory() as folder:
        profile.enable()
        recognition = recognizer.recognize(video, source=SourceOptions(maximum_seconds=seconds), in_turns=True)
        recognition.write(Path(folder) / "a.json")
        profile.disable()
    stats: Any = pstats.Stats(profile)
    total = stats.total_tt
    taken = {stage: cumulative(stats.stats, *function) for stage, function in STAGES.items()}
    taken["detect"] -= taken["cuts"]
    taken["other"] = total - sum(taken.values())
    return {
        "seconds": seconds,
        "shares": {stage: round(part / total, 3) for stage, part in taken.items()},
        "x_real_time_per_cpu_second": round(seconds / total, 2),
    }


def cumulative(stats: dict[tuple[str, int, str], Any], file: str, name: str) -> float:
    """Return the time in all functions of this name in a file and what they call, in seconds.

    What one of them spends in another counts once.
    """
    taken = 0.0
    for (path, _, function), (_, _, _, time_, callers) in stats.items():
        if function == name and Path(path).name == file:
            taken += time_ - sum(
                part[3] for (where, _, caller), part in callers.items() if caller == name and Path(where).name == file
            )
    return taken


def time_turns(setup: Setup, video: Path, seconds: float) -> dict[str, Any]:
    """Return the speed of the first part where the stages take turns."""
    return time_reading(setup.build(), video, seconds, in_turns=True)


def time_pipeline(setup: Setup, video: Path, seconds: float) -> dict[str, Any]:
    """Return the speed of the first part where the stages work side by side."""
    return time_reading(setup.build(), video, seconds, in_turns=False)


def time_reading(worker: Worker, video: Path, seconds: float, in_turns: bool, start: float = 0.0) -> dict[str, Any]:
    options = SourceOptions(start_seconds=start, maximum_seconds=seconds)
    return clocked(seconds, lambda: worker.recognizer.recognize(video, source=options, in_turns=in_turns))


def time_half(setup: Setup, video: Path, seconds: float, start: float) -> dict[str, Any]:
    """Return the speed of one of two workers, with its stages in turns only if cores are few."""
    worker = setup.build(processes=2)
    assert _barrier is not None
    _barrier.wait()  # until the other process has started too
    return time_reading(worker, video, seconds, worker.in_turns, start)


def time_workers(setup: Setup, video: Path, seconds: float) -> dict[str, Any]:
    """Return the speed of two workers, as of ``ifdd recognize --workers 2``; each reads half of the first part."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, _remember, (context.Barrier(2),)) as processes:
        halves = list(processes.map(partial(time_half, setup, video, seconds / 2), (0.0, seconds / 2)))
    wall = max(half["wall_seconds"] for half in halves)
    return {
        "wall_seconds": wall,
        "cpu_seconds": round(sum(half["cpu_seconds"] for half in halves), 1),
        "x_real_time": round(seconds / wall, 2),
    }


_barrier: Barrier | None = None
"""In one of two workers: where they wait for each other."""


def _remember(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


PARTS = {
    "stages": measure_shares,
    "in_turns": time_turns,
    "side_by_side": time_pipeline,
    "two_workers": time_workers,
}
"""What is measured on the first part of the video."""


def clocked(seconds: float, work: Callable[[], object]) -> dict[str, Any]:
    """Return how long it took to read so many seconds of video."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall_seconds": round(wall, 1), "cpu_seconds": round(cpu, 1), "x_real_time": round(seconds / wall, 2)}


def read_whole(setup: Setup, video: Path) -> dict[str, Any]:
    """Read the whole video and write its JSON; watch the memory."""
    recognizer = setup.build().recognizer
    marks = {0.0: memory()}

    def watch(progress: Progress) -> None:
        share = progress.seconds / (progress.expected_seconds or 1)
        if share >= (mark := round(max(marks) + 0.1, 1)):
            marks[mark] = memory()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.json"
        recognition = None

        def work() -> None:
            nonlocal recognition
            recognition = recognizer.recognize(video, watch)
            recognition.write(path)

        taken = clocked(open_video(video).expected_seconds or 0.0, work)
        size = path.stat().st_size
    assert recognition is not None
    marks[1.0] = memory()
    return {
        "frames": recognition.video.frames,
        "tracks": len(recognition.tracks),
        "cuts": len(recognition.shot_boundaries_seconds),
        "windows": len(recognition.timeline),
        **taken,
        "detector": recognizer.detector.name,
        "engine": getattr(recognizer.detector, "engine", "OpenCV"),
        "memory_megabytes": {f"{mark:.0%}": value for mark, value in marks.items()},
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
        "json_megabytes": round(size / 1e6, 1),
    }


def memory() -> int:
    """Return the memory of this process that is in use, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6)


def make_video(folder: Path, minutes: float) -> Path:
    """Return the video of the length asked; draw it if it is not in the folder yet."""
    folder.mkdir(parents=True, exist_ok=True)
    minute, video = folder / "minute.mp4", folder / f"{minutes:g}_minutes.mp4"
    if not minute.exists():
        draw_minute(minute)
    if not video.exists():
        repeat(minute, video, 60 * minutes)
    return video


def draw_minute(path: Path) -> None:
    """Draw and encode the minute that is repeated."""
    encoder, video = best_encoder(), CROWD.person
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=Fraction(video.fps), options=ENCODING[encoder])
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = CROWD.people * video.width, video.height, "yuv420p"
        for frame in render_crowd(PRESETS["standard"], 7, CROWD):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="rgb24")))
        container.mux(stream.encode())


def repeat(source: Path, target: Path, seconds: float) -> None:
    """Copy the packets of a video again and again until it is as long as asked."""
    with av.open(str(source)) as given:
        stream = given.streams.video[0]
        packets = [packet for packet in given.demux(stream) if packet.dts is not None]
        base, rate = stream.time_base, stream.average_rate
        assert base is not None
        assert rate is not None
        step = round(1 / (base * rate))
        with av.open(str(target), "w") as output:
            copy = output.add_stream_from_template(stream)
            for number in range(round(seconds * rate)):
                turn, position = divmod(number, len(packets))
                packet = packets[position]
                shift = turn * len(packets) * step
                again = av.Packet(bytes(packet))
                assert packet.pts is not None
                assert packet.dts is not None
                again.pts, again.dts = packet.pts + shift, packet.dts + shift
                again.time_base, again.is_keyframe, again.stream = base, packet.is_keyframe, copy
                output.mux(again)


if __name__ == "__main__":
    main()
