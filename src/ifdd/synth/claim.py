"""A folder belongs to one set: its settings are recorded there, and other settings are refused."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ifdd.errors import InputError
from ifdd.files import parse_json, write_text
from ifdd.synth.config import SynthConfig


def claim(out: Path, settings: dict[str, Any], results: tuple[str, ...]) -> None:
    """Check that ``out`` holds no results, or a set with the same settings; record the settings there."""
    note = out / "synth.json"
    wanted = json.loads(json.dumps(settings))
    if note.exists():
        try:
            found = parse_json(note.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{note} cannot be read ({error}); choose another folder") from error
        found = _completed(found)
        if found != wanted:
            raise InputError(
                f"{out} holds a set with different settings ({_difference(found, wanted)}); choose another folder"
            )
        return
    if any((out / name).exists() for name in results):
        raise InputError(f"{out} holds another dataset; choose another folder")
    write_text(note, json.dumps(wanted, indent=1))


def _completed(settings: Any) -> Any:
    """Return settings written by an earlier version with the defaults of the settings that did not exist yet."""
    if not (isinstance(settings, dict) and isinstance(config := settings.get("config"), dict)):
        return settings
    for name, defaults in json.loads(json.dumps(asdict(SynthConfig()))).items():
        if isinstance(defaults, dict) and isinstance(config.get(name), dict):
            config = {**config, name: {**defaults, **config[name]}}
    return {**settings, "config": config}


def _difference(found: Any, wanted: Any, name: str = "") -> str:
    """Return the first difference between the settings, as "name: found, not wanted"."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in {**found, **wanted}:
            if found.get(key) != wanted.get(key):
                return _difference(found.get(key), wanted.get(key), f"{name}.{key}" if name else str(key))
    return f"{name}: {found}, not {wanted}"
