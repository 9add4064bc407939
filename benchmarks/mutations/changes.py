"""Mutations of files: bytes of any format, words of text, values of JSON, cells of tables, headers of weights."""

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.random import Generator

Change = Callable[[bytes, Generator], bytes]
"""Returns a mutated copy of the bytes of a file."""

MOST_BYTES = 4_000_000
"""A mutated file is cut here: repetitions of repetitions would fill the disk."""

NUMBERS = (0, 1, -1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
"""Values that headers and lengths are overwritten with."""

# fmt: off
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, "", " ", "nan", "inf", "-inf", "NaN", -1, 0, 1e308, 10**30, 1e-320, 2**63, "1e999", "0x10"),
    *("../../../etc/passwd", "/etc/passwd", "a/../../b", "~root", "C:\\windows", "con", "\\\\host\\share", "file:///etc"),
    *("<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "{{ 7*7 }}", "%s%n", "=cmd|'!A0", "[/b]"),
    *("\x00", "a\x00b", "\x1b[31m", "\u202egnp.exe", "caf\u00e9", "cafe\u0301", "\ufeff", "\ud83d\ude00", "x" * 70_000),
    *([], {}, [[]], {"a": [1]}, [None, "x", 3], [1] * 2000, "\n", "a,b;c\td", '"', "- x: [", "&a *a", "!!python/none"),
    *("\ud800", 10**400, "9" * 5000, 1.5, -0.0, "1e-400"),
)
# fmt: on
"""Values that no reader expects."""


def mutate(data: bytes, name: str, other: bytes, random: Generator) -> tuple[str, bytes]:
    """Return the name of a random mutation and the mutated content of a file.

    Args:
        data: the content.
        name: name of the file, whose suffix says which mutations fit.
        other: content of another seed, to splice with.
        random: chooses everything.
    """
    fitting = {**BYTES, "splice": lambda data, random: _spliced(data, other, random)}
    special = next((found for suffixes, found in SPECIAL if name.lower().endswith(suffixes)), {})
    changes = special if special and random.random() < 0.75 else fitting
    chosen = sorted(changes)[random.integers(len(changes))]
    for _ in range(int(random.choice([1, 1, 1, 2, 5]))):
        data = changes[chosen](data, random)[:MOST_BYTES]
    return chosen, data


def _place(data: bytes, random: Generator) -> int:
    """Return a place in the data, more often near the beginning, where headers are."""
    most = len(data) + 1
    return int(random.integers(min(most, 512) if random.random() < 0.4 else most))


def _part(data: bytes, random: Generator) -> tuple[int, int]:
    start = _place(data, random)
    return start, min(len(data), start + int(2 ** random.uniform(0, 12)))


def _truncate(data: bytes, random: Generator) -> bytes:
    return data[: _place(data, random)]


def _flip(data: bytes, random: Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(2 ** random.uniform(0, 7)) if data else 0):
        changed[min(_place(data, random), len(data) - 1)] ^= 1 << int(random.integers(8))
    return bytes(changed)


def _move(data: bytes, random: Generator) -> bytes:
    start, end = _part(data, random)
    rest = data[:start] + data[end:]
    place = _place(rest, random)
    return rest[:place] + data[start:end] + rest[place:]


def _repeat(data: bytes, random: Generator) -> bytes:
    start, end = _part(data, random)
    return data[:end] + data[start:end] * int(random.integers(1, 20)) + data[end:]


def _remove(data: bytes, random: Generator) -> bytes:
    start, end = _part(data, random)
    return data[:start] + data[end:]


def _overwrite(data: bytes, random: Generator) -> bytes:
    start, end = _part(data, random)
    return data[:start] + random.bytes(end - start) + data[end:]


def _insert(data: bytes, random: Generator) -> bytes:
    place = _place(data, random)
    return data[:place] + random.bytes(int(random.integers(1, 64))) + data[place:]


def _grow(data: bytes, random: Generator) -> bytes:
    """Overwrite a number of 2, 4 or 8 bytes by an extreme one."""
    form = ("<H", ">H", "<I", ">I", "<Q", ">Q")[random.integers(6)]
    size = struct.calcsize(form)
    value = NUMBERS[random.integers(len(NUMBERS))] % 2 ** (8 * size)
    place = _place(data, random)
    return data[:place] + struct.pack(form, value) + data[place + size :]


def _spliced(data: bytes, other: bytes, random: Generator) -> bytes:
    return data[: _place(data, random)] + other[_place(other, random) :]


BYTES: dict[str, Change] = {
    "truncate": _truncate,
    "flip bits": _flip,
    "move chunk": _move,
    "repeat chunk": _repeat,
    "remove chunk": _remove,
    "overwrite chunk": _overwrite,
    "insert bytes": _insert,
    "grow number": _grow,
    "empty": lambda data, random: b"",
}


def hostile(random: Generator) -> Any:
    """Return a value that no reader expects."""
    return HOSTILE[random.integers(len(HOSTILE))]


def _hostile_text(random: Generator) -> str:
    value = hostile(random)
    return value if isinstance(value, str) else json.dumps(value)


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    """Return UTF-8; half a pair of surrogates, which no encoder takes, becomes three bytes."""
    return text.encode("utf-8", "surrogatepass")


def _replace(pattern: str) -> Change:
    """Return a mutation of one match of a pattern."""

    def change(data: bytes, random: Generator) -> bytes:
        found = list(re.finditer(pattern.encode(), data))
        if not found:
            return data
        match = found[random.integers(len(found))]
        return data[: match.start()] + _encoded(_hostile_text(random)) + data[match.end() :]

    return change


def _recode(data: bytes, random: Generator) -> bytes:
    """Write text in another encoding, or with a byte order mark."""
    text = data.decode("utf-8", "replace")
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-16-le"),
        lambda: text.encode("utf-32"),
        lambda: b"\xef\xbb\xbf" + data,
        lambda: b"\xff\xfe" + data,
        lambda: (text + "\u00e9\u00df").encode("cp1252", "replace"),
        lambda: (text + "\u5e78\u798f").encode("gbk", "replace"),
        lambda: data.replace(b"\n", b"\r"),
        lambda: data.replace(b"\n", b"\r\n\0"),
    )
    return kinds[random.integers(len(kinds))]()


def _lines(data: bytes, random: Generator) -> bytes:
    """Drop, repeat or swap a line."""
    lines = data.split(b"\n")
    first, second = (int(random.integers(len(lines))) for _ in range(2))
    kind = random.integers(4)
    if kind == 0:
        del lines[first]
    elif kind == 1:
        lines.insert(second, lines[first])
    elif kind == 2:
        lines[first], lines[second] = lines[second], lines[first]
    else:
        lines[first] = lines[first] * 50
    return b"\n".join(lines)


def _indent(data: bytes, random: Generator) -> bytes:
    lines = data.split(b"\n")
    place = int(random.integers(len(lines)))
    lines[place] = (b" ", b"\t", b"    ", b"- ", b"? ", b"{", b"[")[random.integers(7)] + lines[place]
    return b"\n".join(lines)


TEXT: dict[str, Change] = {
    "replace number": _replace(r"-?\d+(\.\d+)?"),
    "replace word": _replace(r"[A-Za-z_]\w*"),
    "replace cell": _replace(r"[^,;\t\n]+"),
    "another encoding": _recode,
    "lines": _lines,
}
YAML: dict[str, Change] = {**TEXT, "replace value": _replace(r"(?<=: ).+"), "indent": _indent}


def _json_change(data: bytes, random: Generator) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _replace(r"\w+")(data, random)
    return _dumped(changed_value(value, random))


def _dumped(value: Any) -> bytes:
    """Return JSON in ASCII: lone surrogates stay what they are."""
    return json.dumps(value).encode()


def changed_value(value: Any, random: Generator) -> Any:
    """Return a copy of a JSON value in which one value, somewhere, is replaced, removed, added or repeated."""
    if isinstance(value, dict) and value:
        keys = list(value)
        key = keys[random.integers(len(keys))]
        if random.random() < 0.12:
            return {name: each for name, each in value.items() if name != key}
        if random.random() < 0.06:
            return {**value, _hostile_text(random): hostile(random)}
        if random.random() < 0.7:
            return {**value, key: changed_value(value[key], random)}
        return {**value, key: hostile(random)}
    if isinstance(value, list) and value:
        place = int(random.integers(len(value)))
        if random.random() < 0.12:
            return [*value[:place], *value[place + 1 :]]
        if random.random() < 0.1:
            return [*value[: place + 1], *value[place:]]
        return [*value[:place], changed_value(value[place], random), *value[place + 1 :]]
    return hostile(random)


def _json_nested(data: bytes, random: Generator) -> bytes:
    """Replace one number by a nest of thousands of lists."""
    found = list(re.finditer(rb"\d+", data))
    if not found:
        return data
    match = found[random.integers(len(found))]
    return data[: match.start()] + b"[" * 20_000 + b"]" * 20_000 + data[match.end() :]


JSON: dict[str, Change] = {"change value": _json_change, "nest": _json_nested, **TEXT}


def _weights_header(data: bytes, random: Generator) -> bytes:
    """Change the JSON header of a .safetensors file, or the JSON within its metadata, and keep the length right."""
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        about = header.get("__metadata__", {})
        if about and random.random() < 0.7:
            key = sorted(about)[random.integers(len(about))]
            about[key] = json.dumps(changed_value(json.loads(about[key]), random))
        else:
            header = changed_value(header, random)
    except (ValueError, AttributeError, TypeError):
        return _flip(data, random)
    text = _dumped(header)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _weights_numbers(data: bytes, random: Generator) -> bytes:
    """Put NaN or infinity into the weights."""
    begin = 8 + int.from_bytes(data[:8], "little")
    if begin >= len(data) - 4:
        return data
    place = begin + 4 * int(random.integers((len(data) - begin) // 4))
    return data[:place] + struct.pack("<f", float(("nan", "inf")[random.integers(2)])) + data[place + 4 :]


WEIGHTS: dict[str, Change] = {"change header": _weights_header, "numbers that are not finite": _weights_numbers}

SPECIAL: tuple[tuple[tuple[str, ...], dict[str, Change]], ...] = (
    ((".json",), JSON),
    ((".jsonl",), {**JSON, "change value": _replace(r"[\w.]+")}),
    ((".yaml",), YAML),
    ((".csv", ".txt", ".xml"), TEXT),
    ((".safetensors",), WEIGHTS),
)
"""Suffixes -> the mutations of their formats."""

NAMES = (
    "plain",
    "two\nlines",
    "caf\udce9",
    "<script>alert(1)</script>".replace("/", "\u2215"),
    "-rf",
    "--out",
    "%s",
    "[b]x",
    "a" * 200,
    "\u202egnp",
    "cafe\u0301",
    "...",
    "$(id)",
    "\x1b[31m",
    "camera:0",
    "~",
)
"""Stems of the names under which mutated files are stored."""


def name_of(path: Path, random: Generator) -> str:
    """Return a name for a mutated file; half of the names are ordinary."""
    stem = path.stem if random.random() < 0.5 else NAMES[random.integers(len(NAMES))]
    return f"{stem}{path.suffix}"
