"""The model's speed and memory, next to a plain implementation and to the limit of the machine.

Compared, in one process, in rounds in which each has its turn: the plain implementation of the papers
(``benchmarks/plain.py``), ifdd's, and the limit: only the matrix products that the plain one computes
(``benchmarks/products.py``). Where the processor has instructions for bfloat16, also ifdd's in mixed precision. Ratios
are taken within a round, so that they hold on a busy machine; reported are their median and quartiles. What is short
is repeated within its turn. Memory is the peak of PyTorch's allocator, besides weights and clips.

Parts can be measured one at a time; they are merged into the file of the machine, if it was measured with the same
threads and software.

    python benchmarks/speed.py                                  # everything: results/bench_MACHINE.json
    python benchmarks/speed.py --parts inference --batches 1    # one part
"""

import argparse
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

# as the command ifdd sets it, before torch is imported
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
sys.path.insert(0, str(Path(__file__).parents[1]))
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import one_hot

from benchmarks.operations import profile_operations
from benchmarks.plain import PlainIFDD
from benchmarks.products import gigaflop, only_products, products_of
from ifdd.errors import InputError, check_range
from ifdd.model import IFDD, PRESETS, IFDDConfig, IFDDLoss, TorchEngine, create_model, has_bfloat16, inference_form
from ifdd.model.inspection.measuring import device_name, peak_on_cpu

PARTS = ("inference", "training", "memory", "profile", "presets", "compile")
MODEL = "ifdd_mvit_xs"
TRAINING_BATCH = 1
MEMORY_BATCHES = {"inference": 8, "training": 2}
LEAST_ROUNDS = 3
"""With fewer, median and quartiles mean nothing."""
TURN_SECONDS = 0.2
"""Shortest turn of a subject in a round: a single run of a few milliseconds measures the machine's other work."""
COMPILE_CACHE = "TORCHINDUCTOR_CACHE_DIR"

Subjects = dict[str, Callable[[], object]]
"""What is compared: name -> one run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}, separated by commas")
    parser.add_argument("--batches", default="1,8", help="batch sizes of inference")
    parser.add_argument("--presets", default=",".join(PRESETS), help="presets of the part presets")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each comparison")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="threads of torch")
    parser.add_argument("--out", type=Path, help="file to merge into; results/bench_MACHINE.json if left out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    out = options.out or Path("results") / f"bench_{machine_slug()}.json"
    try:
        parts = chosen("part", options.parts, PARTS)
        chosen("preset", options.presets, PRESETS)
        check_range("--rounds", options.rounds, at_least=LEAST_ROUNDS)
        earlier_report(out, machine(options.threads))
    except InputError as error:
        parser.error(str(error))
    for part in parts:
        for name, measured in measure_part(part, options):
            print(f"{part} {name}: {json.dumps(measured)}", flush=True)
            merge(out, part, name, measured, options.threads)
    print(f"written to {out}")


def chosen(what: str, words: str, known: Collection[str]) -> list[str]:
    """Return the names in a list that is separated by commas.

    Raises:
        InputError: a name is unknown.
    """
    names = words.split(",")
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"unknown {what} {unknown[0]!r}; choose some of {', '.join(known)}")
    return names


def measure_part(part: str, options: argparse.Namespace) -> Any:
    """Yield name and figures of each comparison of a part."""
    if part == "inference":
        for batch in map(int, options.batches.split(",")):
            yield f"batch_{batch}", measure_inference(batch, options.rounds)
    elif part == "training":
        yield f"batch_{TRAINING_BATCH}", measure_training(TRAINING_BATCH, options.rounds)
    elif part == "memory":
        yield from measure_memory()
    elif part == "profile":
        yield "batch_1", measure_profile(options.rounds)
    elif part == "presets":
        for preset in options.presets.split(","):
            yield preset, measure_preset(preset, options.rounds)
    else:
        yield MODEL, measure_compiled(options.rounds)


def clips(config: IFDDConfig, batch: int) -> Tensor:
    """Return random clips of a model's size."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, 3, config.frames, config.size, config.size, generator=generator)


def measure_inference(batch: int, rounds: int) -> dict[str, Any]:
    """Compare forwards in inference mode."""
    model = inference_form(create_model(MODEL).eval())
    plain = PlainIFDD(model).eval()
    given = clips(model.config, batch)
    with torch.no_grad():  # inference mode would hide the products
        one = products_of(lambda: plain(given[:1]))
    with torch.inference_mode():
        limit = only_products(one)
        subjects: Subjects = {
            "plain": lambda: plain(given),
            "ifdd": lambda: model(given),
            **in_bfloat16(model, given),
            "limit": lambda: [limit() for _ in range(batch)],  # clip by clip, as ifdd computes on a CPU
        }
        return compare(subjects, rounds) | {"gigaflop": round(gigaflop(one) * batch, 1)}


def in_bfloat16(model: IFDD, given: Tensor) -> Subjects:
    """Return the model in mixed precision, as ``--precision bf16-mixed`` runs it, where the processor can."""
    if not has_bfloat16():
        return {}
    engine = TorchEngine(model, "bf16-mixed")
    return {"bf16": lambda: engine(given)}


def measure_profile(rounds: int) -> dict[str, Any]:
    """Return the seconds that a forward of one clip spends in each group of operations, plain and in ifdd."""
    model = inference_form(create_model(MODEL).eval())
    plain, given = PlainIFDD(model).eval(), clips(model.config, 1)
    with torch.inference_mode():
        return {
            name: profile_operations(partial(network, given), rounds)
            for name, network in (("plain", plain), ("ifdd", model))
        }


def measure_training(batch: int, rounds: int) -> dict[str, Any]:
    """Compare steps of training: forward, loss, backward, AdamW."""
    model = create_model(MODEL).train()
    plain = PlainIFDD(model).train()
    given, labels = clips(model.config, batch), torch.arange(batch) % model.config.num_classes
    steps = {name: training_step(each, model, given, labels) for name, each in (("plain", plain), ("ifdd", model))}
    products = products_of(steps["plain"])
    with torch.no_grad():
        limit = only_products(products)
    return compare(steps | {"limit": torch.no_grad()(limit)}, rounds) | {"gigaflop": round(gigaflop(products), 1)}


def training_step(network: nn.Module, model: IFDD, given: Tensor, labels: Tensor) -> Callable[..., object]:
    """Return a function that makes one step; it ignores its argument."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
    loss, targets = IFDDLoss(model.config), one_hot(labels, model.config.num_classes).float()

    def step(_: object = None) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(network(given), targets).total.backward()
        optimizer.step()

    return step


def measure_preset(preset: str, rounds: int) -> dict[str, Any]:
    """Compare a preset as it is trained, in its form for inference, and its products, for one clip."""
    model = create_model(preset).eval()
    ready, given = inference_form(model), clips(model.config, 1)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        products = products_of(lambda: model(given))
    with torch.inference_mode():
        subjects: Subjects = {
            "trained": lambda: model(given),
            "ifdd": lambda: ready(given),
            **in_bfloat16(model, given),
            "limit": only_products(products),
        }
        return compare(subjects, rounds, base="trained") | {"gigaflop": round(gigaflop(products), 2)}


def measure_compiled(rounds: int) -> dict[str, Any]:
    """Compare with torch.compile in its default mode."""
    model = inference_form(create_model(MODEL).eval())
    given = clips(model.config, 1)
    compiled = torch.compile(model)
    with empty_compile_cache(), torch.inference_mode():
        start = time.perf_counter()
        compiled(given)
        seconds = time.perf_counter() - start
        subjects: Subjects = {"compiled": lambda: compiled(given), "ifdd": lambda: model(given)}
        return compare(subjects, rounds, base="compiled") | {"compile_seconds": round(seconds, 1)}


@contextmanager
def empty_compile_cache() -> Iterator[None]:
    """Keep from torch.compile what earlier processes compiled and left on the disk."""
    before = os.environ.get(COMPILE_CACHE)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[COMPILE_CACHE] = folder
        try:
            yield
        finally:
            del os.environ[COMPILE_CACHE]
            if before is not None:
                os.environ[COMPILE_CACHE] = before


def compare(subjects: Subjects, rounds: int, base: str = "plain") -> dict[str, Any]:
    """Return the seconds of each subject, and the ratios of base to ifdd and of ifdd to the limit.

    Args:
        subjects: what to compare.
        rounds: number of rounds.
        base: the subject that ifdd is compared with.
    """
    load = os.getloadavg()[0]
    times = take_turns(subjects, rounds, TURN_SECONDS)
    found: dict[str, Any] = {f"{base}_to_ifdd": ratio(times[base], times["ifdd"])}
    if "bf16" in times:
        found["ifdd_to_bf16"] = ratio(times["ifdd"], times["bf16"])
    if "limit" in times:
        found["ifdd_to_limit"] = ratio(times["ifdd"], times["limit"])
        found[f"{base}_to_limit"] = ratio(times[base], times["limit"])
    seconds = {name: round(statistics.median(of_one), 4) for name, of_one in times.items()}
    return found | {"seconds": seconds, "rounds": rounds, "load_before": round(load, 1)}


def take_turns(subjects: Subjects, rounds: int, seconds: float = 0.0) -> dict[str, list[float]]:
    """Return the seconds of each subject in every round, after one round that warms up.

    Args:
        subjects: what runs.
        rounds: number of rounds.
        seconds: shortest turn; a subject that is faster is repeated, and its mean counts.
    """
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(-1, rounds):
        for name, run in subjects.items():
            taken = mean_seconds(run, seconds)
            if number >= 0:
                times[name].append(taken)
    return times


def mean_seconds(run: Callable[[], object], seconds: float) -> float:
    """Run at least once and for at least so long; return the mean time of a run."""
    start, count, taken = time.perf_counter(), 0, 0.0
    while count == 0 or taken < seconds:
        run()
        count += 1
        taken = time.perf_counter() - start
    return taken / count


def ratio(above: list[float], below: list[float]) -> dict[str, float]:
    """Return median and quartiles of the ratios within the rounds."""
    ratios = sorted(a / b for a, b in zip(above, below, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return {"median": round(middle, 2), "low": round(low, 2), "high": round(high, 2)}


def measure_memory() -> Any:
    """Yield the memory of a forward and of a training step, as PyTorch's allocator sees it."""
    model = create_model(MODEL)
    for kind, batch in MEMORY_BATCHES.items():
        networks = {"plain": PlainIFDD(model), "ifdd": model}
        given, found = clips(model.config, batch), {}
        for name, network in networks.items():
            network.train(kind == "training")
            work = training_step(network, model, given, torch.arange(batch)) if kind == "training" else network
            with torch.inference_mode(kind == "inference"):
                found[f"{name}_megabytes"] = round(peak_on_cpu(work, given) / 1e6)
        yield (
            f"{kind}_batch_{batch}",
            {"ifdd_to_plain": round(found["ifdd_megabytes"] / found["plain_megabytes"], 2)} | found,
        )


def merge(out: Path, part: str, name: str, measured: dict[str, Any], threads: int) -> None:
    """Write one comparison into the file, with the machine it was measured on."""
    about = machine(threads)
    report = earlier_report(out, about) | {"machine": about}
    report.setdefault(part, {})[name] = measured
    report = {key: report[key] for key in ("machine", *PARTS) if key in report}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def earlier_report(out: Path, machine: dict[str, Any]) -> dict[str, Any]:
    """Return the report to merge into; an empty one if there is no file.

    Raises:
        InputError: the report is of another machine, other software or another number of threads.
    """
    report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    earlier = report.get("machine", machine)
    others = [name for name in machine | earlier if machine.get(name) != earlier.get(name)]
    if others:
        raise InputError(
            f"{out} was measured with another {', '.join(others)}; give another --out, or delete it and measure all"
        )
    return report


def machine(threads: int) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "processor": device_name("cpu"),
        "cores": os.cpu_count(),
        "threads": threads,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": has_bfloat16(),
        "spin_count": os.environ["GOMP_SPINCOUNT"],
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def machine_slug() -> str:
    """Return a name for the machine's file: processor and cores."""
    name = re.sub(r"\(r\)|\(tm\)|cpu|processor|@.*", " ", device_name("cpu").lower())
    return "_".join([*re.findall(r"[a-z0-9]+", name), f"{os.cpu_count()}cores"])


if __name__ == "__main__":
    main()
