"""Throughput of many videos against the number of workers: processes of this machine, and workers on Ray.

The same videos (one of SynthDFER's, copied) are recognised by each pool in turn; Ray runs on this machine, as one
cluster. A worker reserves one core. Until every worker has finished its first video, it starts and loads the model:
that is timed apart. The speed is that of the videos after it. Each call adds a round to the report, which has the
medians: on a machine that others use, a single round says little. Rounds of other code, weights or settings are
replaced.

    python -m benchmarks.cluster
"""

import argparse
import json
import logging
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.source import code_sha256
from ifdd.clusters import Cluster, import_ray
from ifdd.evaluation.protocol import commit
from ifdd.faces.detection import choose_detector
from ifdd.faces.tracking import TrackingOptions
from ifdd.files import file_sha256
from ifdd.inference import WindowOptions
from ifdd.inference.batch.crew import Crew
from ifdd.inference.batch.jobs import Job
from ifdd.inference.batch.worker import Settings
from ifdd.model import find_checkpoint
from ifdd.model.inspection.measuring import device_name
from ifdd.processes import available_cores
from ifdd.synth import PRESETS
from ifdd.synth.videos.story import StoryConfig, write_story
from ifdd.video.sources import SourceOptions

POOLS = {"local": Cluster(), "ray": Cluster("ray", cores=1)}
"""Name -> where the videos are read."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=6, help="videos of each measurement")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a video")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers")
    parser.add_argument("--checkpoint", default="ifdd_tiny_synth")
    parser.add_argument("--keep", type=Path, help="folder for the videos; they are taken from there if they are there")
    parser.add_argument("--detector-model", type=Path, help="YuNet's .onnx file")
    parser.add_argument("--out", type=Path, default=Path("results/cluster.json"))
    options = parser.parse_args()
    if min(options.workers) < 1:
        parser.error("--workers takes numbers from 1")
    if options.videos <= max(options.workers):
        parser.error(f"--videos {options.videos} leaves none after the first of each worker; give more than workers")
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        jobs = write_videos(options.keep or Path(folder), options.videos, options.seconds)
        measured = []
        with local_ray(max(options.workers)):
            for workers in options.workers:
                for pool in POOLS:
                    settings = settings_for(options, Path(folder) / f"{pool}-{workers}")
                    found = measure(pool, workers, settings, jobs, options.seconds)
                    measured.append({"pool": pool, "workers": workers, **found})
                    print(measured[-1], flush=True)
        check_same([Path(folder) / f"{each['pool']}-{each['workers']}" for each in measured])
    about = describe(options)
    rounds = [*earlier_rounds(options.out, about), measured]
    report = {
        **about,
        "commit": commit(),
        "medians": medians(rounds),
        "ray_to_local": ratios(rounds),
        "rounds": rounds,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def describe(options: argparse.Namespace) -> dict[str, Any]:
    """Return what rounds must have in common for their medians to mean anything."""
    detector = choose_detector(options.detector_model, print).model
    return {
        "machine": {"processor": device_name("cpu"), "cores": available_cores(), "python": platform.python_version()},
        "ray": version("ray"),
        "checkpoint": options.checkpoint,
        "detector": "yunet" if detector else "haar",
        "sha256": {
            "code": code_sha256(),
            "checkpoint": file_sha256(find_checkpoint(options.checkpoint)),
            "detector": file_sha256(detector) if detector else None,
        },
        "videos": {"count": options.videos, "seconds": options.seconds},
        "workers": options.workers,
    }


def earlier_rounds(path: Path, about: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the rounds of a report of the same measurement; another report is replaced."""
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    same = all(earlier.get(name) == value for name, value in about.items())
    return list(earlier["rounds"]) if same else []


def medians(rounds: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the medians over the rounds of what was measured for each pool and number of workers."""
    return [
        {
            name: value if name in ("pool", "workers") else median(each[name] for each in same)
            for name, value in same[0].items()
        }
        for same in zip(*rounds, strict=True)
    ]


def ratios(rounds: list[list[dict[str, Any]]]) -> dict[str, float]:
    """Return number of workers -> median over the rounds of Ray's speed relative to that of the local pool."""
    speeds = [{(each["pool"], each["workers"]): each["x_real_time"] for each in measured} for measured in rounds]
    numbers = sorted({workers for _, workers in speeds[0]})
    return {str(n): round(median(each["ray", n] / each["local", n] for each in speeds), 2) for n in numbers}


def write_videos(folder: Path, count: int, seconds: float) -> list[Job]:
    """Write one video several times."""
    story = folder / f"{seconds:g}_seconds.mp4"
    if not story.exists():
        write_story(folder, ["happy", "angry"], PRESETS["wild"], 0, StoryConfig(seconds=seconds / 2))
        (folder / "story.mp4").rename(story)
    jobs = [Job(str(folder / f"{number}.mp4"), str(number)) for number in range(count)]
    for job in jobs:
        shutil.copyfile(story, job.video)
    return jobs


def settings_for(options: argparse.Namespace, out: Path) -> Settings:
    parts = WindowOptions(), TrackingOptions(), SourceOptions()
    detector = choose_detector(options.detector_model, print)
    return Settings(Path(options.checkpoint), detector, "cpu", *parts, out, ("json",), True)


@contextmanager
def local_ray(cores: int) -> Iterator[None]:
    """Run a cluster on this machine."""
    ray = import_ray()
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (by default, all other processes go first)
    ray.init(address="local", num_cpus=cores, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


def measure(pool: str, workers: int, settings: Settings, jobs: list[Job], seconds: float) -> dict[str, Any]:
    """Return the time until every worker has finished a video, and the speed from then on."""
    start, ends = time.perf_counter(), []
    for outcome in Crew(workers, POOLS[pool], "cpu").outcomes(settings, jobs, print):
        if outcome.error or outcome.fatal:
            raise SystemExit(outcome.error or outcome.fatal)
        ends.append(time.perf_counter() - start)
    rest, taken = len(jobs) - workers, ends[-1] - ends[workers - 1]
    return {
        "start_seconds": round(ends[workers - 1], 1),
        "wall_seconds": round(ends[-1], 1),
        "x_real_time": round(rest * seconds / taken, 2),
    }


def check_same(folders: list[Path]) -> None:
    """Compare the results of all pools byte for byte.

    Raises:
        SystemExit: they differ.
    """
    contents = [[path.read_bytes() for path in sorted(folder.rglob("*.json"))] for folder in folders]
    if any(each != contents[0] for each in contents):
        raise SystemExit("the pools gave different results")


if __name__ == "__main__":
    main()
