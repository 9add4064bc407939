"""Output files appear whole or not at all, and errors name a path that is not writable."""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from ifdd.errors import InputError
from ifdd.files import (
    PARTIAL,
    absolute,
    atomic_folder,
    atomic_path,
    check_writable,
    make_folder,
    refuse_replacing,
    write_text,
)


def test_a_failed_block_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    write_text(target, "before")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert target.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize(("write", "makes"), [(atomic_path, "touch"), (atomic_folder, "mkdir")])
def test_an_interruption_right_after_creation_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], AbstractContextManager[Path]],
    makes: str,
) -> None:
    usual = getattr(Path, makes)

    def make_and_interrupt(path: Path, *words: Any, **options: Any) -> None:
        usual(path, *words, **options)
        if path.name.startswith(PARTIAL):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, makes, make_and_interrupt)
    with pytest.raises(KeyboardInterrupt), write(tmp_path / "out"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_not_writable_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "below.txt", Path("/proc/ifdd.txt")):
        with pytest.raises(InputError, match=f"cannot write {target}: .*; free space or choose another folder"):
            write_text(target, "text")


def test_errors_about_other_files_keep_their_type(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out.txt"):
        (tmp_path / "input.txt").read_text()


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("refused", [["chmod"], ["chmod", "replace", "rename", "link", "utime", "fsync"]])
def test_disks_that_refuse_permissions_and_renaming(
    refused: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in refused:
        monkeypatch.setattr(os, name, refuse)
    for text in ("first", "second"):
        write_text(tmp_path / "out.txt", text)
        assert (tmp_path / "out.txt").read_text() == text
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / "deep").mkdir()
            (temporary / "deep" / "a.txt").write_text(text)
        assert (tmp_path / "folder" / "deep" / "a.txt").read_text() == text
    make_folder(tmp_path / "made")
    check_writable(tmp_path / "a" / "b.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "made", "out.txt"]


def test_the_old_folder_is_kept_until_the_new_one_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, link = tmp_path / "folder", tmp_path / "link"
    target.mkdir()
    (target / "old.txt").touch()
    link.symlink_to(target)
    usual = Path.replace

    def failing(path: Path, place: Path) -> Path:
        if (path / "new.txt").exists():
            raise OSError(5, "Input/output error")
        return usual(path, place)

    with monkeypatch.context() as failing_disk:
        failing_disk.setattr(Path, "replace", failing)
        with pytest.raises(InputError, match="Input/output error"), atomic_folder(link) as temporary:
            (temporary / "new.txt").touch()
    assert [path.name for path in target.iterdir()] == ["old.txt"]
    with atomic_folder(link) as temporary:
        (temporary / "new.txt").touch()
    assert link.is_symlink()
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("kept")
    with pytest.raises(InputError, match="Not a directory"), atomic_folder(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_way_back_leads_out_of_the_folder_that_a_link_names(tmp_path: Path) -> None:
    (tmp_path / "disk" / "data").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "data")
    assert absolute(tmp_path / "link" / ".." / "a.mp4") == tmp_path / "disk" / "a.mp4"
    assert absolute(tmp_path / "link" / "a.mp4") == tmp_path / "link" / "a.mp4"


def test_half_a_copy_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_text(tmp_path / "out.txt", "text")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_found_out_without_a_trace(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"cannot write {tmp_path}: Is a directory"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="cannot write /proc/a/b: "):
        check_writable(Path("/proc/a/b"))
    (tmp_path / "made").mkdir()
    make_folder(tmp_path / "made")
    assert [path.name for path in tmp_path.rglob("*")] == ["made"]


def test_names_that_are_not_utf8_keep_their_bytes(tmp_path: Path) -> None:
    write_text(tmp_path / "out.txt", "caf\udce9")
    assert (tmp_path / "out.txt").read_bytes() == b"caf\xe9"


def test_a_file_that_is_read_is_not_replaced_under_any_of_its_names(tmp_path: Path) -> None:
    (read := tmp_path / "codes.csv").write_text("a")
    (linked := tmp_path / "also.csv").hardlink_to(read)
    for target in (read, linked, tmp_path / "." / "codes.csv"):
        with pytest.raises(InputError, match="would replace the codes; choose another file"):
            refuse_replacing(target, "the codes", tmp_path / "nowhere.csv", read)
    refuse_replacing(tmp_path / "new.csv", "the codes", read)
