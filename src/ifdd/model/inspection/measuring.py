"""Latency and memory of a model's forward, measured."""

import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Timer

from ifdd.errors import InputError
from ifdd.model.ifdd import IFDD

MATMUL_SIZE = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Kind of device -> rows and columns of the float32 matrices whose product measures the machine's speed."""

OUT_OF_MEMORY = ("allocate memory", "out of memory")
"""Parts of the messages of a CPU and of a Mac's GPU."""

WAIT = {"mps": "; torch.mps.synchronize()"}
"""Kind of device -> what a timed statement needs to wait for it; torch's timer waits for CUDA on its own."""


class Cost(NamedTuple):
    """The measured cost of a forward of one batch in inference mode."""

    batch_size: int
    latency: float
    """Median, in seconds."""
    latency_iqr: float
    """Interquartile range, in seconds."""
    runs: int
    """Number of timed runs, or of blocks of runs if one run is too short to time."""
    weights: int
    """Parameters and buffers, in bytes."""
    clips: int
    """The batch, in bytes."""
    activations: int
    """Peak memory of the forward besides weights and clips, in bytes."""
    matmul: float
    """Floating-point operations per second of a large float32 matrix product, measured before and after the model."""


def measure_cost(model: IFDD, batch_size: int, device: str, seconds: float) -> Cost:
    """Measure the latency and memory of a forward in inference mode, after one warm-up.

    Args:
        model: moved to ``device``.
        batch_size: clips per batch; their values are random in [0, 1].
        device: "cpu", "cuda", "cuda:1" or "mps".
        seconds: shortest time for which to repeat the forward; the matrix product takes up to one second more.

    Raises:
        InputError: the batch does not fit in memory.
    """
    config = model.config
    kind = torch.device(device).type
    with _memory_limit(batch_size, device), _current(device), torch.inference_mode():
        model = model.to(device).eval()
        clips = torch.rand(batch_size, 3, config.frames, config.size, config.size, device=device)
        model(clips)
        matmul_before = _time_matmul(device, min(seconds, 1.0) / 2)
        forward = _time(f"model(clips){WAIT.get(kind, '')}", {"model": model, "clips": clips}, seconds)
        matmul_after = _time_matmul(device, min(seconds, 1.0) / 2)
        weights = sum(value.nbytes for value in (*model.parameters(), *model.buffers()))
        # PyTorch records no peak on mps; there the peak of the same forward on the CPU stands for it
        activations = peak_on_cuda(model, clips) if kind == "cuda" else peak_on_cpu(model.cpu(), clips.cpu())
    return Cost(
        batch_size,
        forward.quantile(0.5).item(),
        (forward.quantile(0.75) - forward.quantile(0.25)).item(),
        len(forward),
        weights,
        clips.nbytes,
        activations,
        2 * MATMUL_SIZE[kind] ** 3 / torch.cat([matmul_before, matmul_after]).quantile(0.5).item(),
    )


def _current(device: str) -> AbstractContextManager[object]:
    """Make a GPU the current one: the timer waits for it, and memory is counted on it."""
    return torch.cuda.device(device) if device.startswith("cuda") else nullcontext()


def _time(statement: str, names: dict[str, Any], seconds: float) -> Tensor:
    """Return the seconds per run of at least 3 blocks of runs, over ``seconds`` in all, longer if they vary."""
    timer = Timer(statement, globals={"torch": torch} | names, num_threads=torch.get_num_threads())
    times = timer.adaptive_autorange(min_run_time=seconds, max_run_time=4 * seconds).times
    while len(times) < 3:
        times += timer.timeit(1).times
    return torch.tensor(times, dtype=torch.float64)


def _time_matmul(device: str, seconds: float) -> Tensor:
    kind = torch.device(device).type
    matrix = torch.rand(MATMUL_SIZE[kind], MATMUL_SIZE[kind], device=device)
    return _time(f"matrix @ matrix{WAIT.get(kind, '')}", {"matrix": matrix}, seconds)


def peak_on_cuda(model: nn.Module, clips: Tensor) -> int:
    """Return the peak number of bytes that a forward allocates."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    model(clips)
    return torch.cuda.max_memory_allocated() - before


def peak_on_cpu(model: Callable[[Tensor], object], clips: Tensor) -> int:
    """Return the peak number of bytes that a forward allocates, from the profiler's record of allocations.

    The process's resident memory would be wrong: it does not grow while the forward reuses freed memory, and includes
    what malloc keeps.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # silence the profiler
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        model(clips)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        record.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    changes = [(event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]"]
    now = peak = 0
    for _, change in sorted(changes, key=lambda each: each[0]):
        now += change
        peak = max(peak, now)
    return peak


@contextmanager
def _memory_limit(batch_size: int, device: str) -> Iterator[None]:
    """Turn an out-of-memory error into an InputError."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in OUT_OF_MEMORY):
            raise
        raise InputError(
            f"a batch of {batch_size} clips does not fit in the memory of {device_name(device)}; "
            "choose a smaller --batch-size"
        ) from error


def device_name(device: str) -> str:
    """Return the model name of the GPU or the processor."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    if device == "mps":
        return f"GPU of {platform.processor() or platform.machine()}"
    processors = Path("/proc/cpuinfo")  # Linux only
    lines = processors.read_text(encoding="utf-8").splitlines() if processors.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
