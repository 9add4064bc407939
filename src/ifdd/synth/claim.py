"""The settings of a set are recorded in its folder, those of a story or crowd in its truth; others are refused."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ifdd.errors import InputError
from ifdd.files import exists, file_sha256, parse_json, write_text
from ifdd.synth.config import SynthConfig

NOTE = "synth.json"
"""Name of the file with the settings of a set."""

MANIFEST = "manifest.csv"

_MANIFEST_HASH = "manifest_sha256"
"""Key of the file with the settings: hash of the manifest as it was written."""


def claim(out: Path, settings: dict[str, Any], results: tuple[str, ...]) -> None:
    """Check that ``out`` holds none of the results, or a set with the same settings; record the settings there.

    Raises:
        InputError: it holds something else or a manifest that somebody has changed, or cannot be written.
    """
    note, manifest, wanted = out / NOTE, out / MANIFEST, _as_read(settings)
    if exists(note):
        found = _read(note)
        written = found.pop(_MANIFEST_HASH, None)
        if found != wanted:
            raise InputError(
                f"{out} holds a set with different settings ({_difference(found, wanted)}); choose another folder"
            )
        if written is not None and exists(manifest) and file_sha256(manifest) != written:
            raise InputError(f"{manifest} was changed since 'ifdd synth' wrote it; rename it, or choose another folder")
        return
    if any(exists(out / name) for name in results):
        raise InputError(f"{out} holds another dataset; choose another folder")
    write_text(note, json.dumps(wanted, indent=1))


def record_manifest(out: Path) -> None:
    """Record the hash of a set's new manifest, so that ``claim`` refuses to have it replaced once it is edited."""
    write_text(out / NOTE, json.dumps(_read(out / NOTE) | {_MANIFEST_HASH: file_sha256(out / MANIFEST)}, indent=1))


def is_claimed(out: Path, settings: dict[str, Any]) -> bool:
    """Whether a folder holds a set with these settings, or the beginning of one.

    Raises:
        InputError: the recorded settings cannot be read.
    """
    if not exists(out / NOTE):
        return False
    found = _read(out / NOTE)
    found.pop(_MANIFEST_HASH, None)
    return found == _as_read(settings)


def claim_video(video: Path, settings: dict[str, Any]) -> None:
    """Check that a video and its truth may be written: there are none yet, or those of the same settings.

    Args:
        video: the video; its truth is the JSON file of the same name, which records the settings.
        settings: the settings, ``context`` among them; those that an earlier version did not record are not compared.

    Raises:
        InputError: there is another video, or one of unknown origin.
    """
    truth, wanted = video.with_suffix(".json"), _as_read(settings)
    if not exists(truth):
        if exists(video):
            raise InputError(f"{video} exists without its truth, {truth.name}; delete it or choose another folder")
        return
    found = _read(truth)
    if not {"schema_version", "seed", "frames"} <= found.keys():
        raise InputError(f"{truth} was not written by ifdd synth; choose another folder")
    names = wanted.keys() & found.keys()
    if names < wanted.keys():
        names -= {"context"}  # an earlier version recorded there also what did not apply
    recorded, asked = ({name: each[name] for name in wanted if name in names} for each in (found, wanted))
    if exists(video) and recorded != asked:
        raise InputError(
            f"{video} has different settings ({_difference(recorded, asked)}); delete it or choose another folder"
        )


def _as_read(settings: dict[str, Any]) -> Any:
    """Return settings as they are read back: lists in place of tuples."""
    return json.loads(json.dumps(settings))


def _read(path: Path) -> dict[str, Any]:
    """Return recorded settings, those of an earlier version in the words of this one.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is not a JSON object")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); choose another folder") from error
    for name in ("config", "context"):  # of a set; of a story or crowd
        if isinstance(found.get(name), dict):
            found[name] = _completed(found[name])
    config = found.get("config", {})
    if isinstance(config, dict) and _repertoire(config) == "lifelike":
        found.setdefault("repertoire_version", 1)  # not recorded at first
    return found


def _completed(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an earlier version with the defaults of those that did not exist yet."""
    for name, defaults in _as_read(asdict(SynthConfig())).items():
        if isinstance(defaults, dict) and isinstance(config.get(name), dict):
            config = {**config, name: {**defaults, **config[name]}}
    if config.get("rig") == "portrait":  # what the drawn rig was called when it was the only one
        config = {**config, "rig": "drawn"}
    return config


def _repertoire(config: dict[str, Any]) -> Any:
    behaviour = config.get("behaviour")
    return behaviour.get("repertoire") if isinstance(behaviour, dict) else None


def _difference(found: Any, wanted: Any, name: str = "") -> str:
    """Return the first difference between the settings, as "name: found, not wanted"."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in {**found, **wanted}:
            if found.get(key) != wanted.get(key):
                return _difference(found.get(key), wanted.get(key), f"{name}.{key}" if name else str(key))
    return f"{name}: {found}, not {wanted}"
