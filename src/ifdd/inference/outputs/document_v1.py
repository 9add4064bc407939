"""Earlier versions of the JSON format, 1.0 to 1.2: flat lists of windows and segments, boxes as objects."""

from collections import defaultdict
from typing import Any


def upgrade(document: dict[str, Any]) -> dict[str, Any]:
    """Convert a document of version 1.x to the current version; missing values become 0, empty or perfect.

    Raises:
        KeyError: a field is missing.
    """
    windows, segments = _by_track(document["timeline"]), _by_track(document["segments"])
    absent = {"start_seconds": 0.0, "damaged": 0, "notices": [], "width": 0, "height": 0}
    model = document["model"]
    return {
        "video": absent | document["video"],
        "shot_boundaries_seconds": document.get("cuts_seconds", []),
        "model": {"description": {}, **model, "classes": document["classes"]},
        "tracks": [_upgrade_track(track, windows[track["id"]], segments[track["id"]]) for track in document["tracks"]],
    }


def _upgrade_track(
    track: dict[str, Any], windows: list[dict[str, Any]], segments: list[dict[str, Any]]
) -> dict[str, Any]:
    perfect = {"quality": 1.0, "flaw": ""}
    boxes = track["boxes"]
    return {
        **track,
        "segments": [{"peak_seconds": None, **perfect, **one} for one in segments],
        "windows": [{**perfect, **one} for one in windows],
        "boxes": {
            "frames": [box["frame"] for box in boxes],
            "seconds": [box["seconds"] for box in boxes],
            "xyxy": [[box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]] for box in boxes],
            "scores": [box["score"] for box in boxes],
        },
    }


def _by_track(items: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Return track id -> its items, without the id."""
    grouped: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        grouped[item["track"]].append({name: value for name, value in item.items() if name != "track"})
    return grouped
