"""Tables as Excel and people save them: ``ifdd.tables``, and its use for manifests and lists of clips."""

from pathlib import Path

import pytest

from ifdd.data.datasets.folder import read_folder
from ifdd.data.datasets.listing import Options
from ifdd.data.manifest import Manifest
from ifdd.errors import InputError
from ifdd.tables import read_table

KNOWN = ("path", "label")


@pytest.mark.parametrize(
    "data",
    [
        b"path,label\na.mp4,happy\n",
        b"path;label\r\na.mp4;happy\r\n",
        b"path\tlabel\na.mp4\thappy\n",
        b"path|label\na.mp4|happy\n",
        b"sep=;\npath;label\na.mp4;happy\n",
        b"\xef\xbb\xbfPath;LABEL\na.mp4;happy\n",
        "path\tlabel\na.mp4\thappy\n".encode("utf-16"),
        b",path,label\n0,a.mp4,happy\n",
        b"Unnamed: 0;path;label\n7;a.mp4;happy\n",
        b"path;label;;\na.mp4;happy;;\n",
    ],
)
def test_a_table_is_read_however_it_was_saved(data: bytes) -> None:
    table = read_table(data, "list.csv", KNOWN)
    assert table.header == KNOWN
    assert [cells for _, cells in table.rows] == [("a.mp4", "happy")]


def test_what_is_unusual_is_noted() -> None:
    table = read_table("path;age;label\nlächeln.mp4;20,5;happy\n".encode("cp1252"), "list.csv", KNOWN)
    assert table.rows == ((2, ("lächeln.mp4", "20.5", "happy")),)
    assert table.notes == (
        "in Windows-1252, not UTF-8",
        "separated by semicolons",
        "decimal commas in age are read as points",
    )
    assert "read as Windows-1252 with semicolons between the columns 'path', 'age', 'label'" in table.form
    assert read_table("path,label\n测试.mp4,happy\n".encode("gbk"), "x", KNOWN).rows[0][1][0] == "测试.mp4"
    kept = read_table(b'path,label,ids\na.mp4,happy,"1,2"\n', "x", KNOWN)
    assert kept.rows[0][1][2] == "1,2", "between commas, a comma within a cell is no decimal comma"
    assert read_table(b",path,label\nx,a,b\n", "x", KNOWN).header[0] == "", "only row numbers are left out"


def test_the_files_that_exist_decide_between_encodings(tmp_path: Path) -> None:
    name = "Äö.mp4"  # two letters whose bytes are also one letter of GB 2312
    (tmp_path / name).touch()
    (tmp_path / "list.csv").write_bytes(f"path,label\n{name},happy\n".encode("cp1252"))
    listing = read_folder(tmp_path / "list.csv", Options())
    assert listing.entries[0].source == tmp_path / name
    assert [f.message for f in listing.findings] == ["list.csv: in Windows-1252, not UTF-8; read anyway"]


def test_a_list_of_clips_names_separator_columns_and_encoding(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("Datei;Gefühl\na.mp4;happy\n".encode("cp1252"))
    with pytest.raises(InputError, match="read as Windows-1252 with semicolons between the columns 'Datei', 'Gefühl'"):
        read_folder(tmp_path / "list.csv", Options())
    (tmp_path / "list.csv").write_bytes(b"path,label\n\x81\xff\x00")
    with pytest.raises(InputError, match="is not a UTF-8 text file"):
        read_folder(tmp_path / "list.csv", Options())


def test_a_manifest_that_excel_saved_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").mkdir()
    text = ";label;clip_id;path;frames;subset;fold;subject;fps;au12\n0;fröhlich;a;a;3;test;0;;29,97;0,5\n"
    (tmp_path / "manifest.csv").write_bytes(text.encode("cp1252"))
    (sample,) = Manifest.read(tmp_path / "manifest.csv").samples
    assert (sample.label, sample.fps, sample.attributes) == ("fröhlich", 29.97, {"au12": "0.5"})
    assert "separated by semicolons" in capsys.readouterr().err
    (tmp_path / "manifest.csv").write_text("clip;path\na;a\n")
    with pytest.raises(InputError, match="semicolons between the columns 'clip', 'path'"):
        Manifest.read(tmp_path / "manifest.csv")


def test_the_awkward_lists_are_read() -> None:
    folder = Path(__file__).parents[2] / "shared/real/awkward/csv"
    if not folder.exists():
        pytest.skip("no shared files")
    for name in ("semi", "tab", "pandas_index", "extra", "cp1252"):
        listing = read_folder(folder / f"{name}.csv", Options())
        assert [entry.label for entry in listing.entries] == ["happy", "sad"], name
    assert listing.entries[0].source.exists()
