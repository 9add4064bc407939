"""The device a model runs on."""

import os
import platform
import re

import torch

from ifdd.errors import InputError

DEVICES = "auto, cpu, cuda, cuda:1 (the second GPU) or mps (the GPU of a Mac)"
"""What the option accepts, in words."""

INSTALL = "https://pytorch.org/get-started/locally"

OTHER_WORDS = {"gpu": "cuda", "nvidia": "cuda", "rocm": "cuda", "hip": "cuda", "amd": "cuda", "metal": "mps"}
"""Words that people use -> the device that they mean."""


def choose_device(name: str | torch.device, option: str = "--device") -> str:
    """Return a device of this machine by its name; for "auto", the first CUDA GPU or, without one, the CPU.

    Args:
        name: "auto", "cpu", "cuda", "cuda:N" (the GPU of number N, from 0), "mps", or a device of torch.
        option: name of the option in the message.

    Raises:
        InputError: the machine lacks the device; the message says what torch finds, and what to do.

    Example:
        >>> from ifdd.model import choose_device
        >>> choose_device("cpu")
        'cpu'
        >>> choose_device("gpu")
        Traceback (most recent call last):
        ...
        ifdd.errors.InputError: --device is 'gpu'; use auto, cpu, cuda, cuda:1 (the second GPU) or mps (the GPU of a \
Mac); did you mean cuda?
    """
    given = check_device_name(name, option)
    kind, _, number = given.partition(":")
    if given == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda":
        _check_cuda(given, None if number == "" else int(number), option)
        return kind if number == "" else f"{kind}:{int(number)}"
    if kind == "mps":
        _check_mps(given, option)
    return kind if kind in ("cpu", "mps") else given  # or another device of torch, asked for by its type


def has_bfloat16() -> bool:
    """Return whether the processor has instructions for bfloat16; False if torch, before 2.13, cannot tell."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def check_device_name(name: str | torch.device, option: str = "--device") -> str:
    """Return a device's name in small letters, after checking that there are such devices, here or elsewhere.

    Args:
        name: as for ``choose_device``.
        option: name of the option in the message.

    Raises:
        InputError: there are none; the message has a suggestion.
    """
    given = str(name).strip().lower()
    if isinstance(name, torch.device) or re.fullmatch(r"auto|cuda(:[0-9]{1,4})?|(cpu|mps)(:0)?", given):
        return given
    raise InputError(f"{option} is {str(name)!r}; use {DEVICES}{_meant(given)}")


def _check_cuda(given: str, number: int | None, option: str) -> None:
    if torch.version.cuda is None and torch.version.hip is None:
        raise InputError(
            f"{option} {given}: torch {torch.__version__}, as installed here, is built without CUDA; use {option} cpu, "
            f"or install a build for your GPU ({INSTALL})"
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    limited = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"
    if not count:
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {torch.version.hip}"
        raise InputError(
            f"{option} {given}: PyTorch sees no GPU here{limited}, although torch {torch.__version__} is built for "
            f"{built}; check the driver (nvidia-smi or rocm-smi), or use {option} cpu"
        )
    if number is not None and number >= count:
        found = ", ".join(f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in range(count))
        raise InputError(f"{option} {given}: PyTorch sees only {found}{limited}; use one of these, or {option} cpu")


def _check_mps(given: str, option: str) -> None:
    if torch.backends.mps.is_available():
        return
    system = {"Darwin": "macOS"}.get(platform.system(), platform.system())
    if system != "macOS":
        raise InputError(f"{option} {given} is the GPU of a Mac, and this is {system}; use {option} cuda or cpu")
    needed = "is built without it" if not torch.backends.mps.is_built() else "needs macOS 14 on Apple silicon for it"
    raise InputError(
        f"{option} {given}: torch {torch.__version__}, as installed here, {needed}; install another build ({INSTALL}), "
        f"or use {option} cpu"
    )


def _meant(given: str) -> str:
    """Return what the user may have meant, as a question for the message."""
    kind, _, number = given.partition(":")
    if re.fullmatch(r"[0-9]{1,4}", given):
        return f"; did you mean cuda:{int(given)}?"
    if re.fullmatch(r"(cuda|gpu)[ _-]?[0-9]{1,4}", given):
        return f"; did you mean cuda:{int(re.sub('[^0-9]', '', given))}?"
    if kind in OTHER_WORDS:
        return f"; did you mean {OTHER_WORDS[kind]}{f':{number}' if number.isdecimal() else ''}?"
    if kind == "cuda":
        return "; one model runs on one device, whose number follows the colon"
    return ""
