"""The manifest: the one table of clips that every dataset becomes.

A CSV file in UTF-8 with the header ``clip_id,path,frames,label,subset,fold,subject,votes``, one clip a line, or a
Parquet file (suffix ``.parquet``) of the same columns. Paths are relative to the folder of the manifest and written
with ``/``, so the folder can be moved. Earlier manifests without the column ``votes`` are read too.

Further columns may follow, with any names, such as ``age`` and ``sex``; they are a sample's attributes.
"""

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

from ifdd.data.labels import canonical_label, parse_votes
from ifdd.errors import InputError
from ifdd.files import expand, write_text
from ifdd.parquet import pyarrow, write_parquet

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
    """Name of the emotion, in the spelling of ``canonical_label`` once it has been read from a manifest."""
    subset: str
    """"train", "validation" or "test"."""
    fold: int = 0
    """Number of the cross-validation fold whose subset this is, from 1; 0 where there are no folds."""
    subject: str = ""
    """Identity of the person; "" if unknown."""
    votes: str = ""
    """Annotators' votes by name, such as "happy:7 sad:2 neutral:1"; empty if unknown. Divided by their sum they are
    the soft label."""
    attributes: dict[str, str] = field(default_factory=dict, hash=False)
    """Column -> text, for the further columns of the manifest."""


COLUMNS = tuple(each.name for each in fields(Sample) if each.name != "attributes")
_OLD_COLUMNS = COLUMNS[:-1]
_KNOWN = frozenset(COLUMNS)
_NUMBERS = ("frames", "fold")


def write_manifest(path: str | Path, samples: Iterable[Sample]) -> None:
    """Write a manifest, whole or not at all; relative ``Sample.path`` are taken from the working directory.

    A column for every attribute that a sample has follows the known ones, empty for the samples that lack it.

    Raises:
        InputError: the file cannot be written, an attribute has no valid name for a column, or the file ends in
            .parquet and pyarrow is not installed.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.data.manifest import Sample, read_manifest, write_manifest
        >>> Path("smile.mp4").touch()
        >>> write_manifest("manifest.csv", [Sample("smile", Path("smile.mp4"), 40, "happiness", "test")])
        >>> read_manifest("manifest.csv")[0].label
        'happy'
    """
    path, samples = expand(path), list(samples)
    further = tuple(dict.fromkeys(name for sample in samples for name in sample.attributes))
    _check_further(path, further)
    folder = path.absolute().parent
    relative: dict[Path, str] = {}  # folds repeat clips
    rows = []
    for sample in samples:
        if sample.path not in relative:
            relative[sample.path] = Path(os.path.relpath(sample.path, folder)).as_posix()
        row = {name: getattr(sample, name) for name in COLUMNS}
        rows.append(row | {"path": relative[sample.path]} | {name: sample.attributes.get(name, "") for name in further})
    if path.suffix == ".parquet":
        write_parquet(path, {name: int if name in _NUMBERS else str for name in (*COLUMNS, *further)}, rows)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *further))
    writer.writerows(row.values() for row in rows)
    write_text(path, text.getvalue())


def dataset_hash(samples: Iterable[Sample]) -> str:
    """Return the SHA-256 of the sorted (clip id, label, fold, subset) lines: what is learnt and tested.

    Two people whose manifests have the same hash have the same clips, labels and folds, whatever their paths, their
    kind of frames and the spelling of their labels. Subjects, votes and attributes do not belong to the hash, so adding
    a column for ``ifdd evaluate --by`` keeps the dataset the same.
    """
    lines = sorted(f"{s.clip_id}\t{canonical_label(s.label)}\t{s.fold}\t{s.subset}\n" for s in samples)
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
    """All samples in the order of the file, with absolute paths and canonical labels."""

    @classmethod
    def read(cls, path: str | Path) -> "Manifest":
        """Read a manifest, CSV or Parquet, and check every line.

        Raises:
            InputError: the manifest is missing or damaged; a column has an empty or repeated name; or a line has an
                unknown label or subset, a bad number, a clip that another line of the same fold has, or a path that
                does not exist.
        """
        path = expand(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the manifest {path}: {error.strerror or error}; check the path") from error
        samples: list[Sample] = []
        seen: dict[tuple[int, str], int] = {}
        paths: dict[str, Path] = {}
        for line, row in (_parquet_rows if path.suffix == ".parquet" else _rows)(path, content):
            sample = _sample(path, line, row, paths)
            first = seen.setdefault((sample.fold, sample.clip_id), line)
            if first != line:
                reason = f"line {first} has the same clip in the same fold; keep one"
                raise _line_error(path, line, sample.clip_id, reason)
            samples.append(sample)
        return cls(path, hashlib.sha256(content).hexdigest(), tuple(samples))

    @cached_property
    def dataset_hash(self) -> str:
        """Hash of clips, labels, folds and subsets: see ``dataset_hash``."""
        return dataset_hash(self.samples)

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


def _rows(path: Path, content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, column -> text) of every line below the header."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Names of files may be bytes that are not UTF-8. A manifest in another encoding names no files that exist.
        text = content.decode("utf-8-sig", "surrogateescape")
        if not _starts_like_a_manifest(text.partition("\n")[0].strip().split(",")):
            raise InputError(f"{path} is not a UTF-8 text file; give the manifest's CSV file") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(reader, [])
        if not _starts_like_a_manifest(header):
            raise InputError(
                f"{path} is not a manifest: its first line must be {','.join(COLUMNS)}, then any further columns"
            )
        _check_further(path, _further(header))
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                expected = f"{len(row)} columns where there must be {len(header)}; correct the line"
                raise _line_error(path, reader.line_num, row[0], expected)
            yield reader.line_num, {"votes": "", **dict(zip(header, row, strict=True))}
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not readable as CSV ({error}); correct the line") from error


def _parquet_rows(path: Path, content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number of the row, counted like a CSV's lines; column -> text)."""
    parquet, damage = pyarrow("parquet"), pyarrow("lib").ArrowException
    try:
        table = parquet.ParquetFile(io.BytesIO(content)).read()  # read_table would refuse a column that occurs twice
    except (OSError, damage) as error:
        raise InputError(f"{path} is not a Parquet file; give the manifest that 'ifdd prepare' wrote") from error
    if not _starts_like_a_manifest(table.column_names):
        raise InputError(f"{path} is not a manifest: its columns must be {','.join(COLUMNS)}, then any further ones")
    _check_further(path, _further(table.column_names))
    for line, row in enumerate(table.to_pylist(), start=2):
        yield line, {"votes": "", **{name: "" if value is None else str(value) for name, value in row.items()}}


def _starts_like_a_manifest(header: Sequence[str]) -> bool:
    return tuple(header[: len(_OLD_COLUMNS)]) == _OLD_COLUMNS


def _further(header: Sequence[str]) -> Sequence[str]:
    """Return the columns after the known ones."""
    return header[len(COLUMNS) :] if tuple(header[: len(COLUMNS)]) == COLUMNS else header[len(_OLD_COLUMNS) :]


def _check_further(path: Path, names: Sequence[str]) -> None:
    """Refuse names of further columns that are empty, repeated or those of known columns."""
    for place, name in enumerate(names):
        if name != name.strip() or not name:
            reason = "is empty or begins or ends with a space; name it, for example age"
        elif name in COLUMNS:
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
        label = canonical_label(row["label"])
        parse_votes(row["votes"])
    except InputError as error:
        raise _line_error(path, line, clip_id, str(error)) from None
    if row["subset"] not in SUBSETS:
        raise _line_error(path, line, clip_id, f"unknown subset {row['subset']!r}; use {', '.join(SUBSETS)}")
    if row["path"] not in paths:
        clip_path = Path(os.path.normpath(path.absolute().parent / row["path"]))
        if not row["path"] or not clip_path.exists():
            reason = f"no such file or folder {clip_path}; put it there or correct the path"
            raise _line_error(path, line, clip_id, reason)
        paths[row["path"]] = clip_path
    return Sample(
        clip_id=clip_id,
        path=paths[row["path"]],
        frames=_number(path, line, row, "frames", smallest=1),
        label=label,
        subset=row["subset"],
        fold=_number(path, line, row, "fold", smallest=0),
        subject=row["subject"],
        votes=row["votes"],
        attributes={name: text for name, text in row.items() if name not in _KNOWN},
    )


def _number(path: Path, line: int, row: dict[str, str], column: str, smallest: int) -> int:
    """Return a column's integer of at least ``smallest``."""
    text = row[column]
    if not (text.isascii() and text.isdigit() and int(text) >= smallest):
        reason = f"{column} is {text!r}; it must be an integer of at least {smallest}"
        raise _line_error(path, line, row["clip_id"], reason)
    return int(text)


def _line_error(path: Path, line: int, clip_id: str, reason: str) -> InputError:
    return InputError(f"{path}, line {line}, clip {clip_id!r}: {reason}")
