"""Devices, cores and threads."""

import os
from collections.abc import Iterator

from ifdd.diagnosis.finding import Finding

GROUP = "devices"

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def devices() -> Iterator[Finding]:
    """Name the devices that torch finds, and run a small product on each."""
    import torch

    from ifdd.model import has_bfloat16

    yield Finding(GROUP, "torch", f"{torch.__version__}, built for {_built_for()}")
    names = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    names += ["mps"] if torch.backends.mps.is_available() else []
    for name in names:
        yield _device(name)
    if has_bfloat16():
        yield Finding(GROUP, "bfloat16", "instructions of the processor; --windows.precision bf16-mixed is faster")
    if len(names) == 1 and (torch.version.cuda or torch.version.hip):
        remedy = "check the driver (nvidia-smi or rocm-smi) and CUDA_VISIBLE_DEVICES, if there is a GPU"
        yield Finding(GROUP, "GPU", "none found, although torch is built for it", "note", remedy)


def threads() -> Iterator[Finding]:
    """Compare the threads of the libraries with the cores that this process may use."""
    import cv2
    import torch

    from ifdd.processes import available_cores

    cores = available_cores()
    whole = os.cpu_count() or cores
    yield Finding(GROUP, "cores", f"{cores}" + (f" of {whole}" if whole != cores else ""))
    for name in THREAD_VARIABLES:
        text = os.environ.get(name, "").strip()
        if text and not all(part.isdecimal() and int(part) > 0 for part in text.split(",")):
            yield Finding(GROUP, name, repr(text), "wrong", f"unset {name}, or set it to a number of threads")
    used = torch.get_num_threads()
    many = used > cores
    remedy = f"set OMP_NUM_THREADS={cores}: more threads than cores slow each other down" if many else ""
    yield Finding(GROUP, "threads", f"torch {used}, OpenCV {cv2.getNumThreads()}", "note" if many else "ok", remedy)
    parallel = next((line.strip() for line in torch.__config__.parallel_info().splitlines() if "OpenMP" in line), "")
    yield Finding(GROUP, "OpenMP", parallel or "not used by torch")


def _built_for() -> str:
    import torch

    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    return f"ROCm {torch.version.hip}" if torch.version.hip else "the CPU"


def _device(name: str) -> Finding:
    import torch

    described = "works"
    try:
        if name.startswith("cuda"):
            described = torch.cuda.get_device_name(name)
        ones = torch.ones(64, 64, device=name)
        found = float((ones @ ones).sum())
    except RuntimeError as error:  # also for a driver that is too old: devices are counted without it
        reason = str(error).splitlines()[0]
        return Finding(GROUP, name, f"{described}: {reason}", "wrong", f"use --device cpu, or repair {name}")
    if found != 64.0**3:
        return Finding(GROUP, name, f"{described}: a product of matrices is wrong", "wrong", "use another device")
    return Finding(GROUP, name, described)
