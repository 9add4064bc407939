"""The checksum of a checkpoint, and a header that is the same for the same content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ifdd.errors import InputError

CHECKSUM = "sha256"
"""Key of the checksum in the metadata; files of earlier versions have none."""


def content_sha256(weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return the SHA-256 hash of weights and metadata in hexadecimal digits.

    It covers names, types, shapes and values; not the checksum itself.
    """
    digest = hashlib.sha256(json.dumps({**metadata, CHECKSUM: ""}, sort_keys=True).encode())
    for name, value in sorted(weights.items()):
        digest.update(f"\0{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        digest.update(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def check_content(weights: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path) -> None:
    """Check the checksum of a file, if it has one.

    Raises:
        InputError: it is wrong.
    """
    if CHECKSUM in metadata and content_sha256(weights, metadata) != metadata[CHECKSUM]:
        raise InputError(
            f"{path} is damaged: its checksum is wrong; copy it again, or take another checkpoint of the training"
        )


def sort_header(path: Path) -> None:
    """Sort the metadata in the header of a .safetensors file, which its library writes in random order."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= length:  # it differs in nothing else
            file.seek(8)
            file.write(text.ljust(length))
