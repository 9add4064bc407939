"""Which code a kept result belongs to."""

import hashlib
from pathlib import Path

import ifdd
from ifdd.files import file_sha256


def code_sha256() -> str:
    """Return a hash of the source of ifdd. A commit would not do: the written report makes the checkout dirty."""
    root, digest = Path(ifdd.__file__).parent, hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
