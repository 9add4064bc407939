"""Writing of Parquet files. pyarrow belongs to an extra and is imported on first use."""

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ifdd.errors import InputError
from ifdd.files import atomic_path


def write_parquet(
    path: Path,
    columns: Mapping[str, type],
    rows: Iterable[Mapping[str, object]],
    metadata: Mapping[str, str] | None = None,
    *,
    private: bool = False,
) -> None:
    """Write a table, whole or not at all.

    Args:
        path: file to write.
        columns: column name -> ``int`` or ``float`` (64 bits) or ``str``.
        rows: column name -> value of each row; None for a missing value.
        metadata: texts to store in the file's metadata.
        private: as for ``ifdd.files.atomic_path``.

    Raises:
        InputError: pyarrow is not installed, or the file cannot be written.
    """
    arrow, parquet = pyarrow("lib"), pyarrow("parquet")
    types = {int: arrow.int64(), float: arrow.float64(), str: arrow.string()}
    texts = {key: text.encode("utf-8", "backslashreplace") for key, text in (metadata or {}).items()}
    schema = arrow.schema([(name, types[kind]) for name, kind in columns.items()], metadata=texts)
    try:
        table = arrow.Table.from_pylist(list(rows), schema=schema)
    except UnicodeEncodeError as error:
        raise InputError(
            f"cannot write {path}: Parquet cannot hold {error.object!r}, which is not UTF-8; rename it, or write CSV"
        ) from error
    with atomic_path(path, private=private) as temporary:
        parquet.write_table(table, temporary)


def pyarrow(module: str) -> Any:
    """Return a module of pyarrow.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        return importlib.import_module(f"pyarrow.{module}")
    except ModuleNotFoundError as error:
        raise InputError("Parquet files need pyarrow; install it with: pip install 'ifdd[parquet]'") from error
