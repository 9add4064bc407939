"""Output files appear whole or not at all, and a place that cannot be written to is named."""

from pathlib import Path

import pytest

from ifdd.errors import InputError
from ifdd.files import atomic_path, write_text


def test_a_failed_block_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    write_text(target, "before")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert target.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "below.txt", Path("/proc/ifdd.txt")):
        with pytest.raises(InputError, match=f"cannot write {target}: .*; free space or choose another folder"):
            write_text(target, "text")


def test_errors_about_other_files_keep_their_kind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out.txt"):
        (tmp_path / "input.txt").read_text()
