"""Jobs on a Ray cluster: one that this machine starts once for the whole file, in a process of its own."""

import dataclasses
import json
import logging
import os
import signal
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ifdd.clusters import Cluster, check_shared, import_ray, on_cluster
from ifdd.data.crop import crop_faces
from ifdd.data.manifest import Sample
from ifdd.faces.detection import DetectorChoice
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference import WindowOptions
from ifdd.inference.batch.crew import Crew
from ifdd.inference.batch.cutting import Cutting
from ifdd.inference.batch.jobs import Job
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.batch.worker import Settings, Worker
from ifdd.processes import KILLED, available_cores
from ifdd.video.sources import SourceOptions
from tests.helpers.faces import DiscDetector, disc_frames
from tests.helpers.processes import run
from tests.helpers.videos import write_video

RAY = Cluster("ray", cores=1)
VIDEOS = [f"{name}.mkv" for name in "abcd"]
KILLER, BROKEN, LONG = "killer.mkv", "broken.mkv", "long.mp4"


class DeadlyDetector(DiscDetector):
    """Kills its process at a picture without a dark pixel."""

    def detect(self, image: Any) -> Any:
        if image.min() > 200:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().detect(image)


class DeadlyChoice(DetectorChoice):
    """Builds a DeadlyDetector."""

    def __call__(self) -> DeadlyDetector:
        return DeadlyDetector()


def vanish_once(folder: Path, job: int) -> int:
    """Kill the process at the first attempt at job 2."""
    if job == 2:
        try:
            (folder / "tried").touch(exist_ok=False)
        except FileExistsError:
            return -job
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def fail(job: int) -> int:
    if job == 1:
        raise ValueError("job 1 is wrong")
    return available_cores()


def write_slowly(folder: Path, job: int) -> int:
    """End at once at the first job, never at the others; clean up."""
    if job == 0:
        while not (folder / "started").exists():
            time.sleep(0.02)
        return job
    (folder / "started").touch()
    try:
        while True:
            time.sleep(0.02)
    finally:
        (folder / "cleaned").touch()


def settings_for(checkpoint: Path, out: Path, part_seconds: float | None = None) -> Settings:
    """Return the settings of the workers."""
    options = WindowOptions(), TrackingOptions(), SourceOptions()
    return Settings(checkpoint, DeadlyChoice(), "cpu", *options, out, ("json", "csv"), True, part_seconds)


def recognized_in_parts(crew: Crew, checkpoint: Path, out: Path) -> list[str | None]:
    """Recognise a long video in parts and return its error."""
    settings = settings_for(checkpoint, out, 8.0)
    worker = Worker(settings, settings.build())
    cutting = Cutting(worker, Ledger(out, "settings"))
    pieces = cutting.cut(Job(LONG, "long"))
    assert len(pieces) == 3
    found = crew.outcomes(settings, pieces, print)
    return [outcome.error for piece in found for outcome in cutting.take(piece)]


def recognized(crew: Crew, checkpoint: Path, folder: Path, out: Path) -> dict[str, str | None]:
    """Return name -> error of the videos in a folder; relative paths, as on the command line."""
    settings = settings_for(checkpoint, out)
    jobs = [Job(str(path), path.stem) for path in sorted(folder.glob("*.mkv"))]
    found = list(crew.outcomes(settings, jobs, print))
    assert len(found) == len(jobs)
    return {outcome.job.name: outcome.error for outcome in found}


def use_cluster(checkpoint: Path) -> dict[str, Any]:
    """Do everything that needs a cluster."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    try:
        found: dict[str, Any] = {"errors": recognized(Crew(2, RAY, "cpu"), checkpoint, Path("in"), Path("cluster"))}
        found["parts"] = recognized_in_parts(Crew(2, RAY, "cpu"), checkpoint, Path("cluster-parts"))
        samples = [Sample(name, Path("in") / name, 20, "happy", "train") for name in VIDEOS]
        cropped = crop_faces(samples, Path("crops"), size=32, detector=DiscDetector, workers=2, cluster=RAY)
        found["crops"] = sorted(cropped.records)
        Path("once").mkdir()
        found["once"] = sorted(on_cluster(partial(vanish_once, Path("once")), range(6), 2, RAY))
        try:
            found["failed"] = list(on_cluster(fail, range(4), 1, RAY))
        except ValueError as error:
            found["failed"] = str(error)
        found["cores"] = list(on_cluster(fail, [0], None, Cluster("ray")))
        Path("left").mkdir()
        with closing(on_cluster(partial(write_slowly, Path("left")), range(3), 2, RAY)) as results:
            found["first"] = next(results)
        found["cleaned"] = Path("left/cleaned").exists()
        try:
            list(on_cluster(fail, range(4), None, Cluster("ray", cores=5)))
        except ValueError as error:
            found["cores missing"] = str(error)
        return found
    finally:
        ray.shutdown()


@dataclasses.dataclass(frozen=True)
class Done:
    """What was done on the cluster."""

    folder: Path
    found: dict[str, Any]


@pytest.fixture(scope="module")
def done(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Everything that needs a cluster, done once by one process with one cluster of 2 cores."""
    pytest.importorskip("ray")
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "in").mkdir()
    for number, name in enumerate(VIDEOS):
        write_video(folder / "in" / name, disc_frames(30 + number))
    write_video(folder / "in" / KILLER, disc_frames(4, {}) * 0 + 255)
    write_video(folder / LONG, disc_frames(240, greys=[60] * 240), fps=10)
    (folder / "in" / BROKEN).write_bytes(b"not a video")
    script = f"""
import json, pathlib
from tests.test_clusters import use_cluster
pathlib.Path("found.json").write_text(json.dumps(use_cluster(pathlib.Path({str(checkpoint)!r}))))
"""
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    run([sys.executable, "-c", script], cwd=folder, env={"PYTHONPATH": path})
    return Done(folder, json.loads((folder / "found.json").read_text()))


@pytest.mark.slow
def test_a_cluster_gives_the_results_of_one_machine(
    done: Done, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(done.folder)
    for name in (KILLER, BROKEN):
        Path("in", name).rename(name)
    assert recognized(Crew(2), checkpoint, Path("in"), Path("local")) == dict.fromkeys("abcd")
    for form in ("json", "csv"):
        for name in "abcd":
            assert Path("cluster", f"{name}.{form}").read_bytes() == Path("local", f"{name}.{form}").read_bytes()
    assert json.loads(Path("local/a.json").read_text())["tracks"]


@pytest.mark.slow
def test_parts_on_a_cluster_make_the_same_whole(done: Done, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(done.folder)
    assert done.found["parts"] == [None]
    assert recognized_in_parts(Crew(2), checkpoint, Path("local-parts")) == [None]
    names = sorted(path.name for path in Path("cluster-parts").iterdir())
    assert names == ["long.csv", "long.json"]
    for name in names:
        assert Path("cluster-parts", name).read_bytes() == Path("local-parts", name).read_bytes()
    document = json.loads(Path("local-parts/long.json").read_text())
    assert [(track["id"], track["end_seconds"]) for track in document["tracks"]] == [(1, 24.0)]


@pytest.mark.slow
def test_a_killed_worker_and_a_broken_video_do_not_stop_the_others(done: Done) -> None:
    errors = done.found["errors"]
    assert errors.pop("killer") == f"in/{KILLER}: {KILLED}"
    assert "cannot read the video in/broken.mkv" in errors.pop("broken")
    assert errors == dict.fromkeys("abcd")
    assert len(list((done.folder / "cluster").iterdir())) == 8, "exactly one result for each video, nothing unfinished"


@pytest.mark.slow
def test_a_job_is_tried_again_on_a_new_worker(done: Done) -> None:
    assert done.found["once"] == [-2, 0, 1, 3, 4, 5]


@pytest.mark.slow
def test_errors_of_jobs_and_missing_cores_are_raised(done: Done) -> None:
    assert done.found["failed"] == "job 1 is wrong"
    missing = "--cluster-cores is 5, but no machine of the cluster has more than 2 cores"
    assert done.found["cores missing"] == missing


@pytest.mark.slow
def test_a_worker_uses_the_cores_that_it_reserves(done: Done) -> None:
    assert done.found["cores"] == [2]  # 4 by default, but the machine has 2


@pytest.mark.slow
def test_closing_lets_running_jobs_clean_up(done: Done) -> None:
    assert done.found["first"] == 0
    assert done.found["cleaned"]


@pytest.mark.slow
def test_a_cluster_crops_the_same_faces(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(done.folder)
    samples = [Sample(name, Path("in") / name, 20, "happy", "train") for name in VIDEOS]
    assert done.found["crops"] == VIDEOS
    crop_faces(samples, Path("cropped"), size=32, detector=DiscDetector)
    frames = sorted(path.relative_to("cropped") for path in Path("cropped").rglob("*.jpg"))
    assert len(frames) > 100
    assert all((Path("cropped") / each).read_bytes() == (Path("crops") / each).read_bytes() for each in frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "host:6379"}, "--cluster-address applies to Ray clusters; add --cluster ray"),
        ({"cores": 2}, "--cluster-cores applies to Ray clusters; add --cluster ray"),
        ({"kind": "ray", "cores": 0}, "--cluster-cores is 0; it must be at least 1"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cluster(**options)


def test_a_missing_ray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str, *args: Any, **options: Any) -> Any:
        if name == "ray":
            raise ModuleNotFoundError("No module named 'ray'", name="ray")
        return usual(name, *args, **options)

    usual = __import__
    monkeypatch.setattr("builtins.__import__", absent)
    with pytest.raises(ValueError, match=r"needs ray; install it with: pip install 'ifdd\[ray\]'"):
        import_ray()


def test_results_on_a_disk_that_is_not_shared_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ifdd.clusters.SHARED_SECONDS", 0)
    (tmp_path / "a").touch()
    check_shared([tmp_path / "a"], RAY)
    with pytest.raises(ValueError, match="this machine has no such file; give a folder that all machines"):
        check_shared([tmp_path / "a", tmp_path / "b"], RAY)
