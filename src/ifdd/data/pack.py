"""Packs: the frames of many clips in a few large files, for fast training.

A pack is a folder whose name ends in ``.pack``::

    pack.json      what the pack is; written last: a folder without it is unfinished
    00000.zip      frames as <clip id>/00001.jpg, <clip id>/00002.jpg, ..., stored without compression
    00000.jsonl    where they are in 00000.zip: a line about its making, then one line a clip, in the order of the zip
                   file
    00001.zip ...

``pack.json``: ``{"format": "ifdd pack", "version": 1, "size": pixels or null, "quality": 1 to 100 or null, "clips",
"frames", "sha256", "shards": [{"file": "00000.zip", "bytes"}, ...]}``. The pack's ``sha256`` is that of the lines
``<sha256 of the clip> <clip id>`` of all clips, each ended by a line feed. The first line of an index: ``{"purpose",
"recipe": hashes of the clips wanted and of the state of their files, "sha256": of the zip file and the lines that
follow}``; readers need none of it. A clip's line: ``{"clip_id", "sha256": of
the bytes of its frames one after another, "offsets": of the frames in bytes from the start of the zip file,
"lengths": in bytes}``. Frames are JPEG or, where ``quality`` is null, uncompressed PPM (P6, RGB).

Why this form: any program that opens zip files opens a pack, today and in ten years, and needs nothing of ifdd;
it costs no library. The index is ours because Python needs seconds and half a gigabyte in each process to list a
zip file of a million frames. Frames are read by ``os.pread`` at their offsets: no position is shared, so forked and
spawned processes may read at once. What keeps frames (zip, LMDB, HDF5, Arrow) hardly matters for speed: of the time of
a clip that the operating system holds in memory, decoding JPEG takes four fifths, reading a fiftieth. What
matters is fewer pixels (``size``) and no decoding (``quality`` None). ``benchmarks/loading.py`` measures it.
"""

import hashlib
import json
import os
import re
import weakref
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.files import atomic_path, write_text
from ifdd.processes import in_processes
from ifdd.video.fingerprint import source_stamp
from ifdd.video.frames import decode_image, image_files, iter_frames, read_image_bytes, resize_shorter_side

PACK_SUFFIX = ".pack"
FORMAT, VERSION = "ifdd pack", 1

SHARD_FRAMES = 20_000
"""Frames after which a new zip file is begun: about 200 MB of faces, which an interruption may cost at most."""

BATCH_FRAMES = 256
"""Frames that a process encodes at a time."""

_JPEG_START = b"\xff\xd8\xff"
_PPM_START = b"P6\n"


class _EncodedClip(NamedTuple):
    clip_id: str
    files: list[bytes]
    sha256: str


def is_pack(path: Path) -> bool:
    """Return whether a sample's path is a pack's, by its name."""
    return path.suffix == PACK_SUFFIX


class Pack:
    """A pack opened for reading, by clip.

    May be forked, pickled and used by many processes: each opens the zip files itself, when it needs them.

    Args:
        path: the pack's folder.

    Raises:
        InputError: there is no pack, or it is unfinished, damaged, incomplete or of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.description = _read_description(self.path)
        """The content of ``pack.json``."""
        self.sha256 = str(self.description["sha256"])
        """Hash of the bytes of all frames."""
        self.clip_hashes: dict[str, str] = {}
        """Clip id -> hash of its frames' bytes, in the order of the pack."""
        self._places: dict[str, tuple[int, int, int]] = {}  # clip id -> shard, first and behind the last of its spans
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
        """Return one frame as the image file that the pack holds.

        Raises:
            InputError: the pack has no such clip or frame, or ends too early.
        """
        shard, first, end = self._place(clip_id)
        if not 0 <= index < end - first:
            raise InputError(
                f"{self.path}, clip {clip_id!r}, has {end - first} frames, so there is no frame {index}; "
                "correct the number of frames"
            )
        offset, length = self._spans[first + index].tolist()
        data = os.pread(self._file(shard), length, offset)
        if len(data) != length:
            raise InputError(f"{self.path}, clip {clip_id!r}: {_shard_name(shard)} is truncated; {_ANEW}")
        return data

    def read_frames(
        self, clip_id: str, indices: Sequence[int] | np.ndarray | None = None
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Read all frames of a clip, or chosen ones, in RGB.

        Args:
            clip_id: as in the manifest.
            indices: positions of the wanted frames, from 0, in any order, repeats allowed; all when None.

        Raises:
            InputError: the pack has no such clip or frame, or is damaged.
        """
        wanted = range(self.frames(clip_id)) if indices is None else [int(index) for index in indices]
        name = f"{self.path}, clip {clip_id!r}, frame"
        return np.stack([_decode(self.read_bytes(clip_id, index), f"{name} {index}") for index in wanted])

    def _place(self, clip_id: str) -> tuple[int, int, int]:
        try:
            return self._places[clip_id]
        except KeyError:
            raise InputError(f"{self.path} holds no clip {clip_id!r}; {_ANEW}") from None

    def _file(self, shard: int) -> int:
        if shard not in self._files:
            file = self.path / _shard_name(shard)
            try:
                self._files[shard] = os.open(file, os.O_RDONLY)
            except OSError as error:
                raise InputError(f"cannot read {file}: {error.strerror}; check the file") from error
        return self._files[shard]

    def _index(self) -> Iterator[tuple[int, str, str, list[int]]]:
        """Yield (number of the shard, clip id, hash, offset, length, offset, ... of its frames) of all clips."""
        for number, shard in enumerate(self.description["shards"]):
            file = self.path / shard["file"]
            index = file.with_suffix(".jsonl")
            found = file.stat().st_size if file.exists() else None
            if found != shard["bytes"]:
                raise InputError(f"{file} has {found or 'no'} bytes where there must be {shard['bytes']}; {_ANEW}")
            try:
                for line in index.read_text(encoding="utf-8").splitlines()[1:]:
                    clip = json.loads(line)
                    spans = zip(clip["offsets"], clip["lengths"], strict=True)
                    yield number, clip["clip_id"], clip["sha256"], [value for span in spans for value in span]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InputError(f"{index} is not readable ({error!r}); {_ANEW}") from error


_ANEW = "copy the pack again or make it anew"


def verify_pack(path: Path, advance: Callable[[int], object] = lambda count: None) -> str:
    """Read a whole pack and compare every clip, and the whole, with their hashes.

    Args:
        path: the pack's folder.
        advance: called with the number of clips done, for a progress bar.

    Returns:
        The pack's hash.

    Raises:
        InputError: the pack cannot be opened, or clips are damaged; they are named.
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
        raise InputError(f"{path}: {len(damaged)} of {len(pack.clip_hashes)} clips are damaged: {named}; {_ANEW}")
    if _whole_hash(pack.clip_hashes) != pack.sha256:
        raise InputError(f"{path}: clips or their hashes differ from those in pack.json; {_ANEW}")
    return pack.sha256


def write_pack(
    path: Path,
    samples: Sequence[Sample],
    *,
    size: int | None = None,
    quality: int | None = 95,
    workers: int = 1,
    advance: Callable[[int], object] = lambda count: None,
) -> list[Sample]:
    """Write the frames of samples into a pack; an interrupted writing goes on where it was.

    Zip files of an earlier run are kept if their hash is right and their clips' files have not changed since; others
    are written anew.

    Every frame is decoded once, so a finished pack holds no unreadable ones. A JPEG that is not too large is
    stored byte by byte, so that it loses nothing. A clip that several samples share, in several folds, is stored once.

    Args:
        path: the folder to write; its name ends in ``.pack``.
        samples: their ``frames`` must be right.
        size: pixels of the shorter side that larger frames are shrunk to; None: frames as they are. None are
            enlarged, and nothing is cut off.
        quality: of the JPEG frames that have to be made, 1 to 100; None: uncompressed frames, about ten times as
            large and several times as fast to read from memory.
        workers: processes that decode and encode.
        advance: called with the number of clips done, for a progress bar; those of earlier runs count too.

    Returns:
        The same samples, with the pack as path.

    Raises:
        InputError: a frame cannot be read, a clip has not the frames that its sample says or frames of several
            sizes, one clip id stands for two paths or leads out of a folder; the folder holds something else, or cannot
            be written.
    """
    path = Path(path)
    _check_settings(path, size, quality, workers)
    clips = _distinct_clips(samples)
    shards = _cut(clips, SHARD_FRAMES)
    purpose = _purpose(clips, size, quality)
    recipes = [_recipe(shard) for shard in shards]
    done = _finished_shards(path, purpose, recipes)
    advance(sum(len(shards[number]) for number in done))
    missing = [number for number in range(len(shards)) if number not in done]
    if missing:
        _remove_stale(path, done)
    batches = _cut([sample for number in missing for sample in shards[number]], BATCH_FRAMES)
    encode = partial(_encode_batch, size=size, quality=quality)
    # Closing stops the workers at once when the loop is interrupted.
    with closing(in_processes(encode, batches, workers, ahead=2)) as encoded:
        one_by_one = chain.from_iterable(encoded)
        for number in missing:
            settings = {"purpose": purpose, "recipe": recipes[number]}
            _write_shard(path, number, settings, islice(one_by_one, len(shards[number])), advance)
    _finish(path, len(shards), size, quality)
    return [replace(sample, path=path) for sample in samples]


def _check_settings(path: Path, size: int | None, quality: int | None, workers: int) -> None:
    if not is_pack(path):
        raise InputError(f"{path} must end in {PACK_SUFFIX}, by which packs are known; choose such a name")
    if size is not None and size < 1:
        raise InputError(f"the size of the pack's frames is {size}; it must be at least 1 pixel")
    if quality is not None and not 1 <= quality <= 100:
        raise InputError(f"the JPEG quality is {quality}; it must lie between 1 and 100")
    if workers < 1:
        raise InputError(f"workers is {workers}; it must be at least 1")


def _distinct_clips(samples: Sequence[Sample]) -> list[Sample]:
    """Return one sample of each clip, in order."""
    clips: dict[str, Sample] = {}
    for sample in samples:
        first = clips.setdefault(sample.clip_id, sample)
        if first.path != sample.path or first.frames != sample.frames:
            raise InputError(
                f"clip {sample.clip_id!r} is {first.path} with {first.frames} frames, and also {sample.path} with "
                f"{sample.frames}; give different clips different ids"
            )
        if is_pack(sample.path):
            raise InputError(f"clip {sample.clip_id!r} lies in the pack {sample.path}; pack its source instead")
        if {"", ".", ".."} & set(re.split(r"[/\\]", sample.clip_id)):
            raise InputError(f"clip id {sample.clip_id!r} is no name for a folder within a zip file; rename the clip")
    if not clips:
        raise InputError("there are no clips to pack; check the manifest")
    return list(clips.values())


def _cut(clips: Sequence[Sample], frames: int) -> list[list[Sample]]:
    """Cut clips into runs of at least ``frames`` frames, but for the last."""
    runs: list[list[Sample]] = [[]]
    count = 0
    for clip in clips:
        if count >= frames:
            runs.append([])
            count = 0
        runs[-1].append(clip)
        count += clip.frames
    return runs


def _purpose(clips: Sequence[Sample], size: int | None, quality: int | None) -> str:
    """Return a hash of what a pack is to hold; what has another purpose is never overwritten."""
    places = [[clip.clip_id, str(clip.path.absolute())] for clip in clips]
    return hashlib.sha256(json.dumps([VERSION, size, quality, places]).encode()).hexdigest()


def _recipe(shard: Sequence[Sample]) -> str:
    """Return a hash of the state of the clips that a shard is made of; it is written anew when they change."""
    clips = [[clip.clip_id, clip.frames, source_stamp(clip.path)] for clip in shard]
    return hashlib.sha256(json.dumps(clips).encode()).hexdigest()


def _finished_shards(path: Path, purpose: str, recipes: Sequence[str]) -> set[int]:
    """Return the shards that an earlier run finished, undamaged; refuse a folder that holds anything else."""
    files = list(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    foreign = [file for file in files if file.name != "pack.json" and not _is_part(file)]
    if foreign:
        raise InputError(f"{path} holds {foreign[0].name}, which is no part of a pack; choose another name")
    settings = {int(file.stem): _read_settings(file) for file in files if file.suffix == ".jsonl"}
    if any(of_shard.get("purpose", purpose if not of_shard else None) != purpose for of_shard in settings.values()):
        raise InputError(
            f"{path} is a pack, or a part of one, of other clips or settings; remove it or choose another name"
        )
    return {
        number
        for number, of_shard in settings.items()
        if number < len(recipes)
        and of_shard.get("recipe") == recipes[number]
        and of_shard.get("sha256") == _shard_hash(path / _shard_name(number))
    }


def _remove_stale(path: Path, done: Collection[int]) -> None:
    """Remove what is not done, the mark of completeness first: what is damaged or of clips as they were is not read."""
    for file in (path / "pack.json", *sorted(path.glob("[0-9]*"))):
        if not (file.stem.isdigit() and int(file.stem) in done):
            file.unlink(missing_ok=True)


def _shard_hash(file: Path) -> str:
    """Return the hash of a zip file and, after it, the lines of its clips."""
    if not file.exists():
        return ""
    with file.with_suffix(".jsonl").open("rb") as index:
        index.readline()
        return _hash_with(file, index.read())


def _hash_with(file: Path, lines: bytes) -> str:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256")
    found.update(lines)
    return found.hexdigest()


def _is_part(file: Path) -> bool:
    return file.name.startswith(".partial-") or (file.stem.isdigit() and file.suffix in (".zip", ".jsonl"))


def _read_settings(index: Path) -> dict[str, Any]:
    """Return the first line of an index."""
    with index.open(encoding="utf-8") as file:
        try:
            settings = json.loads(file.readline())
        except ValueError:
            return {}
    return settings if isinstance(settings, dict) else {}


def _write_shard(
    path: Path, number: int, settings: dict[str, str], clips: Iterator[_EncodedClip], advance: Callable[[int], object]
) -> None:
    """Write a zip file and then its index, which makes it count."""
    file = path / _shard_name(number)
    lines = ""
    with atomic_path(file) as temporary, temporary.open("wb") as stream, zipfile.ZipFile(stream, "w") as archive:
        for clip in clips:
            offsets = []
            for index, data in enumerate(clip.files):
                suffix = ".jpg" if data.startswith(_JPEG_START) else ".ppm"
                archive.writestr(zipfile.ZipInfo(f"{clip.clip_id}/{index + 1:05}{suffix}"), data)
                offsets.append(stream.tell() - len(data))
            line = {"clip_id": clip.clip_id, "sha256": clip.sha256, "offsets": offsets}
            lines += json.dumps(line | {"lengths": [len(data) for data in clip.files]}) + "\n"
            advance(1)
    settings = settings | {"sha256": _hash_with(file, lines.encode())}
    write_text(file.with_suffix(".jsonl"), json.dumps(settings) + "\n" + lines)


def _finish(path: Path, shards: int, size: int | None, quality: int | None) -> None:
    """Write pack.json, which makes the pack count."""
    hashes: dict[str, str] = {}
    frames = 0
    for number in range(shards):
        index = (path / _shard_name(number)).with_suffix(".jsonl")
        for line in index.read_text(encoding="utf-8").splitlines()[1:]:
            clip = json.loads(line)
            hashes[clip["clip_id"]] = clip["sha256"]
            frames += len(clip["lengths"])
    description = {
        "format": FORMAT,
        "version": VERSION,
        "size": size,
        "quality": quality,
        "clips": len(hashes),
        "frames": frames,
        "sha256": _whole_hash(hashes),
        "shards": [
            {"file": _shard_name(number), "bytes": (path / _shard_name(number)).stat().st_size}
            for number in range(shards)
        ],
    }
    for left in path.glob(".partial-*"):  # of a run that was killed
        left.unlink()
    write_text(path / "pack.json", json.dumps(description, indent=1) + "\n")


def _encode_batch(clips: Sequence[Sample], *, size: int | None, quality: int | None) -> list[_EncodedClip]:
    encoded = []
    for clip in clips:
        files = list(_encoded_frames(clip, size, quality))
        if len(files) != clip.frames:
            raise InputError(
                f"{clip.path} has {len(files)} frames, but clip {clip.clip_id!r} is said to have {clip.frames}; "
                "correct the number of frames"
            )
        encoded.append(_EncodedClip(clip.clip_id, files, hashlib.sha256(b"".join(files)).hexdigest()))
    return encoded


def _encoded_frames(clip: Sample, size: int | None, quality: int | None) -> Iterator[bytes]:
    """Yield the frames of one clip as image files; all have one size."""
    shape = None
    for name, source, image in _source_frames(clip.path):
        shape = shape or image.shape
        if image.shape != shape:
            raise InputError(
                f"{name} is {image.shape[1]}x{image.shape[0]} pixels, the frames before it are {shape[1]}x{shape[0]}; "
                "make all frames of a clip the same size"
            )
        if size is not None and min(image.shape[:2]) > size:
            yield _encode(resize_shorter_side(image, size), quality)
        elif quality is not None and source.startswith(_JPEG_START):
            yield source
        else:
            yield _encode(image, quality)


def _source_frames(path: Path) -> Iterator[tuple[str, bytes, UInt8[np.ndarray, "height width 3"]]]:
    """Yield (name for errors, bytes of the image file if there is one, image) of each frame of a folder or video."""
    if path.is_dir():
        for file in image_files(path):
            source = read_image_bytes(file)
            yield str(file), source, decode_image(source, str(file))
    else:
        for frame in iter_frames(path):
            yield f"{path}, frame {frame.index},", b"", frame.image


def _encode(image: UInt8[np.ndarray, "height width 3"], quality: int | None) -> bytes:
    """Return an RGB image as a JPEG file, or as a PPM file without quality."""
    if quality is None:
        return _PPM_START + b"%d %d\n255\n" % (image.shape[1], image.shape[0]) + image.tobytes()
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)[1].tobytes()


def _decode(data: bytes, name: str) -> UInt8[np.ndarray, "height width 3"]:
    """Return a frame in RGB; those of packs without compression need no decoder."""
    if not data.startswith(_PPM_START):
        return decode_image(data, name)
    width, height = map(int, data[:32].split(b"\n", 2)[1].split())
    return np.frombuffer(data, np.uint8, offset=len(data) - 3 * width * height).reshape(height, width, 3)


def _read_description(path: Path) -> dict[str, Any]:
    """Return pack.json, if it is a pack's that this version reads."""
    file = path / "pack.json"
    if not file.exists():
        found = (
            "is an unfinished pack: make it again, which goes on where it was" if path.is_dir() else "does not exist"
        )
        raise InputError(f"{path} {found}")
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
        version = description["version"] if description["format"] == FORMAT else None
        names = [shard["file"] for shard in description["shards"]]
        if version == VERSION and names != [_shard_name(number) for number in range(len(names))]:
            raise ValueError(f"shards {names}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is not readable ({error!r}); {_ANEW}") from error
    if version != VERSION:
        raise InputError(f"{path} is no pack of version {VERSION}, which is what this ifdd reads; make it anew")
    return description


def _whole_hash(clip_hashes: dict[str, str]) -> str:
    lines = "".join(f"{value} {clip_id}\n" for clip_id, value in clip_hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def _shard_name(number: int) -> str:
    return f"{number:05}.zip"


def _close(files: dict[int, int]) -> None:
    for file in files.values():
        os.close(file)
