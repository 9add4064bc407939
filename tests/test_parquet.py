import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from ifdd.errors import InputError
from ifdd.parquet import write_parquet

COLUMNS = {"name": str, "frames": int, "score": float}


def test_types_rows_and_metadata_are_stored(tmp_path: Path) -> None:
    rows = [{"name": "a", "frames": 3, "score": 0.5}, {"name": "é", "frames": 2**40, "score": None}]
    write_parquet(tmp_path / "table.parquet", COLUMNS, iter(rows), {"notice": "drawn faces only"})
    table = pyarrow.parquet.read_table(tmp_path / "table.parquet")
    assert [str(kind) for kind in table.schema.types] == ["string", "int64", "double"]
    assert table.to_pylist() == rows
    assert table.schema.metadata[b"notice"] == b"drawn faces only"


def test_without_rows_the_columns_remain(tmp_path: Path) -> None:
    write_parquet(tmp_path / "table.parquet", COLUMNS, [])
    assert pyarrow.parquet.read_table(tmp_path / "table.parquet").column_names == list(COLUMNS)


@pytest.mark.parametrize("missing", ["pyarrow.lib", "pyarrow.parquet"])
def test_without_pyarrow_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"Parquet files need pyarrow; install it with: pip install 'ifdd\[parquet\]'"):
        write_parquet(tmp_path / "table.parquet", COLUMNS, [])
    assert list(tmp_path.iterdir()) == []
