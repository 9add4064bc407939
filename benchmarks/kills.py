"""Does a training survive anything? It is ended at random moments, resumed, and compared with one that was not.

A tiny run of ``ifdd train`` on the CPU is ended again and again, and resumed with ``--resume``:

    kill        SIGKILL at a random moment, also while a file is written
    terminate   SIGTERM, as a scheduler sends it
    worker      SIGKILL of a process that loads clips; the training goes on
    disk        files may grow to a random size only, as on a full disk
    damage      SIGKILL, and a byte of resume.ckpt is changed afterwards

Only an end that hit something counts: a process that loads clips, a file that exists. When a run has ended, its
weights, metrics and training.json have to be those of the uninterrupted run, byte for byte.

    python benchmarks/kills.py
"""

import argparse
import json
import os
import platform
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml

from ifdd.__main__ import main as ifdd
from ifdd.files import write_text
from ifdd.training.engine.state import PREVIOUS_FILE, RESUME_FILE
from ifdd.training.train import train  # noqa: F401 (loads the engine before processes are forked)

RECIPE: dict[str, dict[str, Any]] = {
    "model": {"preset": "ifdd_tiny", "overrides": {"size": 32}},
    "data": {
        "name": "SynthDFER",
        "synthetic": True,
        "train_sampling": "uniform_segments",
        "class_balance": 0.5,
        "batch_size": 4,
        "workers": 1,
    },
    "optimization": {"epochs": 3, "warmup_epochs": 0.5, "ema_decay": 0.5, "accumulate": 2},
    "run": {"device": "cpu", "checkpoint_every": 0.01},
}

COMPARED = ("best.safetensors", "last.safetensors", "training.json", "csv/version_0/metrics.csv")
KINDS = ("kill", "terminate", "worker", "disk", "damage")
CLIPS = ("--clips", "35", "--size", "40", "--preset", "easy", "--identities", "40", "--workers", "1")
LIMIT_SECONDS = 1800.0
MOST_RUNS = 10
"""Runs for each end asked for, at most: moments that hit nothing do not count."""
LOADER = "pt_data_worker"
"""What torch calls a process that loads clips."""
SMALL_FILE, LARGE_FILE = 1_000_000, 40_000_000


class Event(NamedTuple):
    """How a process of a run ended."""

    run: int
    kind: str
    seconds: float
    """From the start of the process."""
    code: int
    """Exit code; negative if a signal ended it."""
    epochs: int
    """Whole epochs in training.json."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="number of processes that are ended in each way")
    parser.add_argument("--kinds", default=",".join(KINDS), help="ways to end them")
    parser.add_argument("--manifest", type=Path, help="clips to train on; tiny ones are drawn if it is left out")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument(
        "--out", type=Path, default=Path("results/kills.json"), help="result; its other ways to end them are kept"
    )
    options = parser.parse_args()
    for kind in options.kinds.split(","):
        if kind not in KINDS:
            parser.error(f"unknown kind {kind!r}; choose some of {', '.join(KINDS)}")
    if recipe_in(options.out) not in (None, settings_of(options.epochs)):
        parser.error(f"{options.out} holds runs of another recipe; give another --out, or the same --epochs")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        different = measure(Path(folder), options)
    if different:
        sys.exit(1)


def measure(folder: Path, options: argparse.Namespace) -> bool:
    """Measure all ways and write the results; return whether any run was different."""
    settings = settings_of(options.epochs)
    recipe = write_recipe(folder, settings, options.manifest)
    reference = folder / "reference"
    start = time.monotonic()
    if code := wait(begin(recipe, reference)):
        raise SystemExit(f"the uninterrupted run ended with exit code {code}: {tail(reference)}")
    seconds = time.monotonic() - start
    kinds = json.loads(options.out.read_text())["kinds"] if options.out.exists() else {}
    any_different = False
    for kind in options.kinds.split(","):
        kinds[kind] = found = measure_kind(kind, folder, recipe, seconds, options)
        any_different |= bool(found["different"])
        print(f"{kind}: {found['ended']} ends in {found['runs']} runs", file=sys.stderr)
    report = {
        "machine": {"system": platform.platform(), "python": platform.python_version(), "torch": version("torch")},
        "recipe": settings,
        "compared": COMPARED,
        "kinds": kinds,
    }
    # at the end: a tracked file that changes meanwhile would change the commit that the runs record
    write_text(options.out, json.dumps(report, indent=1) + "\n")
    return any_different


def settings_of(epochs: int) -> dict[str, Any]:
    """Return the settings of the recipe without the clips."""
    return RECIPE | {"optimization": RECIPE["optimization"] | {"epochs": epochs}}


def recipe_in(path: Path) -> dict[str, Any] | None:
    """Return the recipe of an earlier result; None without one."""
    found: dict[str, Any] | None = json.loads(path.read_text())["recipe"] if path.exists() else None
    return found


def write_recipe(folder: Path, settings: dict[str, Any], manifest: Path | None) -> Path:
    """Write the recipe and, without a manifest, its clips; return its file."""
    if manifest is None:
        ifdd(["synth", str(folder / "clips"), *CLIPS])
        manifest = folder / "clips" / "manifest.csv"
    recipe = folder / "recipe.yaml"
    data = settings["data"] | {"manifest": str(manifest.absolute())}
    recipe.write_text(yaml.safe_dump(settings | {"data": data}))
    return recipe


def content(path: Path) -> bytes:
    """Return the content of a file; of training.json without the command line, in which --resume makes a difference."""
    if path.name != "training.json":
        return path.read_bytes()
    record = json.loads(path.read_text(encoding="utf-8"))
    record["software"].pop("command", None)
    return json.dumps(record).encode()


def measure_kind(kind: str, folder: Path, recipe: Path, seconds: float, options: argparse.Namespace) -> dict[str, Any]:
    """End processes in one way, and compare their runs with the uninterrupted one."""
    rng = random.Random(f"{options.seed} {kind}")
    events: list[Event] = []
    different: list[str] = []
    runs = 0
    while len(events) < options.kills:
        runs += 1
        if runs > MOST_RUNS * options.kills:
            raise SystemExit(f"{kind}: only {len(events)} ends hit anything in {runs - 1} runs")
        out = folder / f"{kind}_{runs}"
        events += interrupted(recipe, out, runs, kind, seconds, options.kills - len(events), rng)
        reference = folder / "reference"
        different += [name for name in COMPARED if content(out / name) != content(reference / name)]
        if list(out.glob(".partial*")):
            different.append("unfinished files remain")
    codes = Counter(event.code for event in events)
    return {
        "ended": len(events),
        "runs": runs,
        "seconds_uninterrupted": round(seconds, 1),
        "different": different,
        "exit_codes": {str(code): count for code, count in sorted(codes.items())},
        "events": [event._asdict() for event in events],
    }


def interrupted(
    recipe: Path, out: Path, run: int, kind: str, seconds: float, most: int, rng: random.Random
) -> list[Event]:
    """Train a run to its end; end its processes at random moments, at most so many times."""
    events: list[Event] = []
    while True:
        over = len(events) == most
        limit = rng.randrange(SMALL_FILE, LARGE_FILE) if kind == "disk" and not over else None
        begun = time.monotonic()
        pid = begin(recipe, out, limit)
        moment = begun + rng.uniform(0, 0.8 * seconds)
        if over or kind == "disk":
            code, lasted = wait(pid), None if over else time.monotonic() - begun
        else:
            code, hit = end(pid, kind, moment, out)
            lasted = None if hit is None else hit - begun
        if code == 0 and kind != "worker":
            return events
        if code != 0 and (lasted is None or code not in (2, -signal.SIGKILL, 128 + signal.SIGTERM, -signal.SIGTERM)):
            raise SystemExit(f"{kind}: exit code {code}: {tail(out)}")
        if lasted is not None and (kind != "damage" or damage(out / RESUME_FILE, rng)):
            events.append(Event(run, kind, round(lasted, 3), code, epochs_of(out)))
        if code == 0:
            return events


def end(pid: int, kind: str, moment: float, out: Path) -> tuple[int, float | None]:
    """End a process in one way at a moment, or as soon afterwards as there is something to hit; it writes to ``out``.

    Returns:
        Its exit code, and when it was hit; None if it ended before.
    """
    while (code := poll(pid)) is None:
        if time.monotonic() >= moment and strike(pid, kind, out):
            hit = time.monotonic()
            return wait(pid), hit
        time.sleep(0.005)
    return code, None


def strike(pid: int, kind: str, out: Path) -> bool:
    """Send the signal of one way; return whether there was a process to send it to, and a file to damage.

    A state is damaged once there is an earlier one: the only state of a run that has finished an epoch is missed.
    """
    if kind == "damage" and not all((out / name).exists() for name in (RESUME_FILE, PREVIOUS_FILE)):
        return False
    victims = children(pid)[:1] if kind == "worker" else [pid]
    for victim in victims:
        try:
            os.kill(victim, signal.SIGTERM if kind == "terminate" else signal.SIGKILL)
        except ProcessLookupError:
            return False
    return bool(victims)


def begin(recipe: Path, out: Path, limit: int | None = None) -> int:
    """Fork a process that trains; return its number."""
    log = out.with_suffix(".log")
    if pid := os.fork():
        return pid
    code = 70
    try:
        os.setsid()
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        ifdd(["train", str(recipe), "--out", str(out), "--resume"])
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def poll(pid: int) -> int | None:
    """Return the exit code of a process; None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def wait(pid: int) -> int:
    """Wait for a process and those that it started; return its exit code."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (code := poll(pid)) is None:
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            raise SystemExit(f"a training did not end within {LIMIT_SECONDS:.0f} s")
        time.sleep(0.005)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # processes that load clips look for their parent every few seconds only
    return code


def children(pid: int) -> list[int]:
    """Return the processes that load clips for a training; it starts others, such as git for the commit."""
    with suppress(OSError):
        found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in found if Path(f"/proc/{child}/comm").read_text().strip() == LOADER]
    return []


def damage(path: Path, rng: random.Random) -> bool:
    """Change a byte in the middle of a file; return whether the file exists."""
    if not path.exists():
        return False
    with path.open("r+b") as file:
        place = path.stat().st_size // 4 + rng.randrange(path.stat().st_size // 2)
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0xFF]))
    return True


def epochs_of(out: Path) -> int:
    with suppress(OSError):
        return int(json.loads((out / "training.json").read_text())["epoch"])
    return 0


def tail(out: Path) -> str:
    return out.with_suffix(".log").read_text(errors="replace")[-2000:]


if __name__ == "__main__":
    main()
