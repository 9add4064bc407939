"""Formats of annotation tools: ELAN's .eaf (EAF 3.0) and Praat's .TextGrid. One tier per track, in player time."""

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from ifdd.inference.outputs.media import media_links
from ifdd.inference.outputs.style import name_of, played_segments
from ifdd.inference.results import Results

_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
_EAF = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"


def to_eaf(results: Results, path: Path) -> str:
    """Return ELAN's XML, linked to the video: times to the millisecond, the model's notice as a file property.

    Args:
        results: the results.
        path: where the XML will lie, from which the video is linked to.
    """
    ElementTree.register_namespace("xsi", _SCHEMA)
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "ifdd",
            "DATE": _date(results.video.path),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_SCHEMA}}}noNamespaceSchemaLocation": _EAF,
        },
    )
    header = ElementTree.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    media = media_links(str(results.video.path), path)
    if media:
        ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", media)
    if results.model.notice:
        ElementTree.SubElement(header, "PROPERTY", {"NAME": "notice"}).text = results.model.notice
    segments = {track.id: played_segments(results, track) for track in results.tracks}
    edges = [edge for of in segments.values() for one in of for edge in (one.start_seconds, one.end_seconds)]
    times = sorted({_milliseconds(edge) for edge in edges})
    slots = {time: f"ts{number}" for number, time in enumerate(times, 1)}
    order = ElementTree.SubElement(root, "TIME_ORDER")
    for time, slot in slots.items():
        ElementTree.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(time)})
    number = 0
    for track in results.tracks:
        attributes = {"LINGUISTIC_TYPE_REF": "expression", "TIER_ID": f"track {track.id}"}
        tier = ElementTree.SubElement(root, "TIER", attributes)
        for segment in segments[track.id]:
            number += 1
            reference = {
                "ANNOTATION_ID": f"a{number}",
                "TIME_SLOT_REF1": slots[_milliseconds(segment.start_seconds)],
                "TIME_SLOT_REF2": slots[_milliseconds(segment.end_seconds)],
            }
            annotation = ElementTree.SubElement(tier, "ANNOTATION")
            aligned = ElementTree.SubElement(annotation, "ALIGNABLE_ANNOTATION", reference)
            ElementTree.SubElement(aligned, "ANNOTATION_VALUE").text = name_of(segment, results.classes)
    kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "expression", "TIME_ALIGNABLE": "true"}
    ElementTree.SubElement(root, "LINGUISTIC_TYPE", kind)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def to_textgrid(results: Results) -> str:
    """Return Praat's long text format: times to the microsecond, empty intervals where a person is absent.

    The model's notice has a separate tier. Praat needs at least one tier, so without faces and without a notice there
    is one empty tier.
    """
    end = results.video.end_seconds
    tiers = [
        (
            f"track {track.id}",
            [
                (segment.start_seconds, segment.end_seconds, name_of(segment, results.classes))
                for segment in played_segments(results, track)
            ],
        )
        for track in results.tracks
    ]
    if results.model.notice:
        tiers.append(("notice", [(0.0, end, results.model.notice)]))
    tiers = tiers or [("no face", [])]
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end:.6f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers, 1):
        filled = _fill(intervals, end)
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quote(name)}",
            "        xmin = 0",
            f"        xmax = {end:.6f}",
            f"        intervals: size = {len(filled)}",
        ]
        for position, (start, stop, text) in enumerate(filled, 1):
            lines += [
                f"        intervals [{position}]:",
                f"            xmin = {start:.6f}",
                f"            xmax = {stop:.6f}",
                f"            text = {_quote(text)}",
            ]
    return "\n".join(lines) + "\n"


def _fill(intervals: list[tuple[float, float, str]], end: float) -> list[tuple[float, float, str]]:
    """Fill the gaps from 0 to ``end`` with empty intervals; times are rounded as in the file."""
    filled: list[tuple[float, float, str]] = []
    reached = 0.0
    for start, stop, text in [*intervals, (end, end, "")]:
        start, stop = round(start, 6), round(min(stop, end), 6)
        if start > reached:
            filled.append((reached, start, ""))
        if stop > start:
            filled.append((start, stop, text))
            reached = stop
    return filled


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _date(video: str | Path) -> str:
    """Return the time of the video's file, so that the same results give the same bytes; ELAN's format asks for one."""
    try:
        seconds = Path(video).stat().st_mtime
    except (OSError, ValueError):
        seconds = 0.0
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
