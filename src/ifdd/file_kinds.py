"""What a file is, told from its content: for a file of weights that turns out to be something else."""

import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ifdd.files import parse_json
from ifdd.names import listed

HEAD_BYTES = 4096
"""Bytes that tell what a file is."""

AGAIN = "download or copy it again"

SAVE_WEIGHTS = "torch.save(model.state_dict(), path)"
WEIGHTS_ALONE = f"give the weights alone, as {SAVE_WEIGHTS} writes them"

CHECKPOINT_NAMES = ("best.safetensors", "last.safetensors", "model.safetensors", "pytorch_model.bin", "best.pth")
"""Files that a folder given instead of a checkpoint may hold, the likeliest first."""

SIGNATURES = (
    (0, b"\x1f\x8b", "a gzip archive; unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (0, b"Rar!", "a rar archive; unpack it first"),
    (0, b"BZh", "a bzip2 archive; unpack it first"),
    (0, b"\xfd7zXZ", "an xz archive; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "a zstandard archive; unpack it first"),
    (257, b"ustar", "a tar archive; unpack it first"),
    (0, b"\x89HDF", "an HDF5 file, as Keras writes it"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"GGUF", "a GGUF model"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"RIFF", "a video, picture or sound"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (4, b"ftyp", "a video or picture"),
)
"""Place of the first byte, bytes, and what a file with them is."""

TORCH_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
"""What torch.save wrote at the beginning of a pickle before it wrote zip archives."""


class FileKind(NamedTuple):
    """What a file is."""

    name: str
    """"torch", "safetensors" or "onnx" for complete files of these formats; "other" for everything else."""
    text: str
    """In words, with what to do: "it is empty; download or copy it again"."""


def file_kind(path: Path) -> FileKind | None:
    """Return what a file is; None if it cannot be read or is not known.

    Args:
        path: an existing file or folder.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.file_kinds import file_kind
        >>> text = "version https://git-lfs.github.com/spec/v1\\noid sha256:4d7a\\nsize 9600000\\n"
        >>> characters = Path("best.pth").write_text(text)
        >>> file_kind(Path("best.pth")).text
        "it is a Git LFS pointer to a file of 9.6 MB; run 'git lfs pull' in its repository, or download the file itself"
    """
    if path.is_dir():
        inside = next((path / name for name in CHECKPOINT_NAMES if (path / name).is_file()), None)
        return _other(f"a folder; {f'did you mean {inside}?' if inside else 'give a file in it'}")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return None
    if not head:
        return FileKind("other", f"it is empty; {AGAIN}")
    return _text(head) or _zip(path, head) or _safetensors(path, head, size) or _binary(path, head)


def _other(text: str) -> FileKind:
    return FileKind("other", f"it is {text}")


def _text(head: bytes) -> FileKind | None:
    """Return the kind of a file of text."""
    try:
        text = head[: HEAD_BYTES - 4].decode("utf-8-sig") if len(head) == HEAD_BYTES else head.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if any(character < " " and character not in "\t\n\r\f" for character in text):
        return None
    if text.startswith("version https://git-lfs") or text.startswith("version https://hawser"):
        size = re.search(r"^size ([0-9]+)", text, re.MULTILINE)
        of = f" to a file of {int(size[1]) / 1e6:.1f} MB" if size else ""
        return _other(f"a Git LFS pointer{of}; run 'git lfs pull' in its repository, or download the file itself")
    if "/annex/objects/" in text and len(head) < HEAD_BYTES:
        return _other("a git-annex pointer; run 'git annex get' in its repository")
    if re.match(r"\s*<(!doctype html|html|head|body|\?xml|!--)", text, re.IGNORECASE):
        title = re.search(r"<title[^>]*>\s*(.*?)\s*</title>", text, re.IGNORECASE | re.DOTALL)
        called = f" ({' '.join(title[1].split())[:60]!r})" if title else ""
        return _other(
            f"a web page{called}, not the file: the download needs a login or a confirmation; download it in a browser"
        )
    return _other(f"a text file that begins with {' '.join(text.split())[:40]!r}")


def _zip(path: Path, head: bytes) -> FileKind | None:
    """Return the kind of a zip archive, which PyTorch's checkpoints are."""
    if not head.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # a damaged archive raises almost any exception
        return _other(f"cut off: a zip archive, as PyTorch writes it, without its end; {AGAIN}")
    last = {name.rpartition("/")[2] for name in names}
    if "serialized_exported_program.json" in last or "archive_format" in last:
        return _other(f"an exported program of torch.export; {WEIGHTS_ALONE}")
    if {"data.pkl", "constants.pkl"} <= last:
        return _other(f"a TorchScript archive; {WEIGHTS_ALONE}")
    if "data.pkl" in last:
        return FileKind("torch", "it is a PyTorch checkpoint")
    if names and all(name.endswith(".npy") for name in names):
        return _other("a file of NumPy arrays")
    return _other(f"a zip archive of {listed(names, 3) or 'nothing'}; unpack it, and give the checkpoint in it")


def _safetensors(path: Path, head: bytes, size: int) -> FileKind | None:
    """Return the kind of a file that begins with the length of a JSON object."""
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or length > 100_000_000:
        return None
    whole = 8 + length
    if whole <= size:
        with suppress(ValueError, OSError, AttributeError, LookupError, TypeError), path.open("rb") as file:
            header = parse_json(file.read(whole)[8:])
            whole += max(
                (each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"), default=0
            )
    if whole > size:
        return _other(f"cut off: a .safetensors file with {size:,} of its {whole:,} bytes; {AGAIN}")
    return FileKind("safetensors", "it is a .safetensors file; give it that suffix")


def _binary(path: Path, head: bytes) -> FileKind | None:
    for place, signature, text in SIGNATURES:
        if head[place:].startswith(signature):
            return _other(text)
    if head[:1] == b"\x08" and (path.suffix.lower() == ".onnx" or b"onnx" in head or b"pytorch" in head[:64]):
        return FileKind("onnx", "it is an ONNX model, which cannot be trained or converted; give PyTorch's weights")
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        if TORCH_MAGIC in head[:32]:
            return FileKind("torch", "it is a PyTorch checkpoint")
        return _other("a Python pickle that torch.save did not write")
    if not any(head):
        return _other(f"nothing but zeros; {AGAIN}")
    return None
