"""ICT-FaceKit light, the published head: downloaded once, checked, converted, and kept in torch's cache.

Source: github.com/ICT-VGL/ICT-FaceKit, MIT licence, USC Institute for Creative Technologies 2020. The 158 OBJ files
(387 MB) become one file of 17 MB, which holds the shapes as differences from the neutral head in 16-bit floats.
"""

import fcntl
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ifdd.console import console, progress_bar
from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.remote.downloads import download
from ifdd.synth.rendered.mesh import HeadModel

COMMIT = "da5f95a607f5e6b37755b38d3385d7f2853732e5"
BASE_URL = f"https://raw.githubusercontent.com/ICT-VGL/ICT-FaceKit/{COMMIT}/FaceXModel/"
"""Folder of the original files at a fixed commit."""

NEUTRAL = "generic_neutral_mesh"
FILE = "ict_facekit_light.npz"
"""Name of the converted file, in torch's cache and in a folder given by the user."""

HASHES: dict[str, str] = json.loads(Path(__file__).with_name("ict_facekit.json").read_text(encoding="utf-8"))
"""Original file without its suffix -> SHA-256 of its converted values: vertices, texture places and faces of the
neutral head; 16-bit differences from it of the others, identities first."""

IDENTITIES = tuple(name for name in HASHES if name.startswith("identity"))
EXPRESSIONS = tuple(name for name in HASHES if name != NEUTRAL and name not in IDENTITIES)


class _Topology(NamedTuple):
    uv: np.ndarray
    faces: np.ndarray
    uv_faces: np.ndarray
    material: np.ndarray
    material_names: tuple[str, ...]


@lru_cache(maxsize=1)
def load_head_model(path: Path | None = None) -> HeadModel:
    """Return the head.

    Args:
        path: the converted file, a folder that holds it, or a folder of the original OBJ files; None takes the file in
            torch's cache, and downloads the originals if it is not there.

    Raises:
        InputError: there is no such file, it is damaged or of another version, or it cannot be downloaded.
    """
    if path is None:
        cached = _cached()
        if not cached.exists():
            fetch_head_model(cached, BASE_URL)
        return _read(cached, f"delete {cached} to download it again")
    if not path.exists():
        raise InputError(f"{path} does not exist; give {FILE}, or the folder of ICT-FaceKit's OBJ files")
    if _holds_originals(path):
        return convert(lambda name: path / f"{name}.obj")
    return _read(path / FILE if path.is_dir() else path, f"give a {FILE} that ifdd made, or the folder of OBJ files")


def prepare_head_model(path: Path | None) -> Path | None:
    """Check the head, and return the path from which workers load it fast.

    Original files are converted once, and the result is kept in torch's cache.

    Args:
        path: as for ``load_head_model``.

    Raises:
        InputError: as for ``load_head_model``.
    """
    model = load_head_model(path)
    if path is None or not _holds_originals(path):
        return path
    with suppress(InputError):  # without a cache, every process converts the files
        save_head_model(_cached(), model)
        return _cached()
    return path


def _cached() -> Path:
    """Return the path of the converted file in torch's cache."""
    return Path(torch.hub.get_dir()) / "checkpoints" / FILE


def _holds_originals(path: Path) -> bool:
    return path.is_dir() and not (path / FILE).exists()


def convert(find: Callable[[str], Path]) -> HeadModel:
    """Convert the original files, and check each by its hash.

    Args:
        find: returns the path of an original file by its name without suffix.

    Raises:
        InputError: a file is missing, unreadable, or not the one of the pinned commit.
    """
    path = find(NEUTRAL)
    lines = _lines(path)
    neutral, topology = _vertices(lines, path), _topology(lines, path)
    _check(NEUTRAL, path, neutral, topology.uv, topology.faces, topology.uv_faces)
    differences = {}
    for name in (*IDENTITIES, *EXPRESSIONS):
        path = find(name)
        vertices = _vertices(_lines(path), path)
        if vertices.shape != neutral.shape:
            raise _unexpected(path)
        differences[name] = (vertices - neutral).astype(np.float16)
        _check(name, path, differences[name])
    return HeadModel(
        neutral=neutral,
        identity=np.stack([differences[name] for name in IDENTITIES]),
        expression=np.stack([differences[name] for name in EXPRESSIONS]),
        expression_names=EXPRESSIONS,
        **topology._asdict(),
    )


def save_head_model(path: Path, model: HeadModel) -> None:
    """Write the converted head to one file.

    Raises:
        InputError: the file cannot be written.
    """
    names = ("neutral", "identity", "expression", "expression_names", *_Topology._fields)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = {name: np.asarray(getattr(model, name)) for name in names}
        np.savez_compressed(file, **arrays)


def fetch_head_model(target: Path, base_url: str) -> None:
    """Download the original files, convert them, and write the converted file.

    An interrupted download resumes with the file that was interrupted; another process that downloads is waited for.

    Args:
        target: the converted file.
        base_url: folder of the originals.

    Raises:
        InputError: a file cannot be downloaded or stored, or is not the one of the pinned commit.
    """
    console.print(
        f"downloading ICT-FaceKit (387 MB, MIT licence) from {base_url}; the result, 17 MB, is kept in {target}"
    )
    originals = target.parent / f"{target.stem}_originals"
    with _locked(originals), progress_bar("files") as progress:
        task = progress.add_task("ICT-FaceKit", total=len(HASHES))

        def find(name: str) -> Path:
            path = originals / f"{name}.obj"
            if not path.exists():
                remedy = "try again, or fetch the files in another way and give --rig-data FOLDER"
                download(f"{base_url}{name}.obj", path, remedy, progress=False)
            progress.advance(task)
            return path

        if not target.exists():  # no other process was faster
            save_head_model(target, convert(find))
        shutil.rmtree(originals, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder, which is made; wait for the one that is in it.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(
            f"cannot store ICT-FaceKit in {folder}: {error.strerror}; free space, or set the environment variable "
            "TORCH_HOME to another folder"
        ) from error
    try:
        with suppress(OSError):  # some network disks lock nothing
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def _read(path: Path, remedy: str) -> HeadModel:
    """Read a converted file and check every shape."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path and its permissions") from error
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
        arrays |= {
            name: tuple(str(each) for each in arrays.pop(name)) for name in ("material_names", "expression_names")
        }
        model = HeadModel(**arrays)
    except Exception as error:  # a damaged archive raises almost any exception
        raise InputError(f"{path} is not a converted ICT-FaceKit ({error}); {remedy}") from error
    shapes = dict(zip(IDENTITIES, model.identity, strict=False)) | dict(
        zip(EXPRESSIONS, model.expression, strict=False)
    )
    found = {NEUTRAL: _hash(model.neutral, model.uv, model.faces, model.uv_faces)}
    found |= {name: _hash(shape) for name, shape in shapes.items()}
    if found != HASHES or model.expression_names != EXPRESSIONS:
        raise InputError(f"{path} does not match the hashes of ICT-FaceKit at commit {COMMIT[:7]}; {remedy}")
    return model


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}; give the folder of all {len(HASHES)} OBJ files") from error


def _vertices(lines: list[str], path: Path) -> np.ndarray:
    return _numbers([line[2:] for line in lines if line.startswith("v ")], path)


def _numbers(rows: list[str], path: Path) -> np.ndarray:
    try:
        return np.array([row.split() for row in rows], np.float64).astype(np.float32)
    except ValueError as error:
        raise _unexpected(path) from error


def _topology(lines: list[str], path: Path) -> _Topology:
    """Read texture places, faces and materials; triangles get -1 as fourth corner."""
    places = _numbers([line[3:] for line in lines if line.startswith("vt ")], path)
    corners: list[list[list[int]]] = []
    used: list[str] = []
    try:
        for line in lines:
            if line.startswith("usemtl "):
                current = line.split()[1]
            elif line.startswith("f "):
                face = [[int(index) - 1 for index in corner.split("/")[:2]] for corner in line.split()[1:]]
                corners.append(face + [[-1, -1]] * (4 - len(face)))
                used.append(current)
        indices, uv = np.array(corners, np.int32), places[:, :2]
        first, second = indices[..., 0].copy(), indices[..., 1].copy()
    except (ValueError, IndexError, UnboundLocalError) as error:
        raise _unexpected(path) from error
    names = tuple(sorted(set(used)))
    material = np.array([names.index(name) for name in used], np.uint8)
    return _Topology(uv, first, second, material, names)


def _check(name: str, path: Path, *arrays: np.ndarray) -> None:
    if _hash(*arrays) != HASHES[name]:
        raise _unexpected(path)


def _unexpected(path: Path) -> InputError:
    return InputError(
        f"{path} does not match the hash of ICT-FaceKit at commit {COMMIT[:7]}; delete it, or fetch that version"
    )


def _hash(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
