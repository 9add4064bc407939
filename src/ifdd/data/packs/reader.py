"""Packs: the frames of many clips in a few large files, for fast training. ``writer`` writes them.

A pack is a folder whose name ends in ``.pack``::

    pack.json      description of the pack; written last: a folder without it is unfinished
    00000.zip      frames as <clip id>/00001.jpg, <clip id>/00002.jpg, ..., stored without compression
    00000.jsonl    index of 00000.zip: one line about the shard, then one line per clip, in the order of the zip file
    00001.zip ...

``pack.json``: ``{"format": "ifdd pack", "version": 1, "size": pixels or null, "quality": 1 to 100 or null, "clips",
"frames", "sha256", "shards": [{"file": "00000.zip", "bytes"}, ...]}``. The pack's ``sha256`` is that of the lines
``<sha256 of the clip> <clip id>`` of all clips, each terminated by a line feed. The first line of an index:
``{"purpose", "recipe": hashes of the clips requested and of the state of their files, "sha256": of the zip file and the
remaining lines of the index}``; readers ignore it. A clip's line: ``{"clip_id", "sha256": of the concatenated bytes of
its frames, "offsets": of the frames in bytes from the start of the zip file, "lengths": in bytes}``. Frames are JPEG
or, if ``quality`` is null, uncompressed PPM (P6, RGB).

Why this format: every zip program can open a pack, today and in ten years, without ifdd, and it adds no dependency. The
separate index exists because Python needs seconds and half a gigabyte per process to list a zip file of a million
frames. Frames are read by ``os.pread`` at their offsets, without a shared file position, so forked and spawned
processes can read concurrently. The container (zip, LMDB, HDF5, Arrow) hardly affects speed: for a clip in the page
cache, JPEG decoding takes four fifths of the time and reading a fiftieth. What helps is fewer pixels (``size``) and no
decoding (``quality`` None); ``benchmarks/loading.py`` measures both.
"""

import hashlib
import os
import re
import reprlib
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.files import parse_json
from ifdd.video.fitting import letterbox
from ifdd.video.images import decode_image

PACK_SUFFIX = ".pack"
FORMAT, VERSION = "ifdd pack", 1

PPM_START = b"P6\n"
_PPM = re.compile(rb"P6\s([1-9][0-9]{0,5})\s([1-9][0-9]{0,5})\s255\s")

_REMEDY = "copy the pack again, or create it again"


def is_pack(path: Path) -> bool:
    """Return whether a sample's path is that of a pack, judged by its suffix."""
    return path.suffix == PACK_SUFFIX


class Pack:
    """A pack opened for reading.

    It can be forked, pickled and used by many processes: each opens the zip files itself, on first use.

    Args:
        path: the pack's folder.

    Raises:
        InputError: the pack is missing, unfinished, damaged, incomplete or of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.description = _read_description(self.path)
        """The content of ``pack.json``."""
        self.sha256 = str(self.description["sha256"])
        """Hash of the bytes of all frames."""
        self.clip_hashes: dict[str, str] = {}
        """Clip id -> hash of the bytes of its frames, in the order of the pack."""
        self._places: dict[str, tuple[int, int, int]] = {}  # clip id -> shard, range of its spans
        spans: list[int] = []
        for shard, clip_id, sha256, of_clip in self._index():
            first = len(spans) // 2
            spans += of_clip
            self._places[clip_id] = (shard, first, len(spans) // 2)
            self.clip_hashes[clip_id] = sha256
        self._spans = np.array(spans, np.int64).reshape(-1, 2)
        self._files: dict[int, int] = {}
        weakref.finalize(self, _close, self._files)

    def __reduce__(self) -> tuple[type["Pack"], tuple[Path]]:
        return Pack, (self.path,)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._places

    def frames(self, clip_id: str) -> int:
        """Return the number of frames of a clip."""
        _, first, end = self._place(clip_id)
        return end - first

    def read_bytes(self, clip_id: str, index: int) -> bytes:
        """Return one frame as an encoded image, as stored.

        Raises:
            InputError: the pack has no such clip or frame, or is truncated.
        """
        shard, first, end = self._place(clip_id)
        if not 0 <= index < end - first:
            raise InputError(
                f"{self.path}, clip {clip_id!r}, has {end - first} frames; frame {index} does not exist: "
                "correct the number of frames"
            )
        offset, length = self._spans[first + index].tolist()
        data = os.pread(self._file(shard), length, offset)
        if len(data) != length:
            raise InputError(f"{self.path}, clip {clip_id!r}: {shard_name(shard)} is truncated; {_REMEDY}")
        return data

    def read_frames(
        self, clip_id: str, indices: Sequence[int] | np.ndarray | None = None
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Read all or some of a clip's frames, in RGB, in one canvas as ``ifdd.video.read_frames``.

        Args:
            clip_id: as in the manifest.
            indices: positions of the frames, from 0, in any order, with repeats; all when None.

        Raises:
            InputError: the pack has no such clip or frame, or is damaged.
        """
        images = self.read_images(clip_id, range(self.frames(clip_id)) if indices is None else indices)
        canvas = max(image.shape[1] for image in images), max(image.shape[0] for image in images)
        return np.stack([letterbox(image, canvas) for image in images])

    def read_images(self, clip_id: str, indices: Sequence[int] | np.ndarray) -> list[UInt8[np.ndarray, "_ _ 3"]]:
        """Read chosen frames as ``read_frames``, each in its own size."""
        name = f"{self.path}, clip {clip_id!r}, frame"
        return [_decode(self.read_bytes(clip_id, int(index)), f"{name} {index}") for index in indices]

    def _place(self, clip_id: str) -> tuple[int, int, int]:
        try:
            return self._places[clip_id]
        except KeyError:
            raise InputError(f"{self.path} holds no clip {clip_id!r}; {_REMEDY}") from None

    def _file(self, shard: int) -> int:
        if shard not in self._files:
            file = self.path / shard_name(shard)
            try:
                self._files[shard] = os.open(file, os.O_RDONLY)
            except OSError as error:
                raise InputError(f"cannot read {file}: {error.strerror}; check the file") from error
        return self._files[shard]

    def _index(self) -> Iterator[tuple[int, str, str, list[int]]]:
        """Yield (shard number, clip id, hash, [offset, length, offset, ... of its frames]) for every clip."""
        for number, shard in enumerate(self.description["shards"]):
            file = self.path / shard["file"]
            index = file.with_suffix(".jsonl")
            found = file.stat().st_size if file.exists() else None
            if found != shard["bytes"]:
                raise InputError(f"{file} has {found or 'no'} bytes; expected {shard['bytes']}; {_REMEDY}")
            try:
                for line in index.read_text(encoding="utf-8").splitlines()[1:]:
                    yield number, *_indexed_clip(parse_json(line), shard["bytes"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InputError(f"{index} is damaged ({reprlib.repr(error)}); {_REMEDY}") from error


def verify_pack(path: Path, advance: Callable[[int], object] = lambda count: None) -> str:
    """Read a whole pack and check the hash of every clip and of the pack.

    Args:
        path: the pack's folder.
        advance: called with the number of clips checked, for a progress bar.

    Returns:
        The pack's hash.

    Raises:
        InputError: the pack cannot be opened, or clips are damaged; the message names them.
    """
    pack = Pack(path)
    damaged = []
    for clip_id, expected in pack.clip_hashes.items():
        found = hashlib.sha256()
        for index in range(pack.frames(clip_id)):
            found.update(pack.read_bytes(clip_id, index))
        if found.hexdigest() != expected:
            damaged.append(clip_id)
        advance(1)
    if damaged:
        named = ", ".join(damaged[:5]) + (", ..." if len(damaged) > 5 else "")
        raise InputError(f"{path}: {len(damaged)} of {len(pack.clip_hashes)} clips are damaged: {named}; {_REMEDY}")
    if pack_hash(pack.clip_hashes) != pack.sha256:
        raise InputError(f"{path}: the clips or their hashes do not match pack.json; {_REMEDY}")
    return pack.sha256


def _indexed_clip(clip: dict[str, Any], size: int) -> tuple[str, str, list[int]]:
    """Check a line of an index; return clip id, hash, and [offset, length, offset, ...] of the frames.

    Args:
        clip: the line.
        size: bytes of the zip file, in which every frame must lie.

    Raises:
        ValueError: the line is damaged.
        KeyError, TypeError: a field is missing or of another kind.
    """
    values = [value for span in zip(clip["offsets"], clip["lengths"], strict=True) for value in span]
    inside = all(
        type(offset) is int and type(length) is int and 0 <= offset <= offset + length <= size
        for offset, length in zip(values[::2], values[1::2], strict=True)
    )
    if not (inside and values and isinstance(clip["clip_id"], str) and isinstance(clip["sha256"], str)):
        raise ValueError(f"clip {reprlib.repr(clip['clip_id'])}")
    return clip["clip_id"], clip["sha256"], values


def _decode(data: bytes, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Return a frame in RGB; uncompressed frames are viewed, not copied."""
    if not data.startswith(PPM_START):
        return decode_image(data, name)
    header = _PPM.match(data)
    if header is None or len(data) != header.end() + 3 * int(header[1]) * int(header[2]):
        raise InputError(f"{name} is damaged; {_REMEDY}")
    return np.frombuffer(data, np.uint8, offset=header.end()).reshape(int(header[2]), int(header[1]), 3)


def _read_description(path: Path) -> dict[str, Any]:
    """Return the content of pack.json, if this version of ifdd can read the pack."""
    file = path / "pack.json"
    if not file.exists():
        found = (
            "is an unfinished pack; create it again to resume" if path.is_dir() else "does not exist; check the path"
        )
        raise InputError(f"{path} {found}")
    try:
        description = parse_json(file.read_text(encoding="utf-8"))
        version = description["version"] if description["format"] == FORMAT else None
        names = [shard["file"] for shard in description["shards"]]
        if version == VERSION and names != [shard_name(number) for number in range(len(names))]:
            raise ValueError(f"shards {names}")
        if version == VERSION and not all(type(shard["bytes"]) is int for shard in description["shards"]):
            raise ValueError("bytes of a shard")
        if version == VERSION and not isinstance(description["sha256"], str):
            raise ValueError("sha256")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged ({reprlib.repr(error)}); {_REMEDY}") from error
    if version != VERSION:
        raise InputError(f"{path} is not a pack of version {VERSION}, the one that this ifdd reads; create it again")
    return description


def pack_hash(clip_hashes: Mapping[str, str]) -> str:
    """Return the hash of a pack from those of its clips, in their order."""
    lines = "".join(f"{value} {clip_id}\n" for clip_id, value in clip_hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def shard_name(number: int) -> str:
    """Return the file name of a pack's zip file."""
    return f"{number:05}.zip"


def _close(files: Mapping[int, int]) -> None:
    for file in files.values():
        os.close(file)
