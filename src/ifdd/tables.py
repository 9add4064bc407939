"""The one reader of tables as text: CSV as a program writes it, and as Excel and people leave it behind.

Separator, encoding and number format are read from the file where they are unambiguous: the separator is the one that
finds the most known names in the first line, the encoding is UTF-8 or UTF-16, else GBK or Windows-1252, whichever the
bytes (or the files that exist) speak for. What was unusual is in ``Table.notes``; an error names separator, columns and
encoding.
"""

import csv
import io
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ifdd.errors import InputError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""Separator -> its name in messages; the first of equally good ones counts."""

ENCODINGS = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "gbk": "GBK", "cp1252": "Windows-1252"}
"""Encoding -> its name in messages."""

LONGEST_CELL = 2**31 - 1
"""Characters of a cell; the default of the csv module is 131,072."""

_INDEX = re.compile(r"(unnamed: ?0|index|)", re.IGNORECASE)
"""Names of a first column of row numbers, as pandas and R write them."""

_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


@dataclass(frozen=True)
class Table:
    """A table as text."""

    header: tuple[str, ...]
    """Names of the columns; known ones as they are known, others as they are written."""
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    """(line of the file, cells) of every line that is not empty; the number of cells is not checked."""
    encoding: str
    separator: str
    notes: tuple[str, ...] = ()
    """What was unusual and read anyway, in a few words each."""

    @property
    def form(self) -> str:
        """Encoding, separator and columns, for messages."""
        named = ", ".join(repr(name) for name in self.header) or "no columns"
        return f"read as {ENCODINGS[self.encoding]} with {SEPARATORS[self.separator]} between the columns {named}"

    def column(self, name: str) -> list[str]:
        """Return the cells of a column, without those of lines that are too short; none if there is no such column."""
        if name not in self.header:
            return []
        place = self.header.index(name)
        return [cells[place] for _, cells in self.rows if place < len(cells)]


def read_table(data: bytes, where: str, known: Sequence[str], exists: Callable[[Table], int] | None = None) -> Table:
    """Read a table whose first line names its columns.

    Args:
        data: content of the file.
        where: name of the file for messages.
        known: names of columns that are expected; in the file, upper and lower case are the same. If "" is one of them,
            a column of row numbers is kept under this name.
        exists: counts how many files that a table names exist; decides between encodings of which none is certain.

    Raises:
        InputError: the file is not text, or not a table.

    Example:
        >>> from ifdd.tables import read_table
        >>> table = read_table(b"path;label\\na.mp4;happy\\n", "list.csv", ["path", "label"])
        >>> table.rows, table.notes
        (((2, ('a.mp4', 'happy')),), ('separated by semicolons',))
    """
    tables = [_parse(text, encoding, where, known) for encoding, text in _decoded(data, where)]
    if len(tables) > 1 and exists is not None:
        counts = [exists(table) for table in tables]
        return tables[counts.index(max(counts))]
    return tables[0]


def parse_seconds(text: str, where: str, name: str) -> float:
    """Return a cell as a number of seconds.

    Args:
        text: the cell.
        where: file and line, for messages.
        name: what the number is, for messages.

    Raises:
        InputError: it is not a finite number.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {name} is {text!r}; give a number of seconds")
    return value


def _decoded(data: bytes, where: str) -> list[tuple[str, str]]:
    """Return the encodings that a text may have, the likeliest first, with the text."""
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    marked = next((encoding for mark, encoding in marks.items() if data.startswith(mark)), None)
    if marked is not None or _decode(data, "utf-8") is not None:
        candidates = [marked or "utf-8"]
    else:  # letters of GB 2312 are pairs of high bytes; those of European text stand alone
        candidates = ["gbk", "cp1252"] if _decode(data, "gb2312") is not None else ["cp1252", "gbk"]
    texts = [(encoding, text) for encoding in candidates if (text := _decode(data, encoding)) is not None]
    if not texts:
        named = "UTF-16, as its first bytes claim" if marked == "utf-16" else "UTF-16, GBK or Windows-1252"
        raise InputError(f"{where} is not a UTF-8 text file (nor {named}); save it as CSV in UTF-8")
    if marked is None and texts[0][0] != "utf-8":  # names of files may be bytes that are not UTF-8
        texts.append(("utf-8", data.decode("utf-8", "surrogateescape")))
    return texts


def _decode(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _parse(text: str, encoding: str, where: str, known: Sequence[str]) -> Table:
    first, rest = (text.splitlines(keepends=True) or [""])[0], text
    skipped, forced = 0, None
    if match := re.fullmatch(r"sep=(.)\s*", first, re.IGNORECASE):  # Excel's hint
        forced, skipped, rest = match[1], 1, text[len(first) :]
    csv.field_size_limit(LONGEST_CELL)  # the durations of a long clip are many
    separator = forced if forced in SEPARATORS else _separator(rest, known)
    reader = csv.reader(io.StringIO(rest, newline=""), delimiter=separator)
    try:
        header = _known_header(next(reader, []), known)
        rows = tuple((reader.line_num + skipped, tuple(cells)) for cells in reader if any(map(str.strip, cells)))
    except csv.Error as error:
        line = reader.line_num + skipped
        raise InputError(f"{where}, line {line}: not readable as CSV ({error}); correct the line") from error
    notes = []
    if encoding in ("utf-16", "gbk", "cp1252"):
        notes.append(f"in {ENCODINGS[encoding]}, not UTF-8")
    if separator != ",":
        notes.append(f"separated by {SEPARATORS[separator]}")
    table = Table(header, rows, encoding, separator, tuple(notes))
    return _with_points(_without_empty(_without_index(table, known)))


def _separator(text: str, known: Sequence[str]) -> str:
    """Return the separator with which the first line has the most known names, then the most columns."""
    first = text.splitlines()[:1]
    headers = {each: next(csv.reader(first, delimiter=each), []) for each in SEPARATORS}
    names = {name.casefold() for name in known}

    def score(separator: str) -> tuple[int, int]:
        cells = [cell.strip().casefold() for cell in headers[separator]]
        return len(names & set(cells)), len(cells)

    return max(SEPARATORS, key=score)


def _known_header(cells: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    spelt = {name.casefold(): name for name in known}
    composed = (unicodedata.normalize("NFC", cell) for cell in cells)
    return tuple(spelt.get(cell.strip().casefold(), cell) for cell in composed)


def _without_index(table: Table, known: Sequence[str]) -> Table:
    """Leave out a first column of row numbers."""
    if not table.header or not table.rows or "" in known or not _INDEX.fullmatch(table.header[0].strip()):
        return table
    firsts = [cells[0].strip() for _, cells in table.rows]
    if table.header[0] in known or not all(re.fullmatch(r"[0-9]+", cell) for cell in firsts):
        return table
    rows = tuple((line, cells[1:]) for line, cells in table.rows)
    note = "the first column, of row numbers, is not used"
    return replace(table, header=table.header[1:], rows=rows, notes=(*table.notes, note))


def _without_empty(table: Table) -> Table:
    """Leave out last columns without name and content, which spreadsheets write for cleared cells."""
    width = len(table.header)
    while table.rows and width > 1 and not table.header[width - 1].strip():
        width -= 1
    if width == len(table.header) or any(cell.strip() for _, cells in table.rows for cell in cells[width:]):
        return table
    rows = tuple((line, cells[:width]) for line, cells in table.rows)
    return replace(table, header=table.header[:width], rows=rows, notes=(*table.notes, "empty columns are not used"))


def _with_points(table: Table) -> Table:
    """Write decimal commas as points, in columns that hold only numbers, where commas do not separate columns."""
    if table.separator == ",":
        return table
    columns = []
    for place in range(len(table.header)):
        cells = [cells[place].strip() for _, cells in table.rows if place < len(cells) and cells[place].strip()]
        numeric = all(_DECIMAL_COMMA.fullmatch(cell) or re.fullmatch(r"[+-]?[0-9]+", cell) for cell in cells)
        if numeric and any("," in cell for cell in cells):
            columns.append(place)
    if not columns:
        return table
    rows = tuple(
        (line, tuple(cell.strip().replace(",", ".") if place in columns else cell for place, cell in enumerate(cells)))
        for line, cells in table.rows
    )
    named = ", ".join(table.header[place] for place in columns)
    return replace(table, rows=rows, notes=(*table.notes, f"decimal commas in {named} are read as points"))
