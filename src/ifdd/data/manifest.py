"""The manifest: the one table of clips that every dataset becomes.

A CSV file in UTF-8 with the header ``clip_id,path,frames,label,subset,fold,subject,votes``, one clip a line, or a
Parquet file (suffix ``.parquet``) of the same columns. Paths are relative to the folder of the manifest and written
with ``/``, so the folder can be moved. Earlier manifests without the column ``votes`` are read too. The columns ``fps``
and ``durations`` follow if the times of frames are known; ``timing`` has the convention.

Further columns may follow, with any names, such as ``age`` and ``sex``; they are a sample's attributes. A CSV file that
a spreadsheet has saved again, with other separators, encoding or order of the columns, is read too: see ``tables``.
"""

import csv
import hashlib
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

from ifdd.console import error_console
from ifdd.data.labels import clean_label, known_label, natural_order, parse_votes
from ifdd.data.timing import ASSUMED_FPS, Timing, parse_durations
from ifdd.errors import InputError
from ifdd.files import absolute, exists, expand, write_text
from ifdd.parquet import pyarrow, write_parquet
from ifdd.tables import Table, read_table

SUBSETS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sample:
    """One clip on disk and its annotations."""

    clip_id: str
    """Name of the clip, unique within a fold."""
    path: Path
    """A video file, or a folder of numbered images."""
    frames: int
    """Number of frames, at least 1."""
    label: str
    """Name of the class: an emotion or any other name; benchmarks have the spelling of ``canonical_label``."""
    subset: str
    """"train", "validation" or "test"."""
    fold: int = 0
    """Number of the cross-validation fold whose subset this is, from 1; 0 where there are no folds."""
    subject: str = ""
    """Identity of the person; "" if unknown."""
    votes: str = ""
    """Annotators' votes by name, such as "happy:7 sad:2 neutral:1"; empty if unknown. Divided by their sum they are
    the soft label."""
    fps: float | None = None
    """Frames a second on average; None if unknown."""
    durations: str = ""
    """How long each frame is shown, in milliseconds, such as "40*12 80 40*3"; empty if frames are evenly spaced."""
    attributes: dict[str, str] = field(default_factory=dict, hash=False)
    """Column -> text, for the further columns of the manifest."""

    @property
    def timing(self) -> Timing | None:
        """When the frames are shown; None if unknown."""
        return None if self.fps is None else Timing(self.fps, self.durations)

    def seconds(self, fps: float = ASSUMED_FPS) -> float:
        """Return the duration of the clip in seconds.

        Args:
            fps: frames a second, if the sample does not know.
        """
        return sum(parse_durations(self.durations)) if self.durations else self.frames / (self.fps or fps)


TIME_COLUMNS = ("fps", "durations")
"""Columns that a manifest has if times are known."""
COLUMNS = tuple(each.name for each in fields(Sample) if each.name not in (*TIME_COLUMNS, "attributes"))
_OLD_COLUMNS = COLUMNS[:-1]
_KNOWN = frozenset((*COLUMNS, *TIME_COLUMNS))
_TYPES: dict[str, type] = {"frames": int, "fold": int}


def write_manifest(path: str | Path, samples: Iterable[Sample]) -> None:
    """Write a manifest, whole or not at all; relative ``Sample.path`` are taken from the working directory.

    The columns of time follow the known ones if a sample has them, then one for every attribute that a sample has,
    empty for the samples that lack it.

    Raises:
        InputError: the file cannot be written, an attribute has no valid name for a column, or the file ends in
            .parquet and pyarrow is not installed.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.data.manifest import Sample, read_manifest, write_manifest
        >>> Path("smile.mp4").touch()
        >>> write_manifest("manifest.csv", [Sample("smile", Path("smile.mp4"), 40, "happy", "test", fps=30.0)])
        >>> read_manifest("manifest.csv")[0].fps
        30.0
    """
    path, samples = expand(path), list(samples)
    further = tuple(dict.fromkeys(name for sample in samples for name in sample.attributes))
    _check_further(path, further)
    timed = tuple(name for name in TIME_COLUMNS if any(getattr(sample, name) for sample in samples))
    folder = path.absolute().parent
    relative: dict[Path, str] = {}  # folds repeat clips
    rows = []
    for sample in samples:
        if sample.path not in relative:
            relative[sample.path] = Path(os.path.relpath(sample.path, folder)).as_posix()
        row = {name: getattr(sample, name) for name in COLUMNS} | {"path": relative[sample.path]}
        row |= {name: _time_text(getattr(sample, name)) for name in timed}
        rows.append(row | {name: sample.attributes.get(name, "") for name in further})
    names = (*COLUMNS, *timed, *further)
    if path.suffix == ".parquet":
        write_parquet(path, {name: _TYPES.get(name, str) for name in names}, rows)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(row.values() for row in rows)
    write_text(path, text.getvalue())


def _time_text(value: float | str | None) -> str:
    """Return a cell of the columns of time."""
    return str(value or "").removesuffix(".0")


def dataset_hash(samples: Iterable[Sample]) -> str:
    """Return the SHA-256 of the sorted (clip id, label, fold, subset) lines: what is learnt and tested.

    Two people whose manifests have the same hash have the same clips, labels and folds, whatever their paths, their
    kind of frames and the spelling of their labels, unless two spellings of one emotion are two classes. Subjects,
    votes, times and attributes do not belong to the hash, so adding a column for ``ifdd evaluate --by`` keeps the
    dataset the same.
    """
    samples = list(samples)
    labels = {sample.label for sample in samples}
    spelt = {label: known_label(label) or label for label in labels}
    if len(set(spelt.values())) < len(labels):
        spelt = {label: label for label in labels}
    lines = sorted(f"{s.clip_id}\t{spelt[s.label]}\t{s.fold}\t{s.subset}\n" for s in samples)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """The content of a manifest, so that a command reads the file only once.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.data.manifest import Manifest, Sample, write_manifest
        >>> Path("smile.mp4").touch()
        >>> write_manifest("manifest.csv", [Sample("smile", Path("smile.mp4"), 40, "happy", "test", fold=1)])
        >>> manifest = Manifest.read("manifest.csv")
        >>> [sample.clip_id for sample in manifest.select("test", fold=1)]
        ['smile']
    """

    path: Path
    """Path of the file, as given."""
    sha256: str
    """SHA-256 of the file."""
    samples: tuple[Sample, ...]
    """All samples in the order of the file, with absolute paths."""
    notes: tuple[str, ...] = ()
    """What was unusual about the file, in a few words each; it was read anyway."""
    lines: tuple[int, ...] = ()
    """Line of each sample in the file."""

    @classmethod
    def read(cls, path: str | Path) -> "Manifest":
        """Read a manifest, CSV or Parquet, and check every line.

        Raises:
            InputError: the manifest is missing or damaged; a column is missing or has an empty or repeated name; or a
                line has no label, an unknown subset, a bad number, a clip that another line of the same fold has, or a
                path that does not exist.
        """
        path = expand(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the manifest {path}: {error.strerror or error}; check the path") from error
        samples: list[Sample] = []
        seen: dict[tuple[int, str], int] = {}
        paths: dict[str, Path] = {}
        notes, rows = (_parquet_rows if path.suffix == ".parquet" else _rows)(path, content)
        for line, row in rows:
            sample = _sample(path, line, row, paths)
            first = seen.setdefault((sample.fold, sample.clip_id), line)
            if first != line:
                reason = f"line {first} has the same clip in the same fold; keep one"
                raise _line_error(path, line, sample.clip_id, reason)
            samples.append(sample)
        if notes:
            remark = f"note: {path}: {', '.join(notes)}; read anyway"
            error_console.print(remark, markup=False, highlight=False, soft_wrap=True)
        return cls(path, hashlib.sha256(content).hexdigest(), tuple(samples), notes, tuple(seen.values()))

    @cached_property
    def dataset_hash(self) -> str:
        """Hash of clips, labels, folds and subsets: see ``dataset_hash``."""
        return dataset_hash(self.samples)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, known emotions first."""
        return tuple(natural_order(sample.label for sample in self.samples))

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Names of the further columns, in the order of the file."""
        return tuple(dict.fromkeys(name for sample in self.samples for name in sample.attributes))

    def select(self, subset: str | None = None, fold: int | None = None) -> list[Sample]:
        """Return the samples of a subset and a fold, in the order of the file.

        Args:
            subset: "train", "validation" or "test"; all when None.
            fold: number of the fold; all when None.

        Raises:
            InputError: the subset is unknown, or no clip matches.
        """
        if subset is not None and subset not in SUBSETS:
            raise InputError(f"unknown subset {subset!r}; choose one of {', '.join(SUBSETS)}")
        kept = [sample for sample in self.samples if subset in (None, sample.subset) and fold in (None, sample.fold)]
        if not kept:
            found = sorted({f"{sample.subset} (fold {sample.fold})" for sample in self.samples})
            raise InputError(
                f"{self.path}: no clip with subset {subset or 'any'} and fold {'any' if fold is None else fold}; "
                f"the manifest holds {', '.join(found) or 'no clips'}"
            )
        return kept


def read_manifest(path: str | Path, subset: str | None = None, fold: int | None = None) -> list[Sample]:
    """Read the samples of a subset and a fold: ``Manifest.read`` and ``Manifest.select`` in one step.

    Raises:
        InputError: as these.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.data.manifest import read_manifest
        >>> Path("cry.mp4").touch()
        >>> text = "clip_id,path,frames,label,subset,fold,subject,votes\\ncry,cry.mp4,30,sad,train,1,,\\n"
        >>> _ = Path("manifest.csv").write_text(text)
        >>> [sample.clip_id for sample in read_manifest("manifest.csv", subset="train", fold=1)]
        ['cry']
    """
    return Manifest.read(path).select(subset, fold)


_Rows = tuple[tuple[str, ...], Iterator[tuple[int, dict[str, str]]]]
"""Notes about a file, and (line number, column -> text) of every line below the header."""


def _rows(path: Path, content: bytes) -> _Rows:
    """Read a CSV file."""
    table = read_table(content, str(path), (*COLUMNS, *TIME_COLUMNS), lambda table: _existing(path, table))
    if not set(table.header) >= set(_OLD_COLUMNS):
        raise InputError(
            f"{path} is not a manifest: its first line must be {','.join(COLUMNS)}, then any further columns; it was "
            f"{table.form}"
        )
    _check_further(path, _further(table.header))
    return table.notes, _csv_rows(path, table)


def _csv_rows(path: Path, table: Table) -> Iterator[tuple[int, dict[str, str]]]:
    for line, cells in table.rows:
        if len(cells) != len(table.header):
            expected = f"{len(cells)} columns where there must be {len(table.header)}; correct the line"
            raise _line_error(path, line, cells[0], expected)
        yield line, {**_ABSENT, **dict(zip(table.header, cells, strict=True))}


def _existing(path: Path, table: Table) -> int:
    """Return how many of the paths of a table exist."""
    return sum(exists(path.absolute().parent / each) for each in table.column("path"))


def _parquet_rows(path: Path, content: bytes) -> _Rows:
    """Read a Parquet file; its rows are counted like a CSV's lines."""
    parquet, damage = pyarrow("parquet"), pyarrow("lib").ArrowException
    try:
        table = parquet.ParquetFile(io.BytesIO(content)).read()  # read_table would refuse a column that occurs twice
        listed = table.to_pylist()
    except (OSError, ValueError, damage) as error:
        raise InputError(f"{path} is not a Parquet file; give the manifest that 'ifdd prepare' wrote") from error
    if not set(table.column_names) >= set(_OLD_COLUMNS):
        raise InputError(f"{path} is not a manifest: its columns must be {','.join(COLUMNS)}, then any further ones")
    _check_further(path, _further(table.column_names))
    rows = enumerate(listed, start=2)
    texts = ((line, {name: "" if value is None else str(value) for name, value in row.items()}) for line, row in rows)
    return (), ((line, {**_ABSENT, **row}) for line, row in texts)


_ABSENT = {"votes": "", "fps": "", "durations": ""}
"""Content of the columns that a manifest may lack."""


def _further(header: Sequence[str]) -> Sequence[str]:
    """Return the columns besides the known ones; a known one that occurs again counts as further."""
    return [name for place, name in enumerate(header) if name not in _KNOWN or name in header[:place]]


def _check_further(path: Path, names: Sequence[str]) -> None:
    """Refuse names of further columns that are empty, repeated or those of known columns."""
    for place, name in enumerate(names):
        if name != name.strip() or not name:
            reason = "is empty or begins or ends with a space; name it, for example age"
        elif name in _KNOWN:
            reason = f"has the name of a known column; the file must begin with {','.join(COLUMNS)}, so rename it"
        elif name in names[:place]:
            reason = "occurs twice; rename or remove one"
        else:
            continue
        raise InputError(f"{path}: the further column {name!r} {reason}")


def _sample(path: Path, line: int, row: dict[str, str], paths: dict[str, Path]) -> Sample:
    """Check one line and return its sample; ``paths`` caches existing paths, because folds repeat clips."""
    clip_id = row["clip_id"]
    if not clip_id:
        raise _line_error(path, line, clip_id, "the clip id is empty; give every clip a name")
    try:
        label = clean_label(row["label"])
        parse_votes(row["votes"])
        durations = parse_durations(row["durations"])
    except InputError as error:
        raise _line_error(path, line, clip_id, str(error)) from None
    if row["subset"] not in SUBSETS:
        raise _line_error(path, line, clip_id, f"unknown subset {row['subset']!r}; use {', '.join(SUBSETS)}")
    frames = _number(path, line, row, "frames", smallest=1)
    if durations and len(durations) != frames:
        reason = f"durations are those of {len(durations)} frames, not {frames}; prepare the dataset again"
        raise _line_error(path, line, clip_id, reason)
    fps = _rate(path, line, row)
    if row["path"] not in paths:
        place = path.absolute().parent / row["path"]
        clip_path = Path(os.path.normpath(place))
        clip_path = clip_path if exists(clip_path) else absolute(place)  # a link before ".." leads elsewhere
        if not row["path"] or not exists(clip_path):
            reason = f"no such file or folder {clip_path}; put it there or correct the path"
            raise _line_error(path, line, clip_id, reason)
        paths[row["path"]] = clip_path
    return Sample(
        clip_id=clip_id,
        path=paths[row["path"]],
        frames=frames,
        label=label,
        subset=row["subset"],
        fold=_number(path, line, row, "fold", smallest=0),
        subject=row["subject"],
        votes=row["votes"],
        fps=fps if fps is not None or not durations else frames / sum(durations),
        durations=row["durations"],
        attributes={name: text for name, text in row.items() if name not in _KNOWN},
    )


def _number(path: Path, line: int, row: dict[str, str], column: str, smallest: int) -> int:
    """Return a column's integer of at least ``smallest``."""
    text = row[column]
    if not (re.fullmatch("[0-9]{1,9}", text) and int(text) >= smallest):
        reason = f"{column} is {text[:60]!r}; it must be an integer of at least {smallest}"
        raise _line_error(path, line, row["clip_id"], reason)
    return int(text)


def _rate(path: Path, line: int, row: dict[str, str]) -> float | None:
    """Return the frame rate; None for an empty cell."""
    try:
        return read_rate(row["fps"])
    except InputError as error:
        raise _line_error(path, line, row["clip_id"], str(error)) from None


def read_rate(text: str) -> float | None:
    """Return a frame rate from a table, also with a decimal comma; None for an empty cell.

    Raises:
        InputError: it is not a positive number.
    """
    if not text.strip():
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"fps is {text!r}; it must be a number of frames a second above 0, or empty if it is unknown")
    return value


def _line_error(path: Path, line: int, clip_id: str, reason: str) -> InputError:
    return InputError(f"{path}, line {line}, clip {clip_id!r}: {reason}")
