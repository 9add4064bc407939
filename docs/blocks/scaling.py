"""What trainings survive, and how many videos a cluster reads: results/kills.json, cluster.json, video.json."""

from docs.blocks.markdown import ROOT, Makers, result, table
from ifdd.clusters import CORES_PER_WORKER
from ifdd.inference.recognize import PART_MINUTES

RESULT = ROOT / "results" / "kills.json"
NOT_MEASURED = "*Nothing is measured yet: run benchmarks/kills.py.*"

WAYS = {
    "kill": "kill -9 at random moments",
    "terminate": "SIGTERM at random moments",
    "worker": "kill -9 of a process that loads clips",
    "disk": "a disk that is full at a random size of the files",
    "damage": "kill -9, then a changed byte in `resume.ckpt`",
}
"""Kinds of the result -> words of the page."""


def kills() -> str:
    """List in which ways trainings were ended, how often, and how many runs differed afterwards."""
    if not RESULT.exists():
        return NOT_MEASURED
    found = result("kills")["kinds"]
    rows = [
        (words, str(found[kind]["ended"]), str(found[kind]["runs"]), str(len(found[kind]["different"])))
        for kind, words in WAYS.items()
        if kind in found
    ]
    return table(("ended by", "times", "trainings", "files that differed"), rows)


def cluster_speeds() -> str:
    """Compare the pool of one machine and Ray by the number of workers."""
    found = result("cluster")
    speeds = {(run["pool"], run["workers"]): run for run in found["medians"]}
    rows = [
        (
            workers,
            f"{speeds['local', workers]['x_real_time']:.2f} x real time",
            f"{speeds['ray', workers]['x_real_time']:.2f} x real time",
            f"{ratio:.2f}",
            f"{speeds['local', workers]['start_seconds']:.0f} s, {speeds['ray', workers]['start_seconds']:.0f} s",
        )
        for workers, ratio in ((int(name), ratio) for name, ratio in found["ray_to_local"].items())
    ]
    videos = found["videos"]
    about = (
        f"{videos['count']} videos of {videos['seconds']:g} s, {found['checkpoint']}, {found['detector']}, "
        f"Ray {found['ray']}; medians of {len(found['rounds'])} rounds."
    )
    return table(("workers", "local pool", "Ray", "Ray / local", "start: local, Ray"), rows) + f"\n\n{about}"


def cluster_cost() -> str:
    """Work out what 1,000 hours of video take on 100 machines."""
    video, ratios = result("video"), result("cluster")["ray_to_local"]
    cores, ratio = video["machine"]["cores"], min(1.0, *ratios.values())
    speed = video["whole"]["x_real_time"] * ratio
    gigabytes = 1000 * video["video"]["megabytes"] / video["video"]["minutes"] * 60 / 1000
    machine_hours = 1000 / speed
    alone = f"{video['whole']['x_real_time']} x real time"
    rows = [
        (f"a machine of {cores} cores, an hour of video ([measured](recognition-accuracy.md#speed-and-memory))", alone),
        ("the same with Ray (least ratio above, at most 1)", f"{speed:.2f} x real time"),
        ("1,000 hours", f"{machine_hours:.0f} machine hours, {machine_hours * cores:.0f} core hours"),
        ("on 100 machines", f"{machine_hours / 100:.1f} hours, and the start"),
        ("read from storage", f"{gigabytes:,.0f} GB, {gigabytes * 8 / (machine_hours * 36):.2f} Gbit/s on average"),
        ("price at 0.05 US dollars per core hour (assumed)", f"{machine_hours * cores * 0.05:.0f} US dollars"),
    ]
    return table(("", ""), rows)


def parts() -> str:
    """Compare videos in parts with one pass."""
    if not (ROOT / "results" / "parts.json").exists():
        return "*Nothing is measured yet: run `python -m benchmarks.parts`.*"
    found = result("parts")
    rows = [
        (
            each["name"],
            " and ".join(map(str, sorted(set(each["people"])))),
            str(each["people_with_equal_boxes"]),
            str(each["people_with_equal_windows"]),
            f"{100 * each['same_expression']:.1f} %",
        )
        for each in found["videos"]
    ]
    head = ("video", "people", "with equal boxes", "with equal windows", "same expression, share of the time")
    about = f"Real films, repeated until the video lasts {found['seconds']:g} s; parts of {found['part_seconds']:g} s."
    return table(head, rows) + f"\n\n{about}"


def part_minutes() -> str:
    """Return the length of parts on a cluster."""
    return f"{PART_MINUTES:g}"


def cluster_cores() -> str:
    """Return the cores of a worker on a cluster."""
    return str(CORES_PER_WORKER)


BLOCKS: Makers = {"kills": kills, "cluster speeds": cluster_speeds, "cluster cost": cluster_cost, "parts": parts}
FIGURES: Makers = {"cluster cores": cluster_cores, "part minutes": part_minutes}
