"""Writing packs, the files that ``reader`` reads: in parallel processes, shard by shard, resuming interrupted runs."""

import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.data.clips import distinct_clips, recipe_hash
from ifdd.data.manifest import Sample
from ifdd.data.packs.reader import FORMAT, PACK_SUFFIX, VERSION, is_pack, pack_hash, shard_name
from ifdd.errors import InputError, check_range
from ifdd.files import PARTIAL, atomic_path, parse_json, write_text
from ifdd.processes import in_processes
from ifdd.video.encode import encode_image
from ifdd.video.fingerprint import source_stamp
from ifdd.video.frames import iter_frames
from ifdd.video.images import decode_image, image_files, read_image_bytes, resize_shorter_side

SHARD_FRAMES = 20_000
"""Frames after which a new zip file is started: about 200 MB of faces, the most that an interruption can cost."""

BATCH_FRAMES = 256
"""Frames that a process encodes in one batch."""

_JPEG_START = b"\xff\xd8\xff"


class _EncodedClip(NamedTuple):
    clip_id: str
    files: list[bytes]
    sha256: str


def write_pack(
    path: Path,
    samples: Sequence[Sample],
    *,
    size: int | None = None,
    quality: int | None = 95,
    workers: int = 1,
    advance: Callable[[int], object] = lambda count: None,
    replacing: Callable[[], object] | None = None,
) -> list[Sample]:
    """Write the frames of samples into a pack; an interrupted run resumes.

    Zip files of an earlier run are kept if their hash matches and the files of their clips have not changed since;
    others are written again.

    Every frame is decoded once, so a finished pack contains no unreadable ones. A JPEG that is small enough is
    stored unchanged, without loss. A clip that several samples share, for instance in several folds, is stored once.

    Args:
        path: the folder to write; its name ends in ``.pack``.
        samples: their ``frames`` must be correct.
        size: larger frames are scaled down to this shorter side in pixels, without cropping; None keeps their size.
            Frames are never enlarged.
        quality: JPEG quality of frames that need encoding, 1 to 100; None: uncompressed frames, about ten times as
            large and several times as fast to read from memory.
        workers: processes that decode and encode.
        advance: called with the number of finished clips, for a progress bar; clips of earlier runs count too.
        replacing: called before a pack of other clips or settings is replaced; None: refuse to replace one.

    Returns:
        The samples with the pack as path.

    Raises:
        InputError: a frame cannot be read; a clip has another number of frames than its sample says; one clip id
            stands for two paths or leads out of the folder; or the folder contains something else or cannot be written.
    """
    path = Path(path)
    _check_settings(path, size, quality, workers)
    clips = _clips_to_pack(samples)
    shards = _divide(clips, SHARD_FRAMES)
    purpose = _purpose(clips, size, quality)
    recipes = [_recipe(shard) for shard in shards]
    done = _finished_shards(path, purpose, recipes, replacing)
    advance(sum(len(shards[number]) for number in done))
    missing = [number for number in range(len(shards)) if number not in done]
    if missing:
        _remove_stale(path, done)
    batches = _divide([sample for number in missing for sample in shards[number]], BATCH_FRAMES)
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
        raise InputError(f"{path} is not a name for a pack; choose one that ends in {PACK_SUFFIX}")
    check_range("size of the pack's frames", size, at_least=1)
    check_range("JPEG quality of the pack", quality, at_least=1, at_most=100)
    check_range("workers", workers, at_least=1)


def _clips_to_pack(samples: Sequence[Sample]) -> list[Sample]:
    """Return one sample of each clip, in order, after checking that it can be packed."""
    clips = distinct_clips(samples)
    for sample in samples:
        first = clips[sample.clip_id]
        if first.frames != sample.frames:
            raise InputError(
                f"clip {sample.clip_id!r} has {first.frames} frames in one sample and {sample.frames} in another; "
                "correct the number of frames"
            )
    for sample in clips.values():
        if is_pack(sample.path):
            raise InputError(f"clip {sample.clip_id!r} is in the pack {sample.path}; pack its source instead")
        if {"", ".", ".."} & set(re.split(r"[/\\]", sample.clip_id)):
            raise InputError(f"clip id {sample.clip_id!r} is not a valid folder name in a zip file; rename the clip")
        if re.search("[\ud800-\udfff]", sample.clip_id):
            raise InputError(f"clip id {sample.clip_id!r} is not UTF-8, which a pack needs; rename the clip")
    if not clips:
        raise InputError("there are no clips to pack; check the manifest")
    return list(clips.values())


def _divide(clips: Sequence[Sample], frames: int) -> list[list[Sample]]:
    """Divide clips into runs of at least ``frames`` frames, apart from the last."""
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
    """Return a hash of what a pack is to contain; a pack with another purpose is only replaced if the caller agrees."""
    places = [[clip.clip_id, str(clip.path.absolute())] for clip in clips]
    return recipe_hash([VERSION, size, quality, places])


def _recipe(shard: Sequence[Sample]) -> str:
    """Return a hash of the state of a shard's clips; the shard is written again when they change."""
    return recipe_hash([[clip.clip_id, clip.frames, source_stamp(clip.path)] for clip in shard])


def _finished_shards(
    path: Path, purpose: str, recipes: Sequence[str], replacing: Callable[[], object] | None
) -> set[int]:
    """Return the intact shards of an earlier run; refuse a folder that contains anything else.

    None of a pack of other clips or settings is intact; it is refused, or ``replacing`` is called.
    """
    files = list(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    foreign = [file for file in files if file.name != "pack.json" and not _is_part(file)]
    if foreign:
        raise InputError(f"{path} contains {foreign[0].name}, which is not part of a pack; choose another name")
    indices = [file for file in files if file.suffix == ".jsonl" and not file.name.startswith(PARTIAL)]
    settings = {int(file.stem): _read_settings(file) for file in indices}
    others = any(
        of_shard.get("purpose", purpose if not of_shard else None) != purpose for of_shard in settings.values()
    )
    if others and replacing is not None:
        replacing()
    elif others:
        raise InputError(
            f"{path} is a complete or partial pack of other clips or settings; remove it or write to another folder"
        )
    return {
        number
        for number, of_shard in settings.items()
        if number < len(recipes)
        and not others
        and of_shard.get("recipe") == recipes[number]
        and of_shard.get("sha256") == _shard_hash(path / shard_name(number))
    }


def _remove_stale(path: Path, done: Collection[int]) -> None:
    """Remove damaged and outdated shards, pack.json first, so that nobody reads the pack meanwhile."""
    for file in (path / "pack.json", *sorted(path.glob("[0-9]*"))):
        if not (file.stem.isdigit() and int(file.stem) in done):
            file.unlink(missing_ok=True)


def _shard_hash(file: Path) -> str:
    """Return the hash of a zip file followed by the clips' lines of its index; empty if there is no zip file."""
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
    return file.name.startswith(PARTIAL) or (file.stem.isdigit() and file.suffix in (".zip", ".jsonl"))


def _read_settings(index: Path) -> dict[str, Any]:
    """Return the first line of an index."""
    with index.open(encoding="utf-8") as file:
        try:
            settings = parse_json(file.readline())
        except ValueError:
            return {}
    return settings if isinstance(settings, dict) else {}


def _write_shard(
    path: Path, number: int, settings: dict[str, str], clips: Iterator[_EncodedClip], advance: Callable[[int], object]
) -> None:
    """Write a zip file, then its index, which marks it as complete."""
    file = path / shard_name(number)
    lines = ""
    with (
        atomic_path(file, private=True) as temporary,
        temporary.open("wb") as stream,
        zipfile.ZipFile(stream, "w") as archive,
    ):
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
    """Write pack.json, which marks the pack as complete."""
    hashes: dict[str, str] = {}
    frames = 0
    for number in range(shards):
        index = (path / shard_name(number)).with_suffix(".jsonl")
        for line in index.read_text(encoding="utf-8").splitlines()[1:]:
            clip = parse_json(line)
            hashes[clip["clip_id"]] = clip["sha256"]
            frames += len(clip["lengths"])
    description = {
        "format": FORMAT,
        "version": VERSION,
        "size": size,
        "quality": quality,
        "clips": len(hashes),
        "frames": frames,
        "sha256": pack_hash(hashes),
        "shards": [
            {"file": shard_name(number), "bytes": (path / shard_name(number)).stat().st_size}
            for number in range(shards)
        ],
    }
    for left in path.glob(f"{PARTIAL}*"):  # from a killed run
        left.unlink()
    write_text(path / "pack.json", json.dumps(description, indent=1) + "\n")


def _encode_batch(clips: Sequence[Sample], *, size: int | None, quality: int | None) -> list[_EncodedClip]:
    encoded = []
    for clip in clips:
        files = list(_encoded_frames(clip, size, quality))
        if len(files) != clip.frames:
            raise InputError(
                f"{clip.path} has {len(files)} frames, but the sample of clip {clip.clip_id!r} says {clip.frames}; "
                "correct the number of frames"
            )
        encoded.append(_EncodedClip(clip.clip_id, files, hashlib.sha256(b"".join(files)).hexdigest()))
    return encoded


def _encoded_frames(clip: Sample, size: int | None, quality: int | None) -> Iterator[bytes]:
    """Yield the frames of one clip as encoded images, each of its own shape, as a ``ClipDataset`` reads them."""
    for source, image in _source_frames(clip.path):
        if size is not None and min(image.shape[:2]) > size:
            yield _encode(resize_shorter_side(image, size), quality)
        elif quality is not None and source.startswith(_JPEG_START):
            yield source
        else:
            yield _encode(image, quality)


def _source_frames(path: Path) -> Iterator[tuple[bytes, UInt8[np.ndarray, "height width 3"]]]:
    """Yield (bytes of the image file or none, image) of each frame of a folder or video."""
    if path.is_dir():
        for file in image_files(path):
            source = read_image_bytes(file)
            yield source, decode_image(source, str(file))
    else:
        for frame in iter_frames(path):
            yield b"", frame.image


def _encode(image: UInt8[np.ndarray, "height width 3"], quality: int | None) -> bytes:
    """Return an RGB image as a JPEG file, or as a PPM file without quality."""
    return encode_image(image, ".ppm") if quality is None else encode_image(image, ".jpg", quality)
